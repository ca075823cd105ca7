"""The files' way to the node: `check` before they are swapped in, the swap, and the reload after it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from logging import Logger
from pathlib import Path
from typing import Any

from octodns.provider import ProviderException

from . import toml

# Seconds that a command or a request may take; a reload waits for the first round of probes.
TIMEOUT = 120


class NodeError(ProviderException):
    """`truenorth check` or the node refuses the files, or cannot be asked."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Waits until no other provider writes in a folder, and keeps others waiting."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems have no locks on folders.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def swap(path: Path, text: str) -> None:
    """Replaces a file, at once and for good. An empty text removes it. Raises `OSError`."""
    # The file that a link names is replaced, not the link.
    path = path.resolve()
    if not text:
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return
    # Hidden files are no zones.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            present = path.stat()
            os.chmod(name, present.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.chown(name, present.st_uid, present.st_gid)
        except FileNotFoundError:
            os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check(command: str, config: Path | None, folder: Path, texts: Mapping[Path, str], log: Logger) -> None:
    """Runs `truenorth check` on the zones folder as it will be. Logs what it says of the new files, and of errors in others. Raises
    `NodeError` if there are errors in the new files.

    The folder is copied to one beside it, so that relative paths in the files lead where they did.
    """
    folder = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix=".octodns-", dir=folder.parent) as staged:
            _stage(folder, Path(staged), texts)
            with _server_file(config, Path(staged)) as server:
                faults = _faults(command, server.name)
    except OSError as error:
        raise NodeError(f"the files cannot be copied for `check`, so nothing was changed: {error}") from error
    names = {path.name for path in texts}
    errors = []
    for fault in faults:
        is_ours = not fault["file"] or Path(fault["file"]).name in names
        is_error = fault["severity"] == "error"
        if is_ours and is_error:
            errors.append(_told(fault))
        elif is_ours or is_error:
            log.warning("check: %s: %s", fault["severity"], _told(fault))
    if errors:
        raise NodeError("truenorth check refuses what would be written, so nothing was changed: " + "; ".join(errors))


def _stage(folder: Path, staged: Path, texts: Mapping[Path, str]) -> None:
    for present in folder.iterdir():
        if present.is_file() and present.suffix in (".toml", ".zone"):
            shutil.copyfile(present, staged / present.name)
    for path, text in texts.items():
        if text:
            (staged / path.name).write_bytes(text.encode())
        else:
            (staged / path.name).unlink(missing_ok=True)


def _told(fault: Mapping[str, Any]) -> str:
    place = f"{Path(fault['file']).name}:{fault['line']}: " if fault["file"] else ""
    help_ = f" ({fault['help']})" if fault.get("help") else ""
    return f"{place}{fault['message']}{help_}"


@contextmanager
def _server_file(config: Path | None, staged: Path) -> Iterator[Any]:
    """A copy of the server file that names the copied folder, beside the original."""
    text = "" if config is None else config.read_text(encoding="utf-8")
    # `zones` is a key of the top, so it stands before the first table.
    head, table, rest = re.match(r"(.*?)(^[ \t]*\[|\Z)(.*)", text, re.DOTALL | re.MULTILINE).groups()
    head = re.sub(r"^[ \t]*zones[ \t]*=.*$", "", head, flags=re.MULTILINE)
    folder = staged.parent if config is None else config.resolve().parent
    with tempfile.NamedTemporaryFile("w", prefix=".octodns-", suffix=".toml", dir=folder, encoding="utf-8") as file:
        file.write(f"zones = {toml.value(str(staged))}\n{head}{table}{rest}")
        file.flush()
        yield file


def _faults(command: str, server: str) -> list[dict[str, Any]]:
    arguments = [command, "check", "--json", "--config", server]
    try:
        ran = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return json.loads(ran.stdout)["faults"]
    except (OSError, subprocess.SubprocessError) as error:
        raise NodeError(f"`{command} check` cannot be run, so nothing was changed: {error}") from error
    except (ValueError, KeyError) as error:
        said = ran.stderr.strip() or ran.stdout.strip()
        raise NodeError(f"`{command} check` failed with {ran.returncode}, so nothing was changed: {said}") from error


def reload(url: str, token: str | None) -> int | None:
    """Makes a node read its files. Returns the generation that serves them. Raises `NodeError`; the files are written then."""
    request = urllib.request.Request(f"{url.rstrip('/')}/v1/reload", data=b"", method="POST")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return json.load(response).get("generation")
    except urllib.error.HTTPError as error:
        raise NodeError(f"the files are written, but {url} refuses to load them: {_refusal(error)}") from error
    except (OSError, ValueError) as error:
        raise NodeError(f"the files are written, but {url} cannot be asked to load them: {error}") from error


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        answer = json.load(error)
    except ValueError:
        return f"status {error.code}"
    errors = [_told(fault) for fault in answer.get("faults", []) if fault["severity"] == "error"]
    return "; ".join(errors) or answer.get("detail") or f"status {error.code}"
