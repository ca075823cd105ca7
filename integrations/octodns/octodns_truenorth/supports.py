"""Refuses what a zone file cannot say, before anything is planned.

Each rule calls `refuse(problem, fallback)`, octoDNS's `supports_warn_or_except`: it raises, or under `strict_supports: false` warns.
Then the rule makes the desired zone into what can be said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from octodns.record import Record
from octodns.zone import Zone

from . import regions, static, steering
from .zonefile import ZoneFile

Refuse = Callable[[str, str], None]

# truenorth's limit, see docs/zone-file.md.
MAX_POOLS = 64
PROTOCOLS = ("HTTP", "HTTPS", "TCP", "ICMP")
OPTIONS = ("answers", "monitor")
STEPS_BY_DEFAULT = ("region", "weight")
ADDRESSES = ("A", "AAAA")


class Desired:
    """The desired zone, made into what the files can say."""

    def __init__(self, zone: Zone, file: ZoneFile, options: steering.Options, refuse: Refuse) -> None:
        self.zone = zone
        self.file = file
        self.options = options
        self.refuse = refuse

    def settled(self) -> Zone:
        """Returns the zone after all rules."""
        for record in self._sorted():
            self._check_names_by_hand(record)
        for record in self._dynamic():
            self._check_options(record)
        for record in self._dynamic():
            self._check_health(record)
        for record in self._dynamic():
            self._check_pools(record)
        self._check_families()
        self._check_ttls()
        return self.zone

    def _sorted(self) -> list[Record]:
        return sorted(self.zone.records, key=lambda record: (record.name, record._type))

    def _dynamic(self) -> list[Record]:
        return [record for record in self._sorted() if getattr(record, "dynamic", None)]

    def _replace(self, record: Record) -> None:
        self.zone.add_record(record, replace=True, lenient=True)

    def _check_names_by_hand(self, record: Record) -> None:
        """octoDNS never changes names and master files that somebody else wrote."""
        what = f"{record.fqdn} {record._type}"
        if record.name in self.file.names:
            entries = self.file.names[record.name]
            owned = ("TXT",) if entries.get("reflect") else (*ADDRESSES, "CNAME", *(["HTTPS"] if "https" in entries else []))
            if record._type in owned or getattr(record, "dynamic", None):
                problem = f"{what}: {self.file.path.name} has a name of this owner that octoDNS did not write"
                self.refuse(f"{problem}; take it out there or here", "omitting the record")
                self.zone.remove_record(record)
                return
        if any(record == other for other in self.file.master_records):
            self.refuse(f"{what}: it is in {self.file.master_path.name}; take it out there or here", "omitting the record")
            self.zone.remove_record(record)

    def _check_options(self, record: Record) -> None:
        """Finds misspelled options, which would have no effect."""
        unknown = steering.options_of(record).keys() - OPTIONS
        if unknown:
            names = ", ".join(sorted(unknown))
            self.refuse(f"{record.fqdn} {record._type}: `octodns.truenorth` has no {names}, only {', '.join(OPTIONS)}", "ignoring it")

    def _check_health(self, record: Record) -> None:
        """Makes values that cannot be probed ones that are always up."""
        if not any(value["status"] == "obey" for value in _values(record)):
            return
        host = record.healthcheck_host()
        problem = None
        if record._type == "CNAME":
            problem = "a CNAME's target is not an address, so it cannot be probed: give its values `status: up`"
        elif isinstance(steering.options_of(record).get("monitor"), str):
            return
        elif record.healthcheck_protocol not in PROTOCOLS:
            problem = f"health checks by {record.healthcheck_protocol} are not supported"
        elif host is not None and "*" in host:
            problem = "the health check of a wildcard needs a `host`"
        if problem is None:
            return
        self.refuse(f"{record.fqdn} {record._type}: {problem}", "taking its values as up")
        record = record.copy()
        for value in _values(record):
            if value["status"] == "obey":
                value["status"] = "up"
        self._replace(record)

    def _check_pools(self, record: Record) -> None:
        """Each rule needs its pools, and each client a rule."""
        what = f"{record.fqdn} {record._type}"
        rules = record.dynamic.rules
        if regions.geos(rules[-1]) or regions.subnets(rules[-1]):
            # There is no pool that a fallback could choose.
            self.refuse(f"{what}: its last rule is not for all clients", "falling back to a simple record")
            record = record.copy()
            record.dynamic = None
            self._replace(record)
            return
        used = regions.used_pools(record)
        count = sum(_count_pools(record, pool) for pool in used)
        if count > MAX_POOLS:
            self.refuse(f"{what}: it needs {count} pools, a name has at most {MAX_POOLS}", "using its last rule for all clients")
            record = self._without_targets(record)
        if not regions.has_targets(record):
            return
        ids: dict[str, str] = {}
        for pool in used:
            name = self.options.datacenter(pool)
            if name in ids:
                problem = f"{what}: the pools {ids[name]} and {pool} are both in {name}, so rules cannot tell them apart"
                self.refuse(problem, "using its last rule for all clients")
                self._without_targets(record)
                return
            ids[name] = pool

    def _without_targets(self, record: Record) -> Record:
        record = record.copy()
        last = record.dynamic.rules[-1]
        record.dynamic.rules = [last]
        kept = regions.chain(record, last.data["pool"])
        record.dynamic.pools = {pool: record.dynamic.pools[pool] for pool in kept}
        self._replace(record)
        return record

    def _check_families(self) -> None:
        """A name's A and AAAA are steered together, to one place."""
        owners: dict[str, dict[str, Record]] = defaultdict(dict)
        for record in self._sorted():
            if record._type in ADDRESSES:
                owners[record.name][record._type] = record
        for families in owners.values():
            if len(families) < 2 or not any(getattr(record, "dynamic", None) for record in families.values()):
                continue
            a, aaaa = families["A"], families["AAAA"]
            plain = next((record for record in (a, aaaa) if not record.dynamic), None)
            if plain is not None:
                other = "A" if plain is aaaa else "AAAA"
                problem = f"{plain.fqdn}: {other} is dynamic and {plain._type} is not, but both are answered from one place"
                self.refuse(problem, f"omitting {plain._type}")
                self.zone.remove_record(plain)
                continue
            difference = _difference(a, aaaa)
            if difference is not None:
                problem = f"{a.fqdn}: A and AAAA are answered from one place, but {difference}"
                self.refuse(problem, "omitting AAAA")
                self.zone.remove_record(aaaa)

    def _check_ttls(self) -> None:
        """Only a master file of octoDNS's own can hold TTLs that `[records]` cannot say."""
        if self.file.owns_master:
            return
        static_records = [record for record in self._sorted() if not getattr(record, "dynamic", None)]
        owners = self.file.foreign_owners | self.file.owners
        for record in static.place(static_records, owners).master:
            common = _common_ttl(record, static_records, owners)
            problem = f"{record.fqdn} {record._type}: its TTL {record.ttl} is not the {common} of its owner, "
            problem += f"and {self.file.master_path.name}, where it could stand, is not octoDNS's"
            self.refuse(problem, f"using {common}")
            record = record.copy()
            record.ttl = common
            self._replace(record)


def _common_ttl(record: Record, records: list[Record], owners: Mapping[str, Any]) -> int:
    if static.is_root_ns(record):
        return static.NS_TTL
    here = [other for other in records if other.name == record.name]
    fits = [other.ttl for other in static.place(here, dict(owners)).toml if not static.is_root_ns(other)]
    owner = owners.get(record.name)
    return fits[0] if fits else static.RECORD_TTL if owner is None or owner.ttl is None else owner.ttl


def has_foreign_regions(file: ZoneFile) -> bool:
    """True if the zone has regions that octoDNS did not write, or names that octoDNS's regions would decide for."""
    return bool(file.operator.get("regions")) or any(map(_ranks_by_region, file.names.values()))


def _ranks_by_region(entries: Mapping[str, Any]) -> bool:
    return "pools" in entries and "map" not in entries and "region" in entries.get("steer", STEPS_BY_DEFAULT)


def _values(record: Record) -> list[dict[str, Any]]:
    return [value for pool in record.dynamic.pools.values() for value in pool.data["values"]]


def _count_pools(record: Record, pool: str) -> int:
    part = record.dynamic.pools[pool]
    if record._type == "CNAME":
        return sum(value["status"] != "down" for value in part.data["values"])
    return len(_statuses(part))


def _difference(a: Record, aaaa: Record) -> str | None:
    """The reason why two records cannot be one name; `None` if they can."""
    if a.ttl != aaaa.ttl:
        return f"their TTLs are {a.ttl} and {aaaa.ttl}"
    if a.dynamic.rules != aaaa.dynamic.rules:
        return "their rules differ"
    if a.octodns.get("healthcheck") != aaaa.octodns.get("healthcheck"):
        return "their health checks differ"
    if steering.options_of(a) != steering.options_of(aaaa):
        return "their `octodns.truenorth` differs"
    if a.dynamic.pools.keys() != aaaa.dynamic.pools.keys():
        return "their pools differ"
    for pool, one in a.dynamic.pools.items():
        other = aaaa.dynamic.pools[pool]
        if one.data["fallback"] != other.data["fallback"]:
            return f"their pools {pool} have different fallbacks"
        # A pool of one family answers the other one with nothing, instead of leaving it to the next pool.
        if _statuses(one) != _statuses(other):
            return f"the values of their pools {pool} have different statuses"
    return None


def _statuses(pool: Any) -> set[str]:
    """The statuses of the values that are ever answered."""
    return {value["status"] for value in pool.data["values"]} - {"down"}
