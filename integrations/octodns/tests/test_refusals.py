"""octoDNS refuses what a zone file cannot say; without `strict_supports` it is made into what can be said."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import World, dynamic, pool
from octodns.provider import ProviderException, SupportsException

EU = [{"geos": ["EU"], "pool": "eu"}, {"pool": "na"}]
POOLS = {"eu": pool("198.51.100.1", fallback="na"), "na": pool("198.51.100.2")}
POOLS6 = {"eu": pool("2001:db8::1", fallback="na"), "na": pool("2001:db8::2")}


def aaaa(pools: dict[str, Any], rules: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return dynamic(pools, rules) | {"type": "AAAA", "value": "2001:db8::99"} | more


def cname(*values: dict[str, Any]) -> dict[str, Any]:
    return dynamic({"a": pool(*values)}, [{"pool": "a"}]) | {"type": "CNAME", "value": "last.example.net."}


def check(**healthcheck: Any) -> dict[str, Any]:
    return {"octodns": {"healthcheck": healthcheck}}


CASES = {
    "family": (
        {"www": [dynamic(POOLS, EU), {"type": "AAAA", "ttl": 60, "value": "2001:db8::1"}]},
        "www.gslb.example.com.: A is dynamic and AAAA is not, but both are answered from one place",
        "",
    ),
    "rules": (
        {"www": [dynamic(POOLS, EU), aaaa(POOLS6, [{"geos": ["EU", "AF"], "pool": "eu"}, {"pool": "na"}])]},
        "A and AAAA are answered from one place, but their rules differ",
        "",
    ),
    "ttl": ({"www": [dynamic(POOLS, EU), aaaa(POOLS6, EU, ttl=90)]}, "but their TTLs are 60 and 90", ""),
    "health": ({"www": [dynamic(POOLS, EU), aaaa(POOLS6, EU, **check(port=80))]}, "but their health checks differ", ""),
    "options": (
        {"www": [dynamic(POOLS, EU), aaaa(POOLS6, EU, octodns={"truenorth": {"answers": 2}})]},
        "but their `octodns.truenorth` differs",
        "",
    ),
    "fallbacks": (
        {"www": [dynamic(POOLS, EU), aaaa({"eu": pool("2001:db8::1"), "na": pool("2001:db8::2")}, EU)]},
        "but their pools eu have different fallbacks",
        "",
    ),
    "down": (
        {"www": [dynamic(POOLS, EU), aaaa(POOLS6 | {"eu": pool({"value": "2001:db8::1", "status": "down"}, fallback="na")}, EU)]},
        "but the values of their pools eu have different statuses",
        "",
    ),
    "up": (
        {"www": [dynamic(POOLS, EU), aaaa(POOLS6 | {"eu": pool({"value": "2001:db8::1", "status": "up"}, fallback="na")}, EU)]},
        "but the values of their pools eu have different statuses",
        "",
    ),
    "option": (
        {"www": dynamic(POOLS, EU, octodns={"truenorth": {"answer": 2}})},
        "www.gslb.example.com. A: `octodns.truenorth` has no answer, only answers, monitor",
        "",
    ),
    "udp": (
        {"www": dynamic(POOLS, EU, **check(protocol="UDP", port=53))},
        "www.gslb.example.com. A: health checks by UDP are not supported",
        '[pools."octodns.www.eu._up"]',
    ),
    "wildcard": ({"*.w": dynamic(POOLS, EU)}, "the health check of a wildcard needs a `host`", '[pools."octodns._2A.w.eu._up"]'),
    "cname": (
        {"www": cname({"value": "a.example.net."})},
        "www.gslb.example.com. CNAME: a CNAME's target is not an address, so it cannot be probed",
        'endpoints = [{ cname = "a.example.net." }]',
    ),
    "datacenters": (
        {"www": dynamic({"eu": pool("198.51.100.1"), "fra": pool("198.51.100.2")}, [{"geos": ["EU"], "pool": "eu"}, {"pool": "fra"}])},
        "the pools eu and fra are both in octodns.fra, so rules cannot tell them apart",
        'pools = ["octodns.www.fra"]',
    ),
    "many": (
        {"www": dynamic({f"p{n}": pool("198.51.100.1", fallback=f"p{n + 1}" if n < 64 else None) for n in range(65)}, [{"pool": "p0"}])},
        "it needs 65 pools, a name has at most 64",
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_said(world: World, case: str) -> None:
    records, told, falls_back = CASES[case]
    options: dict[str, Any] = {"datacenters": {"eu": "octodns.fra"}} if case == "datacenters" else {}
    world.desire(records)
    with pytest.raises(SupportsException) as refused:
        world.sync(**options)
    assert told in str(refused.value)
    assert not world.file.exists()
    if falls_back is None:
        return
    world.settle(records, strict_supports=False, **options)
    assert falls_back in world.file.read_text()
    assert "names." in world.file.read_text()


def test_rules_without_one_for_all_clients_need_lenience_and_are_refused(world: World) -> None:
    record = dynamic({"eu": pool("198.51.100.1")}, [{"geos": ["EU"], "pool": "eu"}], octodns={"lenient": True})
    world.desire({"www": record})
    with pytest.raises(SupportsException, match="its last rule is not for all clients"):
        world.sync()
    world.desire({"www": record})
    world.sync(strict_supports=False)
    assert "[records.www]" in world.file.read_text()


def test_types_that_dns_does_not_have_are_refused(world: World) -> None:
    world.desire({"": [{"type": "ALIAS", "ttl": 60, "value": "www.example.net."}]})
    with pytest.raises(SupportsException, match="ALIAS records not supported for gslb.example.com."):
        world.sync()


def test_a_new_zone_needs_nameservers(world: World) -> None:
    world.desire({"www": {"type": "A", "ttl": 60, "value": "192.0.2.1"}}, nameservers=False)
    with pytest.raises(SupportsException, match="gslb.example.com. has no NS records at its root, here or in gslb.example.com.toml"):
        world.sync()


def test_what_check_refuses_is_not_written(world: World) -> None:
    world.settle({})
    before = world.file.read_bytes()
    # octoDNS takes any TTL.
    world.desire({"www": dynamic(POOLS, EU, ttl=2**31)})
    with pytest.raises(ProviderException, match=r"check refuses what would be written.*gslb\.example\.com\.toml:\d+: `ttl` "):
        world.sync()
    assert world.file.read_bytes() == before
    assert sorted(path.name for path in world.folder.iterdir()) == ["config", "octodns.yaml", "truenorth.toml", "zones"]
    assert [path.name for path in world.zones.iterdir()] == ["gslb.example.com.toml"]


def test_errors_of_other_zones_do_not_hinder(world: World) -> None:
    (world.zones / "broken.example.toml").write_text("[names.www]\n")
    world.desire({})
    world.sync()
    assert world.plan() is None


def test_a_command_that_is_not_there_is_refused_at_once(world: World) -> None:
    with pytest.raises(ProviderException, match="there is no command /nowhere/truenorth"):
        world.manager(command="/nowhere/truenorth")


def test_options_of_another_shape_are_refused_at_once(world: World) -> None:
    for options in ({"datacenters": ["fra"]}, {"datacenters": {"eu": 1}}, {"monitor": "web"}):
        with pytest.raises(ProviderException, match=f"truenorth: `{next(iter(options))}` takes"):
            world.manager(**options)


def test_zones_are_written_without_the_command_if_that_is_wanted(world: World) -> None:
    world.desire({"www": dynamic(POOLS, EU)})
    world.sync(command="")
    world.check()
