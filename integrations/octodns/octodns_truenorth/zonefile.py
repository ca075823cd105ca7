"""The files of one zone, as octoDNS sees them: `NAME.toml`, and `NAME.zone` beside it.

`ZoneFile` holds their contents. `Edit` takes octoDNS's changes, and returns the files' new texts.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any

import dns.exception
from octodns.provider import ProviderException
from octodns.record import Record
from octodns.record.change import Change, Delete
from octodns.zone import Zone

from . import static, steering, toml
from .document import Document, DocumentError
from .static import Key, Owner, Reader, is_root_ns

# A line of a master file with an SOA record.
SOA = re.compile(r"^[^;]*\sSOA\s", re.MULTILINE | re.IGNORECASE)


class ZoneFileError(ProviderException):
    """A file that cannot be read, or not be changed as planned. The message names the file."""


@dataclass
class ZoneFile:
    """The contents of a zone's files. A text is `None` if there is no such file."""

    path: Path
    text: str | None
    master: str | None
    document: Document
    operator: dict[str, Any]
    # Static records by where they stand, and the owners of `[records]`.
    own: list[Record] = field(default_factory=list)
    owners: dict[str, Owner] = field(default_factory=dict)
    foreign: list[Record] = field(default_factory=list)
    foreign_owners: dict[str, Owner] = field(default_factory=dict)
    nameservers: list[Record] = field(default_factory=list)
    # Records of a master file that octoDNS did not write.
    master_records: list[Record] = field(default_factory=list)
    dynamic: list[Record] = field(default_factory=list)
    # The operator's steered and reflecting names, by octoDNS's name.
    names: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """True if the zone has a file."""
        return self.text is not None or self.master is not None

    @property
    def has_nameservers(self) -> bool:
        """True if the files say who serves the zone."""
        return any(map(is_root_ns, [*self.own, *self.nameservers, *self.master_records]))

    @property
    def master_path(self) -> Path:
        return self.path.with_suffix(".zone")

    @property
    def owns_master(self) -> bool:
        """True if octoDNS may write the master file."""
        return self.master is None or self.master.startswith(static.MASTER_MARK)

    @property
    def records(self) -> list[Record]:
        """The records that octoDNS manages."""
        return [*self.own, *self.foreign, *self.nameservers, *self.dynamic]

    @property
    def changed_outside(self) -> bool:
        """True if the files changed since they were read."""
        return read(self.path) != self.text or read(self.master_path) != self.master


def read(path: Path) -> str | None:
    """Returns the text of a file, `None` if there is none. Raises `ZoneFileError`."""
    try:
        # Line ends are kept as they are.
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ZoneFileError(f"{path} cannot be read: {error}") from error


def load(path: Path, zone: Zone, source: Any, log: Logger, lenient: bool) -> ZoneFile:
    """Reads the files of a zone. Raises `ZoneFileError`."""
    text = read(path)
    master = read(path.with_suffix(".zone"))
    try:
        document = Document.split(text or "")
        document.check()
        file = ZoneFile(path, text, master, document, document.operator())
        _fill(file, Reader(zone, source, log, lenient))
    except (DocumentError, dns.exception.DNSException, AttributeError, TypeError, ValueError) as error:
        raise ZoneFileError(f"{path} cannot be read: {error}") from error
    return file


def _fill(file: ZoneFile, reader: Reader) -> None:
    octodns = file.document.octodns()
    file.own, file.owners = reader.records(octodns.get("records", {}))
    file.own += reader.nameservers(octodns.get("nameservers", {}))
    file.foreign, file.foreign_owners = reader.records(file.operator.get("records", {}))
    file.nameservers = reader.nameservers(file.operator.get("nameservers", {}))
    _unite_addresses(file, reader)
    file.names = {reader.name(key): entries for key, entries in file.operator.get("names", {}).items()}
    if file.master is not None and file.owns_master:
        # A process that died between two swaps may have left a record in both files.
        moved = reader.master(file.master)
        file.own = [record for record in file.own if record not in moved] + moved
    elif file.master is not None:
        try:
            file.master_records = reader.master(file.master)
        except dns.exception.DNSException as error:
            reader.log.warning("%s: its records stay out of octoDNS, for it cannot be read: %s", file.master_path, error)
    for kept in steering.recall(file.document.part):
        name = kept.pop("name")
        file.dynamic.append(Record.new(reader.zone, name, kept, source=reader.source, lenient=True))


def _unite_addresses(file: ZoneFile, reader: Reader) -> None:
    """Makes one record of the addresses that a nameserver has in `[nameservers]` and in `[records]`."""
    for number, record in enumerate(file.nameservers):
        for other in file.foreign:
            if other == record:
                rdatas = sorted({*record.to_rrset().rdatas, *other.to_rrset().rdatas})
                united = reader.rrset(record.name, record._type, min(record.ttl, other.ttl), rdatas)
                file.nameservers[number] = united
                file.foreign.remove(other)
                break


class Edit:
    """The files of a zone after octoDNS's changes."""

    def __init__(self, file: ZoneFile) -> None:
        self.file = file
        self.document = file.document
        self.static: dict[Key, Record] = {_key(record): record for record in file.own}
        self.dynamic: dict[Key, Record] = {_key(record): record for record in file.dynamic}
        self.owners = dict(file.owners)
        self._foreign: dict[str, list[Record]] = defaultdict(list)
        for record in file.foreign:
            self._foreign[record.name].append(record)

    def apply(self, changes: Iterable[Change]) -> Edit:
        """Takes changes. Raises `DocumentError` if a record of the operator's part cannot be taken over."""
        taken: set[tuple[str, ...]] = set()
        for change in changes:
            key = _key(change.record)
            taken |= self._take_over(change.record, taken)
            self.static.pop(key, None)
            self.dynamic.pop(key, None)
            if not isinstance(change, Delete):
                records = self.dynamic if getattr(change.new, "dynamic", None) else self.static
                records[key] = change.new
        self.document = self.document.without_tables(taken)
        return self

    def _take_over(self, record: Record, taken: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
        """Moves the records of an owner from the operator's part into octoDNS's, so that one can be changed. Returns the paths of their
        tables, but for those that were taken before."""
        paths = set()
        names = {record.name}
        hosts = {here.name for here in self.file.nameservers if not is_root_ns(here)}
        if self.file.nameservers and (record.name in hosts or is_root_ns(record)):
            paths.add(("nameservers",))
            names |= hosts
        paths |= {("records", self.file.foreign_owners[name].key) for name in names if name in self.file.foreign_owners}
        paths -= taken
        if ("nameservers",) in paths:
            self.static |= {_key(here): here for here in self.file.nameservers}
        for name in names:
            owner = self.file.foreign_owners.get(name)
            if owner is not None and ("records", owner.key) in paths:
                self.static |= {_key(here): here for here in self._foreign[name]}
                self.owners[name] = owner
        return paths

    def raise_serial(self) -> Edit:
        """Raises the serial that the operator's part gives, or begins the file of a new zone with one."""
        if self.file.text is None:
            begin = "# What stands outside of octoDNS's part is yours: octoDNS changes nothing there but the serial.\n\n"
            if not SOA.search(self.file.master or ""):
                begin += f"[soa]\nserial = {int(time.time())}\n\n"
            self.document = Document(begin, self.document.part, self.document.after)
        elif "serial" in self.document.operator().get("soa", {}):
            serial = self.document.operator()["soa"]["serial"]
            # RFC 1982: serials go round.
            self.document = self.document.with_serial((serial + 1) % 2**32)
        return self

    def texts(self, options: steering.Options) -> tuple[Document, str]:
        """Returns the zone file, and the master file, which is empty if there should be none. Raises `DocumentError` if the zone file
        would not say the same as its parts."""
        placed = static.place(self.static.values(), self.owners)
        part = "".join(f"{line}\n" for line in self._lines(placed, options))
        document = Document(self.document.before, part, self.document.after)
        document.check()
        if placed.master and not self.file.owns_master:
            names = ", ".join(f"{record.fqdn} {record._type}" for record in placed.master)
            raise DocumentError(f"{self.file.master_path} is not octoDNS's, so it cannot hold the TTLs of {names}")
        return document, static.master_text(placed.master)

    def _lines(self, placed: static.Placed, options: steering.Options) -> Iterator[str]:
        yield from steering.lines(list(self.dynamic.values()), options)
        yield from static.toml_lines(placed.toml, self.owners)


def origin_of(path: Path) -> str:
    """Returns the origin of a zone file, with its final dot. Raises `ZoneFileError`."""
    try:
        origin = toml.loads(read(path) or "").get("origin")
    except toml.TomlError as error:
        raise ZoneFileError(f"{path} cannot be read: {error}") from error
    return f"{str(origin or path.name.removesuffix('.toml')).rstrip('.')}.".lower()


def _key(record: Record) -> Key:
    return record.name, record._type
