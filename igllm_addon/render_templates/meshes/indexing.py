# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a library's catalogue up to date: which files are new or changed, who looks at them, what could not be used. No bpy.

The looking is done by measuring.py in a Blender of its own. A file that kills it, or that keeps it busy for too long, is skipped
like any other that cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from ...core.errors import RenderError, UsageError
from .catalogue import (
    SHIPPED_FOLDER,
    Catalogue,
    MeshEntry,
    Skipped,
    catalogue_home,
    entry_from_json,
    library_folder,
    read_catalogue_or_none,
    stated_symmetries,
    write_catalogue,
)
from .scan import MeshFile, scan

_SECONDS_A_FILE = 300.0
_SECONDS_TO_START = 600.0


@dataclass(frozen=True)
class Update:
    """catalogue: as it is now. measured: how many files were looked at for it; the others were known."""

    catalogue: Catalogue
    measured: int


def up_to_date_catalogue(
    library: str,
    command: Callable[[], list[str]],
    *,
    home: Path | None = None,
    previews: bool = True,
    report: Callable[[str], None] = lambda sentence: None,
) -> Update:
    """The library's catalogue, after looking at the files that are new or changed. `command` tells how to start measuring.py; it
    is asked only where there is something to look at. home: where the catalogue goes (default: where it is, or the cache)."""
    folder = library_folder(library)
    known = read_catalogue_or_none(folder)
    if known is not None and folder == SHIPPED_FOLDER and home is None:
        return Update(known, 0)  # it comes with its files
    files = scan(folder)
    place = home or catalogue_home(folder)
    if known is not None and known.home != place:
        known = None
    stated = stated_symmetries(folder)
    entries, skipped, changed = _still_true(folder, known, files, stated)
    try:
        place.mkdir(parents=True, exist_ok=True)
        if changed:
            job = {"library": str(folder), "home": str(place), "previews": previews, "stated": stated}
            for found in _measured(command(), job, changed, report):
                if isinstance(found, MeshEntry):
                    entries.append(found)
                else:
                    skipped.append(found)
        catalogue = Catalogue(folder, place, _unique(entries, skipped), tuple(sorted(skipped, key=lambda item: item.path)))
        if changed or known is None or known.entries != catalogue.entries or known.skipped != catalogue.skipped:
            write_catalogue(catalogue)
    except OSError as error:
        raise UsageError(f"Cannot write the catalogue into {place} ({error.strerror or error}); set IGLLM_CACHE.") from error
    return Update(catalogue, len(changed))


def _still_true(
    folder: Path, known: Catalogue | None, files: list[MeshFile], stated: dict[str, Any]
) -> tuple[list[MeshEntry], list[Skipped], list[MeshFile]]:
    """What the old catalogue says about unchanged files, and the files that must be looked at."""
    entries: list[MeshEntry] = []
    skipped: list[Skipped] = []
    changed: list[MeshFile] = []
    for file in files:
        old = [entry for entry in known.entries.values() if entry.path == file.path] if known else []
        bad = [item for item in known.skipped if item.path.split(" (")[0] == file.path] if known else []
        known_items: list[MeshEntry | Skipped] = [*old, *bad]
        same = [_same_file(folder, file, item) for item in known_items]
        restated = any(_restated(entry, stated) for entry in old)
        renamed = any(entry.object_name is None and entry.word != file.word for entry in old)
        if not same or not all(same) or restated or renamed:
            changed.append(file)
        else:
            entries += [replace(entry, modified_ns=file.modified_ns) for entry in old]
            skipped += bad
    return entries, skipped, changed


def _same_file(folder: Path, file: MeshFile, item: MeshEntry | Skipped) -> bool:
    if item.bytes != file.bytes:
        return False
    if item.modified_ns == file.modified_ns:
        return True
    # Copied or unpacked anew: the content decides.
    return isinstance(item, MeshEntry) and hashlib.sha256((folder / file.path).read_bytes()).hexdigest() == item.sha256


def _restated(entry: MeshEntry, stated: dict[str, Any]) -> bool:
    if entry.word in stated:
        return not entry.symmetry_is_stated or entry.symmetry != stated[entry.word]
    return entry.symmetry_is_stated


def _unique(entries: Iterable[MeshEntry], skipped: list[Skipped]) -> dict[str, MeshEntry]:
    found: dict[str, MeshEntry] = {}
    for entry in sorted(entries, key=lambda item: (item.word, item.path)):
        if entry.word in found:
            reason = f"{found[entry.word].path} is called {entry.word} already; rename one of them"
            skipped.append(Skipped(entry.path, reason, entry.bytes, entry.modified_ns))
        else:
            found[entry.word] = entry
    return found


def _measured(
    command: list[str], job: dict[str, Any], files: list[MeshFile], report: Callable[[str], None]
) -> Iterable[MeshEntry | Skipped]:
    waiting = list(files)
    while waiting:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            yield from _measured_by(process, job, waiting, len(files), report)
        finally:
            process.kill()
            process.communicate()


def _measured_by(
    process: subprocess.Popen[bytes], job: dict[str, Any], waiting: list[MeshFile], total: int, report: Callable[[str], None]
) -> Iterable[MeshEntry | Skipped]:
    """Feed one process until all is done or it dies; a file that it dies of is taken from `waiting` as the others are."""
    lines, words = _lines_of(process.stdout), _lines_of(process.stderr)
    _send(process, job)
    if _next_message(lines, _SECONDS_TO_START) is None:
        raise RenderError(f"Blender ended while it started ({_last(words)}).")
    while waiting:
        file = waiting[0]
        report(f"{total - len(waiting) + 1}/{total} {file.path}")
        _send(process, asdict(file))
        message = _next_message(lines, _SECONDS_A_FILE)
        waiting.pop(0)
        if message is None:
            yield Skipped(file.path, f"Blender ended over it ({_last(words)})", file.bytes, file.modified_ns)
            return
        yield from (entry_from_json(value) for value in message["meshes"])
        yield from (Skipped(**value) for value in message["skipped"])


def _send(process: subprocess.Popen[bytes], value: dict[str, Any]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(value).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        return  # it has ended; that it says nothing more tells so


def _next_message(lines: queue.Queue[bytes | None], seconds: float) -> dict[str, Any] | None:
    """The next line that is a message; None for the end or for silence."""
    while True:
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if line is None:
            return None
        if line.startswith(b'{"igllm"'):
            return dict(json.loads(line))


def _lines_of(stream: IO[bytes] | None) -> queue.Queue[bytes | None]:
    lines: queue.Queue[bytes | None] = queue.Queue()
    assert stream is not None

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _last(words: queue.Queue[bytes | None]) -> str:
    said = [line for line in list(words.queue) if line and line.strip()]
    return said[-1].decode(errors="replace").strip() if said else "without a word"
