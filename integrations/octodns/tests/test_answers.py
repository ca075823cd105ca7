"""A node serves what was written, and answers as octoDNS's records say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Endpoints, Node, World, dynamic, pool, wait_until
from octodns.provider import ProviderException

# Clients in the database of the tests.
LONDON, SWEDEN, WASHINGTON = "81.2.69.142/32", "89.160.20.112/32", "216.160.83.56/32"
CHINA, PHILIPPINES, UNKNOWN = "175.16.199.1/32", "202.196.224.1/32", "203.0.113.1/32"
OFFICE = "198.18.5.0/24"

DRAWS = 400


def draws(node: Node, name: str, client: str | None = None, rtype: str = "A", times: int = 60) -> Counter[str]:
    """How often each answer came."""
    return Counter(" ".join(node.ask(name, rtype, client)) for _ in range(times))


def up(*values: str, **more: Any) -> dict[str, Any]:
    return pool(*({"value": value, "status": "up"} for value in values), **more)


@pytest.fixture
def servers(endpoints: Callable[..., Endpoints]) -> Endpoints:
    return endpoints(*(f"127.20.0.{number}" for number in range(1, 8)))


def test_clients_of_several_countries_get_the_pools_of_their_rules(world: World, servers: Endpoints, serve: Callable[[], Node]) -> None:
    rules = [
        {"geos": ["NA-US-WA"], "pool": "seattle"},
        {"geos": ["AS-PH"], "subnets": [OFFICE], "pool": "manila"},
        {"geos": ["AS", "OC"], "pool": "asia"},
        {"geos": ["EU"], "pool": "eu"},
        {"pool": "na"},
    ]
    rules = [rules[1], rules[0], *rules[2:]]
    pools = {
        "seattle": pool("127.20.0.4", fallback="na"),
        "manila": pool({"value": "127.20.0.6", "status": "down"}, fallback="asia"),
        "asia": pool("127.20.0.3", fallback="eu"),
        "eu": pool({"value": "127.20.0.1", "weight": 2}, {"value": "127.20.0.2", "weight": 3}, fallback="na"),
        "na": pool("127.20.0.5", {"value": "127.20.0.6", "status": "down"}, {"value": "127.20.0.7", "status": "up"}),
    }
    www = dynamic(pools, rules, octodns=servers.healthcheck(host="www.example.com"))
    # Another record divides the clients otherwise, and has an order of its own.
    api = dynamic(
        {"gb": up("127.20.0.1", fallback="rest"), "rest": up("127.20.0.2"), "here": up("127.20.0.3", fallback="gb")},
        [{"subnets": [OFFICE], "pool": "here"}, {"geos": ["EU-GB", "AS"], "pool": "gb"}, {"pool": "rest"}],
    )
    world.locate_clients()
    # Its pools have no fallbacks.
    alone = [{"geos": ["EU"], "subnets": [OFFICE], "pool": "eu"}, {"pool": "na"}]
    own = dynamic({"eu": pool("127.20.0.3"), "na": pool("127.20.0.5")}, alone, octodns=servers.healthcheck(host="www.example.com"))
    # It names a subnet for which the others decide by place.
    office = [{"subnets": ["81.2.69.0/24"], "pool": "here"}, {"geos": ["AS"], "pool": "gb"}, {"pool": "rest"}]
    lone = dynamic({"gb": up("127.20.0.1"), "rest": up("127.20.0.2"), "here": up("127.20.0.3")}, office)
    world.settle({"www": www, "api": api, "own": own, "lone": lone})
    node = serve()

    east, west, north = {"127.20.0.3"}, {"127.20.0.1", "127.20.0.2"}, {"127.20.0.5", "127.20.0.7"}
    for client, expected in {
        LONDON: west,
        SWEDEN: west,
        WASHINGTON: {"127.20.0.4"},
        CHINA: east,
        # All of its own pool is down.
        PHILIPPINES: east,
        OFFICE: east,
        UNKNOWN: north,
    }.items():
        assert set(draws(node, "www.gslb.example.com", client)) == expected, client
    assert node.ask("www.gslb.example.com", "AAAA", CHINA) == []
    assert node.ttl("www.gslb.example.com", "A") == 60
    for client, address in {LONDON: 1, SWEDEN: 2, CHINA: 1, OFFICE: 3, WASHINGTON: 2, UNKNOWN: 2}.items():
        assert node.ask("api.gslb.example.com", client=client) == [f"127.20.0.{address}"], client

    for client, address in {LONDON: 3, SWEDEN: 2, CHINA: 1, OFFICE: 2, UNKNOWN: 2}.items():
        assert node.ask("lone.gslb.example.com", client=client) == [f"127.20.0.{address}"], client

    # 2 to 3. The standard deviation of 400 draws is 10.
    assert 100 < draws(node, "www.gslb.example.com", LONDON, times=DRAWS)["127.20.0.1"] < 220
    # Values that obey and one that is always up share by weight too.
    assert 130 < draws(node, "www.gslb.example.com", UNKNOWN, times=DRAWS)["127.20.0.7"] < 270

    # Fallbacks are tried in turn, and no other pools.
    assert node.ask("own.gslb.example.com", client=LONDON) == ["127.20.0.3"]
    servers.broken.add("127.20.0.3")
    wait_until(lambda: node.ask("own.gslb.example.com", client=LONDON) == ["192.0.2.99"])
    assert node.ask("own.gslb.example.com", client=UNKNOWN) == ["127.20.0.5"]
    wait_until(lambda: set(draws(node, "www.gslb.example.com", CHINA)) == west)
    servers.broken |= west
    wait_until(lambda: set(draws(node, "www.gslb.example.com", CHINA)) == north)
    assert set(draws(node, "www.gslb.example.com", LONDON)) == north
    servers.broken |= {"127.20.0.5", "127.20.0.7"}
    wait_until(lambda: set(draws(node, "www.gslb.example.com", LONDON)) == {"127.20.0.7"})
    servers.broken.clear()
    wait_until(lambda: set(node.ask("www.gslb.example.com", client=CHINA)) == east)
    assert set(servers.asked) == {("www.example.com", "/up")}


def test_both_families_are_answered_from_the_pools_of_one_rule(
    world: World, endpoints: Callable[..., Endpoints], serve: Callable[[], Node]
) -> None:
    servers = endpoints("127.20.0.1", "127.20.0.2")
    rules = [{"geos": ["EU"], "pool": "eu"}, {"pool": "na"}]
    options = servers.healthcheck()
    www = dynamic({"eu": pool("127.20.0.1", fallback="na"), "na": pool("127.20.0.2")}, rules, octodns=options)
    # No other address of this family is a loopback address, and nobody listens there.
    www6 = www | {
        "type": "AAAA",
        "value": "2001:db8::99",
        "dynamic": {"pools": {"eu": pool("::1", fallback="na"), "na": pool("::1")}, "rules": rules},
    }
    fixed = dynamic({"eu": up("127.20.0.1", fallback="na"), "na": up("127.20.0.2")}, rules)
    fixed6 = fixed | {
        "type": "AAAA",
        "value": "2001:db8::99",
        "dynamic": {"pools": {"eu": up("2001:db8::1", fallback="na"), "na": up("2001:db8::2")}, "rules": rules},
    }
    world.locate_clients()
    world.settle({"www": [www, www6], "fixed": [fixed, fixed6]})
    node = serve()
    for client, number in ((LONDON, 1), (WASHINGTON, 2)):
        assert node.ask("fixed.gslb.example.com", "A", client) == [f"127.20.0.{number}"]
        assert node.ask("fixed.gslb.example.com", "AAAA", client) == [f"2001:db8::{number}"]
        assert node.ask("www.gslb.example.com", "A", client) == [f"127.20.0.{number}"]
        # One family of a name never falls back to the record's values while the other is well.
        assert node.ask("www.gslb.example.com", "AAAA", client) == []
    servers.broken.add("127.20.0.1")
    wait_until(lambda: node.ask("www.gslb.example.com", "A", LONDON) == ["127.20.0.2"])
    servers.broken.add("127.20.0.2")
    wait_until(lambda: node.ask("www.gslb.example.com", "A", LONDON) == ["192.0.2.99"])
    assert node.ask("www.gslb.example.com", "AAAA", LONDON) == ["2001:db8::99"]


def test_the_values_of_the_record_answer_when_all_pools_are_down(world: World, servers: Endpoints, serve: Callable[[], Node]) -> None:
    pools = {"main": pool("127.20.0.1", "127.20.0.2", fallback="spare"), "spare": pool("127.20.0.3")}
    record = dynamic(pools, [{"pool": "main"}], octodns=servers.healthcheck())
    world.settle({"www": record, "off": dynamic({"a": pool({"value": "127.20.0.1", "status": "down"})}, [{"pool": "a"}])})
    node = serve()
    assert set(draws(node, "www.gslb.example.com")) == {"127.20.0.1", "127.20.0.2"}
    assert node.ask("off.gslb.example.com") == ["192.0.2.99"]
    servers.broken |= {"127.20.0.1", "127.20.0.2"}
    wait_until(lambda: node.ask("www.gslb.example.com") == ["127.20.0.3"])
    servers.broken.add("127.20.0.3")
    wait_until(lambda: node.ask("www.gslb.example.com") == ["192.0.2.99"])
    # The host of the probes is the name.
    assert set(servers.asked) == {("www.gslb.example.com", "/up")}


def test_other_kinds_of_names_are_served(world: World, serve: Callable[[], Node]) -> None:
    alias = dynamic(
        {"a": pool({"value": "a.example.net.", "weight": 3, "status": "up"}, {"value": "b.example.net.", "status": "up"})},
        [{"geos": ["EU"], "pool": "eu"}, {"pool": "a"}],
    )
    alias["dynamic"]["pools"]["eu"] = pool({"value": "eu.example.net.", "status": "up"})
    alias |= {"type": "CNAME", "value": "last.example.net."}
    everyone = dynamic({"a": up("127.20.0.1", "127.20.0.2", "127.20.0.3")}, [{"pool": "a"}], octodns={"truenorth": {"answers": 8}})
    world.locate_clients()
    world.settle({"alias": alias, "": [everyone], "*.w": everyone, "text": {"type": "TXT", "ttl": 60, "value": "semi\\; and \\ too"}})
    node = serve()
    assert node.ask("alias.gslb.example.com", "A", LONDON) == ["eu.example.net."]
    assert 220 < draws(node, "alias.gslb.example.com", UNKNOWN, times=DRAWS)["a.example.net."] < 380
    everything = ["127.20.0.1", "127.20.0.2", "127.20.0.3"]
    assert node.ask("gslb.example.com") == node.ask("any.w.gslb.example.com") == everything
    assert node.ask("text.gslb.example.com", "TXT") == ['"semi; and \\\\ too"']
    assert node.ask("gslb.example.com", "NS") == ["ns1.gslb.example.com.", "ns2.example.net."]
    assert node.ask("ns1.gslb.example.com") == ["192.0.2.53"]


def test_a_node_that_is_told_serves_a_change_at_once(world: World, serve: Callable[[], Node]) -> None:
    world.settle({"www": {"type": "A", "ttl": 60, "value": "192.0.2.1"}})
    node = serve()
    world.desire({"www": {"type": "A", "ttl": 90, "value": "192.0.2.2"}})
    world.sync(reload=node.admin)
    assert node.ask("www.gslb.example.com") == ["192.0.2.2"]
    assert node.ttl("www.gslb.example.com", "A") == 90
    # What the node itself refuses is told.
    (world.zones / "broken.example.toml").write_text("[names.www]\n")
    world.desire({})
    with pytest.raises(ProviderException, match=r"the files are written, but http://.* refuses to load them: broken\.example\.toml:1: "):
        world.sync(reload=node.admin)
    node.stop()
    world.desire({"www": {"type": "A", "ttl": 90, "value": "192.0.2.2"}})
    with pytest.raises(ProviderException, match=r"the files are written, but http://.* cannot be asked to load them"):
        world.sync(reload=node.admin)
