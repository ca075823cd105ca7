"""A folder with octoDNS's configuration and truenorth's beside each other, the real octoDNS on it, and the real truenorth."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dns.edns
import dns.message
import dns.query
import pytest
import yaml
from octodns.manager import Manager

ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("TRUENORTH_BINARY", str(ROOT / "target/debug/truenorth"))
ZONE = "gslb.example.com."

# Seconds that anything may take on a busy machine.
PATIENCE = 60

SERVER = """\
zones = "zones"
state = "state"
[listen]
dns = ["127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
[reload]
watch = false
"""
# It knows few networks, and their subdivisions.
GEOIP = f'[geoip]\ndatabases = ["{ROOT}/tests/geoip/maxmind/GeoIP2-City-Test.mmdb"]\n[ecs]\nmax_source_v4 = 32\n'

NAMESERVERS = [
    {"type": "NS", "ttl": 3600, "values": ["ns1.gslb.example.com.", "ns2.example.net."]},
]


class World:
    """octoDNS's YAML in `config`, truenorth's files in `zones`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zones = folder / "zones"
        self.options: dict[str, Any] = {}
        for name in ("config", "zones"):
            (folder / name).mkdir()
        (folder / "truenorth.toml").write_text(SERVER)
        self.desire({})

    @property
    def file(self) -> Path:
        return self.zones / "gslb.example.com.toml"

    @property
    def master(self) -> Path:
        return self.zones / "gslb.example.com.zone"

    def desire(self, records: dict[str, Any], nameservers: bool = True) -> None:
        """Writes the records that octoDNS is to have, with the zone's own nameservers."""
        records = {name: entry if isinstance(entry, list) else [entry] for name, entry in records.items()}
        if nameservers:
            records[""] = NAMESERVERS + records.get("", [])
            records.setdefault("ns1", [{"type": "A", "ttl": 300, "value": "192.0.2.53"}])
        (self.folder / "config/gslb.example.com.yaml").write_text(yaml.safe_dump(records))

    def locate_clients(self) -> None:
        """Gives the node a database of places."""
        (self.folder / "truenorth.toml").write_text(SERVER + GEOIP)

    def manager(self, **options: Any) -> Manager:
        provider = {
            "class": "octodns_truenorth.TruenorthProvider",
            "directory": str(self.zones),
            "config": str(self.folder / "truenorth.toml"),
            "command": BINARY,
        }
        config = {
            "class": "octodns.provider.yaml.YamlProvider",
            "directory": str(self.folder / "config"),
            "enforce_order": False,
            "escaped_semicolons": True,
        }
        settings = {
            "providers": {"config": config, "truenorth": provider | self.options | options},
            "zones": {ZONE: {"sources": ["config"], "targets": ["truenorth"]}},
        }
        path = self.folder / "octodns.yaml"
        path.write_text(yaml.safe_dump(settings))
        return Manager(str(path))

    def sync(self, dry_run: bool = False, force: bool = True, **options: Any) -> int:
        """octoDNS's own validation and sync. Returns the number of applied changes."""
        manager = self.manager(**options)
        manager.validate_configs()
        return manager.sync(dry_run=dry_run, force=force)

    def plan(self, **options: Any) -> Any:
        """octoDNS's plan; `None` if there is nothing to do."""
        manager = self.manager(**options)
        provider = manager.providers["truenorth"]
        zone = manager.get_zone(ZONE)
        manager.providers["config"].populate(zone)
        return provider.plan(zone)

    def check(self) -> str:
        """`truenorth check`, which must find no error. Returns what it says."""
        ran = subprocess.run([BINARY, "check", "--config", self.folder / "truenorth.toml"], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout + ran.stderr

    def settle(self, records: dict[str, Any], **options: Any) -> None:
        """Applies records, and holds what has to hold then: the second plan is empty, and `check` is content."""
        self.desire(records)
        self.sync(**options)
        assert self.plan(**options) is None, self.file.read_text()
        self.check()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Node:
    """A running truenorth."""

    def __init__(self, world: World) -> None:
        self.log = world.folder / "log"
        with self.log.open("wb") as log:
            arguments = [BINARY, "serve", "--config", str(world.folder / "truenorth.toml")]
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        self.port = int(self.wait_for(r"answering addresses=\[127\.0\.0\.1:(\d+)\]"))
        self.admin = "http://127.0.0.1:" + self.wait_for(r"admin server listening addresses=\[127\.0\.0\.1:(\d+)\]")

    def wait_for(self, line: str) -> str:
        def search() -> str | None:
            found = re.search(line, self.log.read_text())
            assert found or self.process.poll() is None, self.log.read_text()
            return found[1] if found else None

        return wait_until(search, lambda: self.log.read_text())

    def ask(self, name: str, rtype: str = "A", client: str | None = None) -> list[str]:
        """The data of the answer for a client, sorted."""
        options = [] if client is None else [dns.edns.ECSOption.from_text(client)]
        query = dns.message.make_query(name, rtype, use_edns=0, options=options)
        answer = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=PATIENCE)
        return sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)

    def ttl(self, name: str, rtype: str) -> int:
        answer = dns.query.udp(dns.message.make_query(name, rtype), "127.0.0.1", port=self.port, timeout=PATIENCE)
        return answer.answer[0].ttl

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


def wait_until(holds: Callable[[], Any], told: Callable[[], str] = lambda: "") -> Any:
    """Returns the first true value."""
    deadline = time.monotonic() + PATIENCE
    while not (result := holds()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)
    return result


@pytest.fixture
def serve(world: World) -> Iterator[Callable[[], Node]]:
    """Starts nodes, and stops them at the end of the test."""
    nodes: list[Node] = []

    def start() -> Node:
        nodes.append(Node(world))
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


class Endpoints:
    """HTTP servers on one port of several loopback addresses."""

    def __init__(self, *addresses: str) -> None:
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        endpoints = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = self.request.getsockname()[0]
                endpoints.asked.append((self.headers["Host"].partition(":")[0], self.path))
                self.send_response(503 if address in endpoints.broken else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        first = ThreadingHTTPServer((addresses[0], 0), Handler)
        self.port = first.server_address[1]
        self.servers = [first, *(ThreadingHTTPServer((address, self.port), Handler) for address in addresses[1:])]
        for server in self.servers:
            Thread(target=server.serve_forever, daemon=True).start()

    def healthcheck(self, **more: Any) -> dict[str, Any]:
        """octoDNS's health check of these servers, at a pace for tests. A busy machine may answer late once or twice."""
        monitor = {"interval": "500ms", "timeout": "450ms", "rise": 1, "fall": 3}
        check = {"protocol": "HTTP", "port": self.port, "path": "/up"} | more
        return {"healthcheck": check, "truenorth": {"monitor": monitor}}

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def endpoints() -> Iterator[Callable[..., Endpoints]]:
    started: list[Endpoints] = []

    def start(*addresses: str) -> Endpoints:
        started.append(Endpoints(*addresses))
        return started[-1]

    yield start
    for servers in started:
        servers.stop()


def pool(*values: Any, fallback: str | None = None) -> dict[str, Any]:
    """A pool of octoDNS: addresses, or tables."""
    entries = [value if isinstance(value, dict) else {"value": value} for value in values]
    return {"values": entries} | ({"fallback": fallback} if fallback else {})


def dynamic(pools: dict[str, Any], rules: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A dynamic A record."""
    return {"type": "A", "ttl": 60, "value": "192.0.2.99", "dynamic": {"pools": pools, "rules": rules}} | more
