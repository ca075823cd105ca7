"""Static records: `[records]`, `[nameservers]` and master files, and octoDNS's records of them.

An owner has one TTL in `[records]`, and the nameservers have fixed ones. octoDNS has a TTL for each RRset. What `[records]` cannot say
goes to a master file beside the zone file: of each owner the RRsets whose TTL is not its most common one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from logging import Logger
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
from octodns.record import Record, RecordException, Rrset, TxtValue
from octodns.zone import Zone

from . import toml

# TTLs that a zone file has where it gives none, in seconds. See docs/zone-file.md.
RECORD_TTL = 300
NS_TTL = 3600

# The first line of a master file that octoDNS wrote.
MASTER_MARK = "; >>> octoDNS"
MASTER_LINE = f"{MASTER_MARK}: the provider writes this file anew, for TTLs that the .toml file beside it cannot say.\n"

Key = tuple[str, str]


def supported_types() -> frozenset[str]:
    """The record types that octoDNS knows and DNS has: not ALIAS, URLFWD and those that other providers registered."""
    return frozenset(name for name in Record.registered_types() if _is_rrtype(name))


@cache
def _is_rrtype(name: str) -> bool:
    try:
        return not dns.rdatatype.is_metatype(dns.rdatatype.from_text(name))
    except dns.exception.DNSException:
        return False


def owner_key(name: str) -> str:
    """The key of an owner, `@` for the apex."""
    return name or "@"


@dataclass
class Owner:
    """The table of one owner in `[records]`. `rest` holds the RRsets of types that octoDNS cannot read."""

    key: str
    ttl: int | None
    rest: dict[str, Any] = field(default_factory=dict)


class Reader:
    """Turns the static records of a zone file into octoDNS's."""

    def __init__(self, zone: Zone, source: Any, log: Logger, lenient: bool) -> None:
        self.zone = zone
        self.source = source
        self.log = log
        self.lenient = lenient
        self.origin = dns.name.from_text(zone.name)

    def name(self, text: str) -> str:
        """octoDNS's name of an owner. Raises `dns.exception.DNSException` if it is no name of this zone."""
        name = dns.name.from_text(text, self.origin).canonicalize()
        if not name.is_subdomain(self.origin):
            raise dns.exception.DNSException(f"{name} is not in {self.origin}")
        relative = name.relativize(self.origin)
        return "" if relative == dns.name.empty else relative.to_text()

    def records(self, section: dict[str, Any]) -> tuple[list[Record], dict[str, Owner]]:
        """Returns the records of `[records]`, and its owners by octoDNS's name."""
        records = []
        owners = {}
        for key, table in section.items():
            name = self.name(key)
            owner = owners[name] = Owner(key, table.get("ttl"))
            for rtype, texts in table.items():
                if rtype == "ttl":
                    continue
                record = self._record(name, owner.ttl, rtype.upper(), texts if isinstance(texts, list) else [texts])
                if record is None:
                    owner.rest[rtype] = texts
                else:
                    records.append(record)
        return records, owners

    def _record(self, name: str, ttl: int | None, rtype: str, texts: list[str]) -> Record | None:
        if rtype not in supported_types():
            return None
        if ttl is None:
            ttl = NS_TTL if rtype == "NS" else RECORD_TTL
        if rtype == "TXT":
            # One string is one record, without quotes and escapes. octoDNS escapes semicolons.
            values = [TxtValue.normalize_raw_text(text) for text in texts]
            data = {"type": rtype, "ttl": ttl, "values": values}
            return Record.new(self.zone, name, data, source=self.source, lenient=self.lenient)
        try:
            rdatas = [self._absolute(rtype, text) for text in texts]
            return self.rrset(name, rtype, ttl, rdatas)
        except (dns.exception.DNSException, RecordException, ValueError) as error:
            self.log.warning("%s %s is left as it is, for octoDNS cannot read it: %s", name or "@", rtype, error)
            return None

    def _absolute(self, rtype: str, text: str) -> str:
        return _presented(dns.rdata.from_text("IN", rtype, text, origin=self.origin, relativize=False))

    def rrset(self, name: str, rtype: str, ttl: int, rdatas: Iterable[str]) -> Record:
        """Returns the record of an RRset in presentation format."""
        fqdn = f"{name}.{self.zone.name}" if name else self.zone.name
        rrset = Rrset(fqdn, rtype, ttl, rdatas)
        return Record.from_rrset(self.zone, rrset, lenient=self.lenient, source=self.source)

    def nameservers(self, section: dict[str, Any]) -> list[Record]:
        """Returns the records of `[nameservers]`: the NS records of the apex, and the addresses of those in the zone."""
        records = []
        targets = []
        for key, addresses in section.items():
            target = dns.name.from_text(key, self.origin)
            targets.append(target.to_text())
            addresses = addresses if isinstance(addresses, list) else [addresses]
            for rtype, is_family in (("A", lambda text: ":" not in text), ("AAAA", lambda text: ":" in text)):
                family = [text for text in addresses if is_family(text)]
                if family:
                    records.append(self.rrset(self.name(target.to_text()), rtype, RECORD_TTL, family))
        if targets:
            records.append(self.rrset("", "NS", NS_TTL, targets))
        return records

    def master(self, text: str) -> list[Record]:
        """Returns the records of a master file, but for its SOA. Raises `dns.exception.DNSException` if it cannot be read."""
        zone = dns.zone.from_text(text, self.origin, relativize=False, check_origin=False)
        records = []
        for name, rdataset in zone.iterate_rdatasets():
            rtype = dns.rdatatype.to_text(rdataset.rdtype)
            if rtype == "SOA" or rtype not in supported_types():
                continue
            rdatas = [_presented(rdata) for rdata in rdataset]
            records.append(self.rrset(self.name(name.to_text()), rtype, rdataset.ttl, rdatas))
        return records


def _presented(rdata: Any) -> str:
    """Returns data in presentation format."""
    if rdata.rdtype != dns.rdatatype.LOC:
        return rdata.to_text()
    # octoDNS needs the sizes that dnspython leaves out where they have their defaults.
    degrees = []
    for (whole, minutes, seconds, thousandths, sign), (plus, minus) in ((rdata.latitude, "NS"), (rdata.longitude, "EW")):
        degrees.append(f"{whole} {minutes} {seconds}.{thousandths:03} {plus if sign > 0 else minus}")
    lengths = (rdata.altitude, rdata.size, rdata.horizontal_precision, rdata.vertical_precision)
    return " ".join([*degrees, *(f"{length / 100:.2f}m" for length in lengths)])


@dataclass
class Placed:
    """Static records by the file that can say them."""

    toml: list[Record]
    master: list[Record]


def place(records: Iterable[Record], owners: dict[str, Owner]) -> Placed:
    """Chooses the file of each record. `owners` are those whose other records are in octoDNS's part too."""
    by_owner: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_owner[record.name].append(record)
    placed = Placed([], [])
    for name, here in sorted(by_owner.items()):
        here.sort(key=lambda record: record._type)
        counts = Counter(record.ttl for record in here if not is_root_ns(record))
        owner = owners.get(name)
        if owner is not None and owner.rest:
            common = RECORD_TTL if owner.ttl is None else owner.ttl
        else:
            common = min(counts, key=lambda ttl: (-counts[ttl], ttl), default=RECORD_TTL)
        for record in here:
            fits = record.ttl == (NS_TTL if is_root_ns(record) else common)
            (placed.toml if fits else placed.master).append(record)
    return placed


def is_root_ns(record: Record) -> bool:
    return record._type == "NS" and record.name == ""


def toml_lines(records: Iterable[Record], owners: dict[str, Owner]) -> Iterator[str]:
    """Yields `[nameservers]` and `[records]`."""
    tables: dict[str, dict[str, Any]] = {}
    for name, owner in owners.items():
        if owner.rest:
            tables[name] = ({} if owner.ttl is None else {"ttl": owner.ttl}) | owner.rest
    for record in records:
        if is_root_ns(record):
            yield from toml.table(("nameservers",), {target: [] for target in record.values})
            continue
        entries = tables.setdefault(record.name, {"ttl": record.ttl})
        texts = [value.to_raw_text() for value in record.values] if record._type == "TXT" else record.to_rrset().rdatas
        entries[record._type] = texts
    for name, entries in sorted(tables.items()):
        yield from toml.table(("records", owner_key(name)), entries)


def master_text(records: Iterable[Record]) -> str:
    """Returns a master file of these records, empty without any."""
    lines = []
    for record in records:
        rrset = record.to_rrset()
        lines += [f"{rrset.name} {rrset.ttl} IN {rrset._type} {rdata}\n" for rdata in rrset.rdatas]
    return MASTER_LINE + "".join(lines) if lines else ""
