"""Compiles dynamic records into steered names.

    octoDNS                         truenorth
    dynamic record, A with AAAA     a name; `fallback` has the record's own values
    pool                            pools: `octodns.NAME.ID` of the values that obey, `octodns.NAME.ID._up` of those always up
    its fallbacks                   the order of `pools`, or of `prefer` where rules name places
    rules                           regions, or a map of regions where they cannot be the zone's: see regions.py
    healthcheck                     the monitor `octodns.NAME._check`

Where rules name places, a pool needs a datacenter to be preferred: the one that the provider's `datacenters` gives for the pool's id,
or else one of its own, `octodns.ID`. No name of octoDNS's ranks by distance, so its location decides nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from octodns.record import Record

from . import toml
from .regions import Chain, chain, groups, has_targets, partition, used_pools

TYPES = ("A", "AAAA", "CNAME")
PREFIX = "octodns."

# The line that keeps the record as octoDNS says it.
COMMENT = "# octoDNS: "

Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Options:
    """The options of the provider that decide what is written. Raises `ValueError` if one is not of its shape."""

    datacenters: Mapping[str, Any] = field(default_factory=dict)
    monitor: Mapping[str, Any] = field(default_factory=dict)
    # False if somebody else has regions that count in the zone. Then all of octoDNS's are in maps.
    owns_regions: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.datacenters, Mapping):
            raise ValueError("`datacenters` takes the datacenter of each pool, by the pool's id")
        if not all(isinstance(datacenter, (str, Mapping)) for datacenter in self.datacenters.values()):
            raise ValueError("`datacenters` takes the name of a datacenter, or `latitude` and `longitude` of a new one")
        if not isinstance(self.monitor, Mapping):
            raise ValueError("`monitor` takes keys of a monitor")

    def datacenter(self, pool: str) -> str:
        """The name of the datacenter of a pool, by the pool's id."""
        mapped = self.datacenters.get(pool)
        return mapped if isinstance(mapped, str) else PREFIX + word(pool)

    def location(self, pool: str) -> dict[str, Any]:
        """The location of a pool's own datacenter."""
        mapped = self.datacenters.get(pool)
        return dict(mapped) if isinstance(mapped, Mapping) else {"latitude": 0, "longitude": 0}


def word(text: str) -> str:
    """Returns a text as a part of a name of a pool, one to one. A `_` at the beginning is left for this module's own parts."""
    odd = re.compile(r"[^A-Za-z0-9_-]|^_|_(?=[0-9A-F]{2})")
    return odd.sub(lambda found: "".join(f"_{octet:02X}" for octet in found[0].encode()), text)


def named(owner: str, *parts: str) -> str:
    """Returns the name of what belongs to an owner."""
    labels = owner.split(".") if owner else []
    return PREFIX + ".".join([*map(word, labels), *parts])


def by_owner(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Groups dynamic records by their names, A before AAAA."""
    owners: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.name, record._type)):
        owners.setdefault(record.name, []).append(record)
    return owners


def options_of(record: Record) -> dict[str, Any]:
    """The record's own options, `octodns.truenorth`: `answers`, and `monitor`, which is the name of one or keys for the record's."""
    return record.octodns.get("truenorth", {})


def monitor(record: Record, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the monitor that the record's health check is."""
    protocol = record.healthcheck_protocol.lower()
    check: dict[str, Any] = {"type": protocol}
    if protocol != "icmp":
        check["port"] = record.healthcheck_port
    if protocol in ("http", "https"):
        path = record.healthcheck_path
        check["path"] = path if path.startswith("/") else f"/{path}"
        check["host"] = record.healthcheck_host()
        # "check for a 200 response": octoDNS, docs/dynamic_records.md
        check["expect_status"] = 200
    return check | dict(defaults) | options_of(record).get("monitor", {})


def compile_tables(records: Iterable[Record], options: Options) -> Tables:
    """Returns the tables of a zone's dynamic records, by their sections."""
    owners = by_owner(records)
    tables: Tables = {section: {} for section in ("datacenters", "regions", "maps", "monitors", "pools", "names")}
    placed = [here[0] for here in owners.values() if has_targets(here[0])]
    clients = _add_clients(placed, options, tables)
    for owner, here in owners.items():
        _Name(owner, here, options, tables, clients.get(owner)).add()
    return tables


@dataclass
class _Clients:
    """How an owner's rules divide the clients: the map, if it is not the zone's own, and what the owner prefers by region, where it
    differs from the region's own order."""

    map: str | None
    prefer: dict[str, list[str]] = field(default_factory=dict)


def _add_clients(placed: list[Record], options: Options, tables: Tables) -> dict[str, _Clients]:
    """Adds the regions, maps and datacenters that the rules need. Returns what each owner uses of them."""
    clients: dict[str, _Clients] = {}
    for number, group in enumerate(groups(placed)):
        name = None if options.owns_regions and number == 0 else named(group[0].name or "_40")
        regions = tables["regions"] if name is None else tables["maps"].setdefault(name, {})
        clients |= {record.name: _Clients(name) for record in group}
        for region in partition(group):
            # A region's order is that of the first owner.
            orders = [[options.datacenter(pool) for pool in pools] for pools in region.chains]
            matches = {} if region.name == "default" else {"clients": list(region.clients)}
            regions[region.name] = matches | {"prefer": orders[0], "only": True}
            for record, order in zip(group, orders, strict=True):
                if order != orders[0]:
                    clients[record.name].prefer[region.name] = order
    for record in placed:
        for pool in used_pools(record):
            name = options.datacenter(pool)
            if name.startswith(PREFIX):
                tables["datacenters"][name] = options.location(pool)
    return clients


@dataclass
class _Name:
    """One steered name in the making."""

    owner: str
    records: list[Record]
    options: Options
    tables: Tables
    # If the rules of the records name places.
    clients: _Clients | None

    def add(self) -> None:
        first = self.records[0]
        tiers = [self._pools(pool) for pool in self._order()]
        tiers = [tier for tier in tiers if tier]
        values = named(self.owner, "_values")
        self.tables["pools"][values] = {"endpoints": [self._endpoint(first, value, 1) for value in self._values()]}
        entry: dict[str, Any] = {"pools": [pool for tier in tiers for pool in tier], "steer": []}
        if self.clients is not None:
            entry["steer"] = ["region"]
            if self.clients.map is not None:
                entry["map"] = self.clients.map
        elif len(tiers) > 1:
            entry["steer"] = ["failover"]
            entry["pools"] = [tier[0] if len(tier) == 1 else tier for tier in tiers]
        if first._type != "CNAME":
            entry["pick"] = "weighted"
            if "answers" in options_of(first):
                entry["answers"] = options_of(first)["answers"]
        elif any(len(tier) > 1 for tier in tiers):
            entry["steer"].append("weight")
        if not tiers:
            entry["pools"], entry["steer"] = [values], []
            entry.pop("map", None)
        else:
            entry["fallback"] = values
        entry["ttl"] = first.ttl
        if self.clients is not None and self.clients.prefer and tiers:
            entry["prefer"] = self.clients.prefer
        self.tables["names"][self.owner or "@"] = entry

    def _order(self) -> Chain:
        """The ids of the pools, in the order of preference where there is one."""
        first = self.records[0]
        if self.clients is None:
            return chain(first, first.dynamic.rules[-1].data["pool"])
        return tuple(used_pools(first))

    def _values(self) -> Iterator[str]:
        for record in self.records:
            yield from record.values if hasattr(record, "values") else [record.value]

    def _pools(self, pool: str) -> list[Any]:
        """Adds the pools of one of octoDNS's pools. Returns their entries in `pools`."""
        parts: dict[str, dict[str, Any]] = {}
        weights: dict[str, int] = {}
        for record in self.records:
            for number, value in enumerate(record.dynamic.pools[pool].data["values"], 1):
                if value["status"] == "down":
                    continue
                suffix = ["_up"] if value["status"] == "up" else []
                if record._type == "CNAME":
                    # A pool has one CNAME.
                    suffix = [f"_{number}"]
                name = named(self.owner, word(pool), *suffix)
                weights[name] = value["weight"]
                part = parts.setdefault(name, self._placed(pool))
                if value["status"] == "obey" and "monitor" not in part:
                    part["monitor"] = self._monitor()
                part.setdefault("endpoints", []).append(self._endpoint(record, value["value"], value["weight"]))
        self.tables["pools"].update(parts)
        if self.records[0]._type == "CNAME":
            return [{"pool": name, "weight": weights[name]} for name in parts]
        return list(parts)

    def _placed(self, pool: str) -> dict[str, Any]:
        if self.clients is None and not isinstance(self.options.datacenters.get(pool), str):
            return {}
        return {"datacenter": self.options.datacenter(pool)}

    def _monitor(self) -> str:
        own = options_of(self.records[0]).get("monitor")
        if isinstance(own, str):
            return own
        name = named(self.owner, "_check")
        self.tables["monitors"][name] = monitor(self.records[0], self.options.monitor)
        return name

    @staticmethod
    def _endpoint(record: Record, value: str, weight: int) -> Any:
        if record._type == "CNAME":
            return {"cname": str(value)}
        return str(value) if weight == 1 else {"address": str(value), "weight": weight}


def lines(records: list[Record], options: Options) -> Iterator[str]:
    """Yields the lines of the dynamic records."""
    tables = compile_tables(records, options)
    for section in ("datacenters", "regions"):
        for name, entries in tables[section].items():
            yield from toml.table((section, name), entries)
    for name, regions in tables["maps"].items():
        for region, entries in regions.items():
            yield from toml.table(("maps", name, region), entries)
    for section in ("monitors", "pools"):
        for name, entries in tables[section].items():
            yield from toml.table((section, name), entries)
    for owner, here in by_owner(records).items():
        for record in here:
            yield COMMENT + remembered(record)
        yield from toml.table(("names", owner or "@"), tables["names"][owner or "@"])


def remembered(record: Record) -> str:
    """Returns one line that has all that octoDNS says of a record."""
    kept = {"name": record.name, "type": record._type} | record.data
    return json.dumps(kept, separators=(", ", ": "), default=str)


def recall(text: str) -> Iterator[dict[str, Any]]:
    """Yields what octoDNS said of the dynamic records of its part. Raises `ValueError` if a line is damaged."""
    for line in text.splitlines():
        if line.startswith(COMMENT):
            kept = json.loads(line[len(COMMENT) :])
            if not isinstance(kept, dict) or kept.get("type") not in TYPES or not isinstance(kept.get("name"), str):
                raise ValueError("it is no record")
            yield kept
