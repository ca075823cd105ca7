"""The provider: octoDNS's side of a folder of zone files."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from octodns.provider import ProviderException
from octodns.provider.base import BaseProvider
from octodns.provider.plan import Plan
from octodns.record import Record
from octodns.record.change import Change, Update
from octodns.zone import Zone

from . import by_hand, node, static, steering, toml, zonefile
from .document import DocumentError
from .supports import Desired, has_foreign_regions
from .zonefile import Edit, ZoneFile, ZoneFileError

# The command that is used if there is one.
COMMAND = "truenorth"


class TruenorthProvider(BaseProvider):
    """Reads and writes truenorth's zone files, as a source or a target.

    `directory` is the folder of the zones, `config` the server file. `command` checks files before they are swapped in; an empty text
    means that nothing does. `reload` is the address of an admin server that is told to read the files, with its `token`. `datacenters`
    maps pools' ids to datacenters, or to locations of new ones; `monitor` has keys for all monitors.
    """

    SUPPORTS_GEO = False
    SUPPORTS_DYNAMIC = True
    SUPPORTS_DYNAMIC_SUBNETS = True
    SUPPORTS_POOL_VALUE_STATUS = True
    SUPPORTS_MULTIVALUE_PTR = True
    SUPPORTS_ROOT_NS = True

    def __init__(
        self,
        id: str,
        directory: str,
        config: str | None = None,
        command: str | None = None,
        reload: str | None = None,
        token: str | None = None,
        datacenters: Mapping[str, Any] | None = None,
        monitor: Mapping[str, Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.log = logging.getLogger(f"TruenorthProvider[{id}]")
        super().__init__(id, *args, **kwargs)
        self.directory = Path(directory)
        self.config = None if config is None else Path(config)
        self.command = self._found(command)
        self.reload = reload
        self.token = token
        try:
            self.options = steering.Options(datacenters or {}, monitor or {})
        except ValueError as error:
            raise ProviderException(f"{id}: {error}") from error
        # What the plans were made of, by the zone's name.
        self._files: dict[str, ZoneFile] = {}

    @property
    def SUPPORTS(self) -> frozenset[str]:
        """Every type that octoDNS knows and DNS has."""
        return static.supported_types()

    def _found(self, command: str | None) -> str | None:
        found = shutil.which(command or COMMAND)
        if command and found is None:
            raise ProviderException(f"{self.id}: there is no command {command}")
        if found is None and command is None:
            self.log.info("there is no command %s: zone files are written without `check`", COMMAND)
        return None if command == "" else found

    def list_zones(self) -> list[str]:
        """The zones that have a file."""
        return sorted({zonefile.origin_of(path) for path in self._paths()})

    def _paths(self) -> Iterator[Path]:
        for path in sorted(self.directory.glob("*.toml")):
            if not path.name.startswith("."):
                yield path

    def _path(self, zone_name: str) -> Path:
        """The file of a zone, whether it exists or not."""
        stem = zone_name.rstrip(".")
        path = self.directory / f"{stem.replace('/', '-')}.toml"
        if path.exists() and zonefile.origin_of(path) == zone_name:
            return path
        for other in self._paths():
            try:
                if zonefile.origin_of(other) == zone_name:
                    return other
            except ZoneFileError as error:
                self.log.warning("%s", error)
        return path

    def populate(self, zone: Zone, target: bool = False, lenient: bool = False) -> bool:
        """Adds what the files say. As a source that includes what somebody else wrote: a master file, and names that octoDNS can say."""
        self.log.debug("populate: name=%s, target=%s, lenient=%s", zone.name, target, lenient)
        file = zonefile.load(self._path(zone.name), zone, self, self.log, lenient)
        records = list(file.records)
        if target:
            self._files[zone.name] = file
        else:
            records += file.master_records
            records += self._names_by_hand(zone, file, lenient)
        before = len(zone.records)
        for record in records:
            zone.add_record(record, lenient=lenient)
        self.log.info("populate:   found %d records, exists=%s", len(zone.records) - before, file.exists)
        return file.exists

    def _names_by_hand(self, zone: Zone, file: ZoneFile, lenient: bool) -> Iterator[Record]:
        for name, entries in sorted(file.names.items()):
            try:
                for data in by_hand.dynamic_records(entries, file.operator):
                    yield Record.new(zone, name, data, source=self, lenient=lenient)
            except by_hand.Unsaid as error:
                self.log.warning("%s: the name %s stays out of octoDNS: %s", file.path, name or "@", error)

    def _process_desired_zone(self, desired: Zone) -> Zone:
        file = self._files[desired.name]
        desired = Desired(desired, file, self.options, self.supports_warn_or_except).settled()
        if not file.has_nameservers and not desired.root_ns:
            problem = f"{desired.decoded_name} has no NS records at its root, here or in {file.path.name}"
            self.supports_warn_or_except(problem, "its file needs [nameservers] before a node can serve it")
        return super()._process_desired_zone(desired)

    def _options_for(self, file: ZoneFile) -> steering.Options:
        """The options, with what the zone leaves to octoDNS."""
        is_foreign = has_foreign_regions(file) or self._has_shared_regions()
        return replace(self.options, owns_regions=not is_foreign)

    def _has_shared_regions(self) -> bool:
        """True if the server file has regions, which count in all zones."""
        if self.config is None:
            return False
        try:
            return bool(toml.loads(zonefile.read(self.config) or "").get("regions"))
        except toml.TomlError as error:
            raise ZoneFileError(f"{self.config} cannot be read: {error}") from error

    def _process_existing_zone(self, existing: Zone, desired: Zone, lenient: bool = False) -> Zone:
        if not desired.root_ns:
            # With nameservers that octoDNS does not manage, it leaves their addresses alone too.
            for record in self._files[existing.name].nameservers:
                if not static.is_root_ns(record) and record not in desired.records:
                    existing.remove_record(record)
        return super()._process_existing_zone(existing, desired, lenient)

    def _extra_changes(self, existing: Zone, desired: Zone, changes: list[Change]) -> list[Change]:
        """Changes that octoDNS itself does not see: of health checks, and of this provider's own options of a record."""
        changed = {change.record for change in changes}
        present = {record: record for record in existing.records}
        extra = []
        for record in sorted(desired.records):
            is_dynamic = getattr(record, "dynamic", None) and record in present and record not in changed
            if is_dynamic and _unseen(record) != _unseen(present[record]):
                extra.append(Update(present[record], record))
        return extra

    def _plan_meta(self, existing: Zone, desired: Zone, changes: list[Change]) -> dict[str, str] | None:
        """Tells of a part of octoDNS's that is not as it would be written: by an edit, another version, or other options."""
        file = self._files[existing.name]
        if not file.exists:
            return None
        document, master = self._texts(Edit(file), file)
        if document.part == file.document.part and (not file.owns_master or master == (file.master or "")):
            return None
        return {"truenorth": f"octoDNS's part of {file.path.name} is not as octoDNS would write it, and is written anew"}

    def _texts(self, edit: Edit, file: ZoneFile) -> tuple[Any, str]:
        try:
            return edit.texts(self._options_for(file))
        except (DocumentError, TypeError) as error:
            raise ZoneFileError(f"{file.path} cannot be written, so nothing was changed: {error}") from error

    def _apply(self, plan: Plan) -> None:
        file = self._files[plan.desired.name]
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with node.locked(self.directory):
                self._write(plan, file)
        except OSError as error:
            raise ZoneFileError(f"{file.path} cannot be written: {error}") from error
        if self.reload is not None:
            generation = node.reload(self.reload, self.token)
            self.log.info("apply:   %s serves generation %s", self.reload, generation)

    def _write(self, plan: Plan, file: ZoneFile) -> None:
        if file.changed_outside:
            raise ZoneFileError(f"{file.path} changed since the plan was made, so nothing was changed: plan again")
        try:
            edit = Edit(file).apply(plan.changes).raise_serial()
        except DocumentError as error:
            raise ZoneFileError(f"{file.path} cannot be written, so nothing was changed: {error}") from error
        document, master = self._texts(edit, file)
        texts = {file.path: self._with_origin(document.text, plan.desired.name, file)}
        if file.owns_master and master != (file.master or ""):
            texts = {file.master_path: master} | texts
        if self.command is not None:
            node.check(self.command, self.config, self.directory, texts, self.log)
        for path, text in texts.items():
            node.swap(path, text)

    @staticmethod
    def _with_origin(text: str, zone_name: str, file: ZoneFile) -> str:
        """A file whose name cannot say its zone says it in its first line."""
        origin = zone_name.rstrip(".")
        if file.text is not None or file.path.name == f"{origin}.toml":
            return text
        return f"origin = {toml.value(origin)}\n{text}"


def _unseen(record: Record) -> tuple[Any, Any]:
    return record.octodns.get("healthcheck"), steering.options_of(record)
