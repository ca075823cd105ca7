"""Reads TOML, and writes the few shapes of it that a zone file needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

BARE = re.compile(r"[A-Za-z0-9_-]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

TomlError = tomllib.TOMLDecodeError


def loads(text: str) -> dict[str, Any]:
    """Returns the tables of a TOML text. Raises `TomlError`."""
    return tomllib.loads(text)


def quoted(text: str) -> str:
    """Returns a basic string."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + '"'


def key(text: str) -> str:
    """Returns a key: bare where TOML allows that, else quoted."""
    return text if BARE.fullmatch(text) else quoted(text)


def value(item: Any) -> str:
    """Returns a value on one line. Raises `TypeError` for what has no form in TOML."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return str(item)
    if isinstance(item, str):
        return quoted(item)
    if isinstance(item, Mapping):
        inner = ", ".join(f"{key(name)} = {value(inner)}" for name, inner in item.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(value(inner) for inner in item) + "]"
    raise TypeError(f"TOML has no form for {item!r}")


def table(path: tuple[str, ...], entries: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of a table, with its header and a blank line after it."""
    yield "[" + ".".join(key(part) for part in path) + "]"
    for name, item in entries.items():
        yield f"{key(name)} = {value(item)}"
    yield ""


def header(line: str) -> tuple[str, ...] | None:
    """Returns the path that a line opens a table with, `None` if it is no header of a table."""
    if not line.lstrip().startswith("["):
        return None
    try:
        tables = loads(line)
    except TomlError:
        return None
    path = []
    while tables:
        (name, tables), *others = tables.items()
        if others or not isinstance(tables, dict):
            return None
        path.append(name)
    return tuple(path)
