"""octoDNS's plan, apply and dump."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ZONE, World, dynamic, pool
from octodns.provider import ProviderException
from octodns.provider.plan import RootNsChange
from octodns.record import Record
from octodns.zone import Zone

EVERY_TYPE = {
    "": [
        {"type": "A", "ttl": 120, "values": ["192.0.2.1", "192.0.2.2"]},
        {"type": "AAAA", "ttl": 120, "value": "2001:db8::1"},
        {"type": "CAA", "ttl": 3600, "values": [{"flags": 0, "tag": "issue", "value": "ca.example.net"}]},
        {"type": "MX", "ttl": 3600, "values": [{"preference": 10, "exchange": "mail.example.com."}]},
        {"type": "TXT", "ttl": 300, "values": ["v=spf1 -all", 'a "quoted" one\\; with \\ and blanks  ', "long " * 100]},
    ],
    "alias": {"type": "CNAME", "ttl": 60, "value": "www.example.net."},
    "tree": {"type": "DNAME", "ttl": 60, "value": "tree.example.net."},
    "lab": [
        {"type": "NS", "ttl": 1800, "values": ["ns.example.net."]},
        {
            "type": "DS",
            "ttl": 1800,
            "value": {"key_tag": 1234, "algorithm": 13, "digest_type": 2, "digest": "ab" * 32},
        },
    ],
    "mail": {"type": "A", "ttl": 300, "value": "192.0.2.25"},
    "many": [
        {
            "type": "LOC",
            "ttl": 300,
            "value": {
                "lat_degrees": 52, "lat_minutes": 22, "lat_seconds": 23.1, "lat_direction": "N",
                "long_degrees": 4, "long_minutes": 53, "long_seconds": 32.0, "long_direction": "E",
                "altitude": -2.0, "size": 1.0, "precision_horz": 10000.0, "precision_vert": 10.0,
            },
        },
        {"type": "SSHFP", "ttl": 300, "value": {"algorithm": 4, "fingerprint_type": 2, "fingerprint": "cd" * 32}},
        {"type": "SPF", "ttl": 300, "value": "v=spf1 -all"},
        {"type": "HTTPS", "ttl": 300, "value": {"svcpriority": 1, "targetname": ".", "svcparams": {"alpn": ["h2", "h3"]}}},
        {"type": "OPENPGPKEY", "ttl": 300, "value": "mQENBFVHm5sBCADV"},
    ],
    "_sip._tcp": [
        {"type": "SRV", "ttl": 300, "values": [{"priority": 1, "weight": 2, "port": 5060, "target": "mail.gslb.example.com."}]},
        {
            "type": "NAPTR",
            "ttl": 300,
            "value": {
                "order": 1, "preference": 2, "flags": "S", "service": "SIP+D2U", "regexp": "!^.*$!sip:info@example.com!",
                "replacement": ".",
            },
        },
        {"type": "URI", "ttl": 300, "value": {"priority": 1, "weight": 2, "target": "https://example.com/"}},
    ],
    "_443._tcp": {
        "type": "TLSA",
        "ttl": 300,
        "value": {"certificate_usage": 3, "selector": 1, "matching_type": 1, "certificate_association_data": "ef" * 32},
    },
    "_dns": {
        "type": "SVCB",
        "ttl": 300,
        "value": {
            "svcpriority": 1, "targetname": "mail.gslb.example.com.",
            "svcparams": {"alpn": ["dot"], "port": 853, "ipv4hint": ["192.0.2.25"]},
        },
    },
    "1": {"type": "PTR", "ttl": 300, "values": ["a.example.com.", "b.example.com."]},
    "*.w": {"type": "A", "ttl": 300, "value": "192.0.2.7"},
}  # fmt: skip

WORLDWIDE = dynamic(
    {
        "apac": pool("198.51.100.1", "198.51.100.2", fallback="na"),
        "eu": pool({"value": "198.51.100.3", "weight": 2}, {"value": "198.51.100.4", "weight": 3}, fallback="na"),
        "na": pool("198.51.100.5", {"value": "198.51.100.6", "status": "down"}, {"value": "198.51.100.7", "status": "up"}),
    },
    [{"geos": ["AF-ZA", "AS", "OC"], "pool": "apac"}, {"geos": ["AF", "EU", "NA-US-HI"], "pool": "eu"}, {"pool": "na"}],
    octodns={"healthcheck": {"host": "www.example.com", "path": "/health", "port": 8080, "protocol": "HTTP"}},
)


def test_every_type_and_a_dynamic_record_are_applied_once(world: World) -> None:
    records = EVERY_TYPE | {"www": WORLDWIDE}
    world.desire(records)
    assert world.sync(dry_run=True) == 0
    assert not world.file.exists()
    # Each RRset, the nameservers' two, and the dynamic record.
    assert world.sync() == sum(len(entry) if isinstance(entry, list) else 1 for entry in records.values()) + 2
    before = world.file.read_bytes()
    assert world.plan() is None
    assert world.sync() == 0
    assert world.file.read_bytes() == before
    world.check()


def test_a_dump_gives_the_records_back(world: World, tmp_path: Path) -> None:
    world.settle(EVERY_TYPE | {"www": WORLDWIDE})
    manager = world.manager()
    manager.dump(ZONE, str(tmp_path / "dumped"), ["truenorth"])
    assert manager.compare(["config"], ["truenorth"], ZONE) == []
    dumped = yaml.safe_load((tmp_path / "dumped/gslb.example.com.yaml").read_text())
    assert dumped["www"]["octodns"] == WORLDWIDE["octodns"]
    assert dumped["www"]["dynamic"]["rules"] == WORLDWIDE["dynamic"]["rules"]
    assert dumped["www"]["dynamic"]["pools"]["na"]["values"][1]["status"] == "down"
    # What was dumped leads to the same files.
    (tmp_path / "config/gslb.example.com.yaml").write_text((tmp_path / "dumped/gslb.example.com.yaml").read_text())
    assert world.plan() is None


def test_changes_of_every_kind_are_applied(world: World) -> None:
    world.settle(EVERY_TYPE | {"www": WORLDWIDE, "api": {"type": "A", "ttl": 60, "value": "192.0.2.8"}})
    changed = dict(EVERY_TYPE)
    del changed["_dns"]
    changed["mail"] = {"type": "A", "ttl": 60, "value": "192.0.2.26"}
    # A dynamic record becomes static, and a static one dynamic.
    changed["www"] = {"type": "A", "ttl": 60, "value": "192.0.2.9"}
    changed["api"] = WORLDWIDE
    world.desire(changed)
    assert {type(change).__name__: change.record.name for change in world.plan().changes}.keys() == {"Delete", "Update"}
    assert world.sync() == 4
    assert world.plan() is None
    text = world.file.read_text()
    assert "_dns" not in text and "names.www" not in text and "octodns.www" not in text and "[names.api]" in text
    world.check()


def test_ttls_that_the_zone_file_cannot_say_go_to_a_master_file(world: World) -> None:
    world.settle({"": [{"type": "MX", "ttl": 600, "values": [{"preference": 1, "exchange": "a.example.com."}]}, *EVERY_TYPE[""][:2]]})
    lines = world.master.read_text().splitlines()[1:]
    assert lines == ["gslb.example.com. 600 IN MX 1 a.example.com."]
    # It goes again when nothing is in it.
    world.settle({"": EVERY_TYPE[""][:2]})
    assert not world.master.exists()


def test_a_record_that_a_dead_process_left_in_both_files_is_mended(world: World) -> None:
    world.settle({"": EVERY_TYPE[""][:2]})
    before = world.file.read_bytes()
    changed = {"": [EVERY_TYPE[""][0], EVERY_TYPE[""][1] | {"ttl": 600}]}
    world.settle(changed)
    assert world.master.exists()
    # As though the process had died after the first of the two.
    world.file.write_bytes(before)
    assert world.plan().meta
    world.settle(changed)
    assert "AAAA" not in world.file.read_text()


def test_a_changed_health_check_is_a_change(world: World) -> None:
    world.settle({"www": WORLDWIDE})
    healthcheck = {"healthcheck": WORLDWIDE["octodns"]["healthcheck"] | {"path": "/other"}}
    world.desire({"www": WORLDWIDE | {"octodns": healthcheck}})
    (change,) = world.plan().changes
    assert change.record.name == "www"
    assert world.sync() == 1
    assert 'path = "/other"' in world.file.read_text()
    assert world.plan() is None


def test_an_edit_of_octodnss_part_is_told_and_undone(world: World) -> None:
    world.settle({"www": WORLDWIDE})
    written = world.file.read_text()
    world.file.write_text(written.replace("weight = 3", "weight = 30"))
    plan = world.plan()
    assert plan.changes == [] and "gslb.example.com.toml is not as octoDNS would write it" in plan.meta["truenorth"]
    world.sync()
    assert "weight = 30" not in world.file.read_text()
    assert world.plan() is None


def test_other_options_of_the_provider_are_a_change(world: World) -> None:
    world.settle({"www": WORLDWIDE})
    options = {"monitor": {"interval": "10s", "fall": 2}, "datacenters": {"eu": {"latitude": 50.11, "longitude": 8.68, "country": "DE"}}}
    assert world.plan(**options).meta
    world.sync(**options)
    assert world.plan(**options) is None
    text = world.file.read_text()
    assert 'fall = 2\ninterval = "10s"\n' in text and 'country = "DE"\nlatitude = 50.11\nlongitude = 8.68' in text
    world.check()


def test_a_change_of_the_nameservers_needs_force(world: World) -> None:
    world.settle({})
    world.desire({"": [{"type": "NS", "ttl": 3600, "values": ["ns3.example.net."]}]}, nameservers=False)
    with pytest.raises(RootNsChange):
        world.sync(force=False)
    world.sync()
    assert world.plan() is None
    assert '"ns3.example.net." = []' in world.file.read_text()
    world.check()


def test_a_file_that_changes_after_the_plan_is_left_alone(world: World) -> None:
    world.settle({})
    world.desire({"www": WORLDWIDE})
    manager = world.manager()
    provider = manager.providers["truenorth"]
    zone = manager.get_zone(ZONE)
    manager.providers["config"].populate(zone)
    plan = provider.plan(zone)
    world.file.write_text("# mine\n" + world.file.read_text())
    edited = world.file.read_bytes()
    with pytest.raises(ProviderException, match="changed since the plan was made, so nothing was changed"):
        provider.apply(plan)
    assert world.file.read_bytes() == edited


def test_zones_are_found_by_their_files(world: World) -> None:
    (world.zones / "0-25.toml").write_text('origin = "0/25.2.0.192.in-addr.arpa"\n')
    (world.zones / "example.org.toml").write_text("")
    (world.zones / ".hidden.toml").write_text("")
    assert world.manager().providers["truenorth"].list_zones() == ["0/25.2.0.192.in-addr.arpa.", "example.org."]


def test_a_zone_whose_name_no_file_can_have_says_it_inside(world: World) -> None:
    provider = world.manager().providers["truenorth"]
    for ttl in (3600, 60):
        zone = Zone("0/25.2.0.192.in-addr.arpa.", [])
        for name, data in {
            "": {"type": "NS", "ttl": ttl, "values": ["ns.example.net."]},
            "1": {"type": "PTR", "ttl": ttl, "values": ["a.example.com."]},
        }.items():
            zone.add_record(Record.new(zone, name, data))
        provider.apply(provider.plan(zone))
        assert provider.plan(zone) is None
    assert (world.zones / "0-25.2.0.192.in-addr.arpa.toml").read_text().startswith('origin = "0/25.2.0.192.in-addr.arpa"\n')
    assert "60 IN NS" in (world.zones / "0-25.2.0.192.in-addr.arpa.zone").read_text()
    world.check()


def test_pools_that_no_rule_leads_to_are_kept_for_octodns_alone(world: World) -> None:
    for rules in ([{"pool": "a"}], [{"geos": ["EU"], "pool": "b"}, {"pool": "a"}]):
        pools = {name: pool("198.51.100.1") for name in ("a", "b", "spare")}
        world.settle({"www": dynamic(pools, rules, octodns={"lenient": True})})
        assert "octodns.www.spare" not in world.file.read_text() and '"spare": ' in world.file.read_text()


def random_records(draw: random.Random) -> dict[str, Any]:
    """Dynamic records of every shape that a zone file can say."""
    subnets = draw.sample(["10.1.0.0/16", "198.18.0.0/15", "2001:db8::/32"], draw.randint(0, 3))
    records: dict[str, Any] = {}
    for name in draw.sample(["", "www", "a.b", "_x", "*.w"], draw.randint(1, 5)):
        ids = draw.sample(["eu", "na_1", "_x", "a.b", "default-1", "\u00e4"], draw.randint(2, 5))
        geos = draw.sample(["EU", "AF-ZA", "AS", "NA-US-CA", "NA-CA-ON", "OC-AU", "SA"], 4)
        targets: list[dict[str, Any]] = [{"subnets": [subnet]} for subnet in subnets] + [{"geos": [geo]} for geo in geos]
        # As octoDNS orders them: subnets, then subnets with places, then places, then all clients.
        rules = [target | {"pool": pool_id} for target, pool_id in zip(targets, ids[1:], strict=False)]
        if len(rules) < len(subnets):
            rules[-1]["subnets"] = subnets[len(rules) - 1 :]
        rules.append({"pool": ids[0]})
        fallbacks = {pool_id: draw.choice([None, *ids[:number]]) for number, pool_id in enumerate(ids)}
        statuses = {pool_id: draw.choice([["obey"], ["up"], ["down"], ["obey", "up", "down"]]) for pool_id in ids}
        families = [("A", "192.0.2.{}"), ("AAAA", "2001:db8::{}")] if draw.random() < 0.5 else [("A", "192.0.2.{}")]
        octodns = {"healthcheck": {"protocol": draw.choice(["HTTP", "HTTPS", "TCP"]), "port": 8080}}
        if name.startswith("*"):
            octodns["healthcheck"]["host"] = "w.example.com"
        here = records[name] = []
        for rtype, form in families:
            pools = {}
            for pool_id in ids:
                values = [
                    {"value": form.format(number), "status": status, "weight": draw.randint(1, 100) if len(statuses[pool_id]) > 1 else 1}
                    for number, status in enumerate(statuses[pool_id], draw.randint(1, 50))
                ]
                pools[pool_id] = pool(*values, fallback=fallbacks[pool_id])
            here.append(dynamic(pools, rules, octodns=octodns) | {"type": rtype, "value": form.format(99)})
    return records


@pytest.mark.parametrize("seed", range(8))
def test_a_second_plan_is_empty_whatever_the_records(world: World, seed: int) -> None:
    draw = random.Random(seed)
    world.settle(random_records(draw))
    # And so it is after a change to anything else.
    world.settle(random_records(draw))
