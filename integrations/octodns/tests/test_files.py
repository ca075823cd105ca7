"""Health checks as monitors, and files that are replaced as a whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import World, dynamic, pool

from octodns_truenorth import toml
from octodns_truenorth.node import swap

HTTPS = {"type": "https", "port": 443, "path": "/_dns", "host": "www.gslb.example.com", "expect_status": 200}


@pytest.mark.parametrize(
    ("octodns", "monitor"),
    [
        ({}, HTTPS),
        ({"healthcheck": {"protocol": "HTTP", "port": 8080, "path": "up", "host": "h.example"}}, HTTPS | {
            "type": "http", "port": 8080, "path": "/up", "host": "h.example",
        }),
        ({"healthcheck": {"protocol": "TCP", "port": 25}}, {"type": "tcp", "port": 25}),
        ({"healthcheck": {"protocol": "ICMP"}}, {"type": "icmp"}),
        ({"truenorth": {"monitor": {"verify": False, "interval": "2s", "timeout": "1s", "expect_status": "200-299"}}}, HTTPS | {
            "verify": False, "interval": "2s", "timeout": "1s", "expect_status": "200-299",
        }),
    ],
)  # fmt: skip
def test_a_health_check_is_a_monitor(world: World, octodns: dict[str, Any], monitor: dict[str, Any]) -> None:
    world.settle({"www": dynamic({"a": pool("198.51.100.1")}, [{"pool": "a"}], octodns=octodns)})
    assert toml.loads(world.file.read_text())["monitors"] == {"octodns.www._check": monitor}


def test_a_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("old")
    real.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(real)
    swap(link, "new")
    assert link.is_symlink() and real.read_text() == "new" and real.stat().st_mode & 0o777 == 0o640
    swap(tmp_path / "another.toml", "text")
    assert (tmp_path / "another.toml").stat().st_mode & 0o777 == 0o644
    swap(link, "")
    assert not real.exists()


def test_a_full_disk_changes_nothing(world: World) -> None:
    world.settle({})
    before = world.file.read_bytes()
    world.desire({f"h{number}": {"type": "TXT", "ttl": 60, "value": "x" * 200} for number in range(50)})
    world.manager(command="")
    # No file may grow beyond 4 KiB: a write fails as on a full disk.
    program = (
        "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from octodns.manager import Manager; Manager('octodns.yaml').sync(dry_run=False, force=True)"
    )
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run([sys.executable, "-c", program], cwd=world.folder, env=environment, capture_output=True, text=True, check=False)
    assert "gslb.example.com.toml cannot be written: [Errno 27] File too large" in ran.stderr
    assert world.file.read_bytes() == before
    assert [path.name for path in world.zones.iterdir()] == ["gslb.example.com.toml"]


@pytest.mark.parametrize("value", ["", "plain", 'quoted " and \\', "tab\t, nul\0, del\x7f, é, \U0001f600", [1, True, 0.5], {"a b": ["x"]}])
def test_what_is_written_as_toml_is_read_back(value: Any) -> None:
    assert toml.loads(f"value = {toml.value(value)}")["value"] == value
    assert toml.header('[a."b.c".d] # comment') == ("a", "b.c", "d")
    assert toml.header('["a", "b"],') is None and toml.header("a = 1") is None and toml.header("[[a]]") is None
