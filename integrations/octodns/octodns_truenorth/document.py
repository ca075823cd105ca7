"""The text of a zone file: octoDNS's part between two marks, and the operator's around it.

    [nameservers]                 the operator's, kept octet for octet
    ...
    # >>> octoDNS ...             octoDNS's, written anew by each apply
    ...
    # <<< octoDNS
    [names.by-hand]               the operator's again

Static records that stand outside of the marks are taken over when octoDNS changes one of their owner: the table leaves the
operator's part. No other edit touches that part, but for its serial. Every edit is checked by reading the result, so that a text
that this module misunderstands is refused and not damaged.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from . import toml

BEGIN = "# >>> octoDNS"
END = "# <<< octoDNS"
BEGIN_LINE = f"{BEGIN}: the provider writes everything from here to the end mark. Edit what stands outside of it.\n"
END_LINE = f"{END}\n"


class DocumentError(ValueError):
    """A text that cannot be split or edited; the message says why."""


@dataclass(frozen=True)
class Document:
    """One zone file. `before` and `after` are the operator's."""

    before: str
    part: str
    after: str

    @classmethod
    def split(cls, text: str) -> Document:
        """Finds octoDNS's part. Raises `DocumentError` if its marks do not form one pair."""
        lines = text.splitlines(keepends=True)
        begins = [at for at, line in enumerate(lines) if line.startswith(BEGIN)]
        ends = [at for at, line in enumerate(lines) if line.startswith(END)]
        if not begins and not ends:
            return cls(text, "", "")
        if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
            raise DocumentError(f"it needs one line `{BEGIN}` and one line `{END}` after it, or neither")
        (begin,), (end,) = begins, ends
        return cls("".join(lines[:begin]), "".join(lines[begin + 1 : end]), "".join(lines[end + 1 :]))

    @property
    def text(self) -> str:
        """The whole file."""
        if not self.part:
            return self.before + self.after
        gap = "" if not self.before or self.before.endswith("\n\n") else "\n" if self.before.endswith("\n") else "\n\n"
        return f"{self.before}{gap}{BEGIN_LINE}{self.part}{END_LINE}{self.after}"

    def operator(self) -> dict[str, Any]:
        """The tables of the operator's part. Raises `DocumentError` if it is not TOML by itself."""
        try:
            return toml.loads(f"{self.before}\n{self.after}")
        except toml.TomlError as error:
            raise DocumentError(f"the part outside of octoDNS's marks is not TOML by itself: {error}") from error

    def octodns(self) -> dict[str, Any]:
        """The tables of octoDNS's part. Raises `DocumentError` if it is not TOML by itself."""
        try:
            return toml.loads(self.part)
        except toml.TomlError as error:
            raise DocumentError(f"octoDNS's part is not TOML: {error}") from error

    def without_tables(self, paths: Collection[tuple[str, ...]]) -> Document:
        """Takes tables out of the operator's part; comments that have lines of their own stay. Raises `DocumentError` if a path has no
        `[table]` of its own, or if anything else would change."""
        if not paths:
            return self
        before, found = _without_tables(self.before, paths)
        after, found_after = _without_tables(self.after, paths)
        edited = replace(self, before=before, after=after)
        missing = set(paths) - found - found_after
        wanted = self.operator()
        for path in paths:
            _remove(wanted, path)
        if missing or edited.operator() != wanted:
            names = ", ".join(".".join(map(toml.key, path)) for path in sorted(missing or paths))
            raise DocumentError(f"{names} cannot be taken over as it is written: give it a table with a header of its own, or take it out")
        return edited

    def with_serial(self, serial: int) -> Document:
        """Changes `serial` in the operator's `[soa]`. Raises `DocumentError` if that cannot be done alone."""
        operator = self.operator()
        old = operator["soa"]["serial"]
        operator["soa"]["serial"] = serial
        entry = re.compile(rf"(\bserial\s*=\s*){re.escape(str(old))}\b")
        edited = replace(self, before=entry.sub(rf"\g<1>{serial}", self.before, count=1))
        if edited.operator() != operator:
            raise DocumentError(f"the serial {old} of `[soa]` cannot be changed as it is written")
        return edited

    def check(self) -> None:
        """Raises `DocumentError` unless the whole file says what its two parts say."""
        try:
            whole = toml.loads(self.text)
        except toml.TomlError as error:
            raise DocumentError(f"the operator's part and octoDNS's do not fit together: {error}") from error
        if whole != merged(self.operator(), self.octodns()):
            raise DocumentError("a line after octoDNS's part belongs to a table within it: give it the header of its own table")


def _remove(tables: dict[str, Any], path: tuple[str, ...]) -> None:
    """Removes the table of that path, and those that are empty without it."""
    first, *rest = path
    if rest and first in tables:
        _remove(tables[first], tuple(rest))
        if tables[first]:
            return
    tables.pop(first, None)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Returns the tables of both."""
    result = dict(one)
    for name, item in other.items():
        both = isinstance(item, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], item) if both else item
    return result


def _without_tables(text: str, paths: Collection[tuple[str, ...]]) -> tuple[str, set[tuple[str, ...]]]:
    """Returns the text without these tables, and the paths that it had."""
    kept = []
    found = set()
    inside = False
    for line in text.splitlines(keepends=True):
        opened = toml.header(line)
        if opened is not None:
            inside = opened in paths
            found |= {opened} if inside else set()
        if not inside or not line.strip() or line.lstrip().startswith("#"):
            kept.append(line)
    return "".join(kept), found
