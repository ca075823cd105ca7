"""Partitions of the clients for the rules of a zone's dynamic records.

octoDNS's rules belong to a record, truenorth's regions to a map of clients: there a client is in one region, by its most specific
match. So the codes and subnets of the rules of many records are taken together. Each is a match, clients that no rule tells apart
share a region, and each record says which pools it prefers there.

A subnet outranks every place. So a record that names a subnet cannot share a map with one that decides by place there: `groups`
divides the records into as few maps as they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from octodns.record import Record

Network = IPv4Network | IPv6Network
# A code such as NA-US-CA, or a subnet.
Match = str | Network
Chain = tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """Clients, and the pools that each record prefers for them, in the order of the records."""

    name: str
    clients: tuple[str, ...]
    chains: tuple[Chain, ...]


def has_targets(record: Record) -> bool:
    """True if a rule of the record names places or subnets."""
    return any(geos(rule) or subnets(rule) for rule in record.dynamic.rules)


def geos(rule: Any) -> list[str]:
    return rule.data.get("geos", [])


def subnets(rule: Any) -> list[Network]:
    return [ip_network(subnet) for subnet in rule.data.get("subnets", [])]


def chain(record: Record, pool: str | None) -> Chain:
    """The pool and its fallbacks, in order."""
    ids: list[str] = []
    while pool is not None and pool not in ids:
        ids.append(pool)
        pool = record.dynamic.pools[pool].data["fallback"]
    return tuple(ids)


def used_pools(record: Record) -> list[str]:
    """The ids of the pools that a rule leads to, sorted. octoDNS lets others pass with `lenient` only."""
    return sorted({pool for rule in record.dynamic.rules for pool in chain(record, rule.data["pool"])})


def partition(records: Sequence[Record]) -> list[Region]:
    """Returns the regions that these records need, the default last. Each has a rule with targets, and a last rule without any."""
    groups: dict[tuple[Chain, ...], list[Match]] = {}
    for match in _matches(records):
        chains = tuple(chain(record, _winner(record, match)) for record in records)
        groups.setdefault(chains, []).append(match)
    regions = [Region(_name(group[0]), tuple(map(_client, group)), chains) for chains, group in groups.items()]
    default = tuple(chain(record, record.dynamic.rules[-1].data["pool"]) for record in records)
    return [*regions, Region("default", (), default)]


def groups(records: Iterable[Record]) -> list[list[Record]]:
    """Divides records into groups that one partition of the clients can serve, in their order."""
    found: list[list[Record]] = []
    for record in records:
        group = next((group for group in found if not any(map(partial(_collide, record), group))), None)
        if group is None:
            found.append([record])
        else:
            group.append(record)
    return found


def _collide(one: Record, other: Record) -> bool:
    """True if one of them names a subnet for which the other decides by place."""
    return _takes_from(one, other) or _takes_from(other, one)


def _takes_from(one: Record, other: Record) -> bool:
    by_place = any(map(geos, other.dynamic.rules))
    return by_place and not all(_covers_subnet(other, subnet) for rule in one.dynamic.rules for subnet in subnets(rule))


def _matches(records: Sequence[Record]) -> list[Match]:
    rules = [rule for record in records for rule in record.dynamic.rules]
    places = {code for rule in rules for code in geos(rule)}
    networks = {subnet for rule in rules for subnet in subnets(rule)}
    return sorted(places) + sorted(networks, key=lambda net: (net.version, net.network_address, net.prefixlen))


def _covers_subnet(record: Record, subnet: Network) -> bool:
    return any(_contains(wider, subnet) for rule in record.dynamic.rules for wider in subnets(rule))


def _contains(wider: Network, subnet: Network) -> bool:
    return wider.version == subnet.version and subnet.subnet_of(wider)


def _winner(record: Record, match: Match) -> str:
    """The pool of the first rule that takes these clients."""
    for rule in record.dynamic.rules:
        if isinstance(match, str):
            taken = any(match == code or match.startswith(f"{code}-") for code in geos(rule))
        else:
            taken = any(_contains(wider, match) for wider in subnets(rule))
        if taken:
            return rule.data["pool"]
    return record.dynamic.rules[-1].data["pool"]


def _client(match: Match) -> str:
    if not isinstance(match, str):
        return str(match)
    kind = ("continent", "country", "subdivision")[match.count("-")]
    return f"{kind}:{match if kind == 'continent' else match.partition('-')[2]}"


def _name(match: Match) -> str:
    # Names of regions have letters, digits, `-`, `_` and `.`.
    return "octodns." + str(match).replace("/", "-").replace(":", "_")
