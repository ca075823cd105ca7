"""The regions of a zone choose, for each record, the pools that its own rules choose."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from conftest import World, dynamic, pool
from octodns.record import Record
from octodns.record.geo_data import geo_data
from octodns.zone import Zone

from octodns_truenorth.regions import Region, groups, partition
from octodns_truenorth.steering import named, word

# Places of clients, from the continent to the subdivision.
PLACES = ["EU", "EU-DE", "EU-FR", "AF", "AF-ZA", "NA", "NA-US", "NA-US-CA", "NA-US-NY", "NA-CA", "NA-CA-ON", "AS", "AS-JP", "SA", "OC"]
SUBNETS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24", "2001:db8::/32", "2001:db8:1::/48"]
ADDRESSES = ["10.9.9.9", "10.1.9.9", "10.1.2.9", "192.0.2.9", "203.0.113.9", "2001:db8::9", "2001:db8:1::9", "2001:db9::9"]


def record(name: str, rules: list[dict[str, Any]]) -> Record:
    pools = {rule["pool"]: pool("198.51.100.1") for rule in rules}
    data = {"type": "A", "ttl": 60, "value": "192.0.2.1", "dynamic": {"pools": pools, "rules": rules}}
    return Record.new(Zone("example.com.", []), name, data, lenient=True)


def random_rules(draw: random.Random, subnets: list[str]) -> list[dict[str, Any]]:
    """Rules in any order, also in those that octoDNS allows with `lenient` only. All subnets are named."""
    places = draw.sample(PLACES, draw.randint(1, 8))
    rules: list[dict[str, Any]] = [{"pool": f"p{number}"} for number in range(4)]
    for kind, codes in (("geos", places), ("subnets", subnets)):
        for code in codes:
            draw.choice(rules[:3]).setdefault(kind, []).append(code)
    return [rule for rule in rules[:3] if len(rule) > 1] + [rules[3]]


def by_rules(record: Record, place: str, address: str) -> str:
    """The pool by octoDNS's words: the first rule whose subnets match, else the first whose places do."""
    for rule in record.dynamic.rules:
        if any(ip_address(address) in ip_network(subnet) for subnet in rule.data.get("subnets", [])):
            return rule.data["pool"]
    for rule in record.dynamic.rules:
        if any(place == geo or place.startswith(f"{geo}-") for geo in rule.data.get("geos", [])):
            return rule.data["pool"]
    return record.dynamic.rules[-1].data["pool"]


def by_regions(regions: dict[str, Region], place: str, address: str) -> list[str]:
    """The pools by truenorth's words: the longest prefix, else the subdivision, the country, the continent, the default."""
    networks = [ip_network(client) for client in regions if "/" in client]
    inside = [network for network in networks if ip_address(address) in network]
    parts = place.split("-")
    keys = [str(max(inside, key=lambda network: network.prefixlen))] if inside else []
    keys += [f"subdivision:{parts[1]}-{parts[2]}"] if len(parts) > 2 else []
    keys += [f"country:{parts[1]}"] if len(parts) > 1 else []
    keys += [f"continent:{parts[0]}", "default"]
    region = next(regions[key] for key in keys if key in regions)
    return [chain[0] for chain in region.chains]


@pytest.mark.parametrize("seed", range(40))
def test_regions_choose_what_rules_choose(seed: int) -> None:
    draw = random.Random(seed)
    subnets = draw.sample(SUBNETS, draw.randint(0, 4))
    records = [record(f"n{number}", random_rules(draw, subnets)) for number in range(draw.randint(1, 4))]
    assert groups(records) == [records]
    regions = {client: region for region in partition(records) for client in region.clients or ["default"]}
    for place in PLACES:
        for address in ADDRESSES:
            assert by_regions(regions, place, address) == [by_rules(each, place, address) for each in records], (place, address)


def test_clients_that_no_rule_tells_apart_share_a_region() -> None:
    one = record("one", [{"geos": ["EU", "AS"], "pool": "a"}, {"pool": "b"}])
    other = record("other", [{"geos": ["EU-DE", "AF"], "pool": "c"}, {"pool": "d"}])
    regions = {region.name: (region.clients, region.chains) for region in partition([one, other])}
    assert regions == {
        "octodns.AF": (("continent:AF",), (("b",), ("c",))),
        "octodns.AS": (("continent:AS", "continent:EU"), (("a",), ("d",))),
        "octodns.EU-DE": (("country:DE",), (("a",), ("c",))),
        "default": ((), (("b",), ("d",))),
    }


@pytest.mark.parametrize("seed", range(40))
def test_records_that_cannot_share_a_map_have_maps_of_their_own(seed: int) -> None:
    draw = random.Random(seed)
    records = [record(f"n{number}", random_rules(draw, draw.sample(SUBNETS, draw.randint(0, 3)))) for number in range(5)]
    found = groups(records)
    assert sorted(each.name for group in found for each in group) == [each.name for each in records]
    for group in found:
        regions = {client: region for region in partition(group) for client in region.clients or ["default"]}
        for place in PLACES:
            for address in ADDRESSES:
                assert by_regions(regions, place, address) == [by_rules(each, place, address) for each in group], (place, address)


def test_a_subnet_that_another_record_does_not_name_needs_another_map() -> None:
    one = record("one", [{"subnets": ["10.1.0.0/16"], "pool": "a"}, {"pool": "b"}])
    placed = record("placed", [{"geos": ["EU"], "pool": "a"}, {"pool": "b"}])
    wider = record("wider", [{"subnets": ["10.0.0.0/8"], "geos": ["EU"], "pool": "a"}, {"pool": "b"}])
    assert groups([one, placed]) == [[one], [placed]]
    assert groups([one, wider]) == [[one, wider]]
    assert groups([placed, wider, one]) == [[placed], [wider, one]]


def test_names_of_pools_are_one_to_one() -> None:
    texts = ["a", "_a", "a_b", "_up", "*", "_2A", "a.b", "a b", "ä", "_C3", "A_5F", "", "_", "__"]
    assert len({word(text) for text in texts}) == len(texts)
    assert not any(word(text).startswith("_up") or "." in word(text) for text in texts)
    owners = ["", "www", "a.b", "*.apps"]
    parts = [("_values",), ("_check",), (word("www"),), (word("www"), "_up"), (word("_up"),)]
    names = {named(owner, *more) for owner in owners for more in parts}
    assert len(names) == len(owners) * len(parts)


def test_truenorth_knows_all_places_of_octodns(world: World) -> None:
    continents = list(geo_data)
    countries = [f"{continent}-{country}" for continent in geo_data for country in geo_data[continent]]
    provinces = [
        f"{continent}-{country}-{province}"
        for continent in geo_data
        for country, data in geo_data[continent].items()
        for province in data.get("provinces", ())
    ]
    assert len(countries) > 200 and len(provinces) > 60
    records = {}
    for name, codes in (("continents", continents), ("countries", countries), ("provinces", provinces)):
        pools = {"here": pool("198.51.100.1"), "rest": pool("198.51.100.2")}
        records[name] = dynamic(pools, [{"geos": codes, "pool": "here"}, {"pool": "rest"}])
    world.settle(records)
