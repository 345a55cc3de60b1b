# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a data set: which samples are missing, who makes them, when they become files. No bpy.

However a run ends, DIR/SPLIT holds nothing but these, and a later run goes on from them: manifest.json (what the run is and
which files are finished), finished shards, and work/ with one fragment for every finished sample that no file holds yet. Each is
written under another name and renamed, so none is ever half there, and a fragment goes only after the manifest names the file
that holds its sample: a crash in between packs the same bytes again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ..core.errors import RenderError, UsageError
from ..core.file_lock import take_file
from .crew import TRIES, Crew, CrewOptions, Done, Failed
from .layouts import Unit, fragment_name, units_of, write_unit
from .manifest import Manifest, check_same_blender, check_same_run, new_manifest, read_manifest_or_none, write_manifest
from .progress import Progress
from .run_options import BlenderBuild, RunOptions, run_to_json
from .shards import why, write_atomically

# So many failures without a success between them mean that nothing will succeed.
_FAILURES_IN_A_ROW = 5
MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class Report:
    """made: samples made by this run. total: samples that the data set holds now. folder: DIR/SPLIT."""

    made: int
    total: int
    folder: Path


def generate(
    run: RunOptions, count: int, out: Path, command: list[str], threads: int, crew: CrewOptions, stream: TextIO
) -> Report:
    """Make the samples that `out` lacks of the first `count`. `command` starts a worker; progress goes to `stream`.

    Raises UsageError where the folder or the options cannot be used and RenderError where samples failed for good; what was
    made by then stays and is not made again.
    """
    with _Folder(run, count, out).locked() as folder:
        folder.pack_what_is_complete()
        missing = folder.missing()
        progress = Progress(run.split, count, count - len(missing), stream)
        if missing:
            job = {"run": run_to_json(run), "work": str(folder.work.resolve()), "threads": threads}
            with Crew(command, job, folder.work, crew) as workers:
                blender = workers.blender()
                folder.begin(blender)
                if run.render.denoise and run.render.engine == "cycles" and not blender.denoises:
                    stream.write(f"Blender {blender.version} has no OpenImageDenoise here: the pictures keep their noise.\n")
                _make(run, folder, workers, missing, progress)
        folder.finish()
        return Report(len(missing), count, folder.home)


def settle_for(run: RunOptions, count: int, out: Path) -> None:
    """Let a run that was stopped be content with its first `count` samples, of which `generate` then makes what is missing."""
    path = out / run.split / MANIFEST_NAME
    manifest = read_manifest_or_none(path)
    if manifest is not None and manifest.count > count:
        manifest.count = count
        write_manifest(path, manifest)


def _make(run: RunOptions, folder: _Folder, workers: Crew, missing: list[int], progress: Progress) -> None:
    failed: list[Failed] = []
    in_a_row, already = 0, progress.done
    progress.show()
    try:
        for event in workers.run(missing):
            if isinstance(event, Done):
                in_a_row = 0
                folder.add(event.index)
                progress.step()
                continue
            failed.append(event)
            in_a_row += 1
            folder.note_failure(event)
            if progress.done == already and run.render.engine != "cycles":
                raise _needs_opengl(run.render.engine, event)
            if in_a_row == _FAILURES_IN_A_ROW:
                break
    finally:
        progress.close()
    if failed:
        untried = len(missing) - len(failed) - (progress.done - already)
        raise RenderError(
            f"{len(failed)} of {len(missing)} samples failed twice, the first of them number {failed[0].index}"
            f" ({last_line(failed[0].traceback)}){f', and {untried} were not tried any more' if untried else ''};"
            f" see {folder.failures}, and the same command tries again."
        )


def _needs_opengl(engine: str, event: Failed) -> UsageError:
    return UsageError(
        f"Blender ended while it drew with {engine!r} ({last_line(event.traceback)});"
        " that engine needs OpenGL: where there is none, choose --engine cycles."
    )


def last_line(text: str) -> str:
    """The last line that says something: of a traceback, what was raised."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "without a word")


class _Folder:
    """DIR/SPLIT and the finished files of one split."""

    def __init__(self, run: RunOptions, count: int, out: Path) -> None:
        self._run, self._count, self._out = run, count, out
        self.home = out / run.split
        self.work = self.home / "work"
        self.failures = self.home / "failures.jsonl"
        self._manifest_path = self.home / MANIFEST_NAME
        self._manifest: Manifest | None = None
        self._units = units_of(run, count)
        self._missing: dict[Unit, set[int]] = {}

    @contextmanager
    def locked(self) -> Iterator[_Folder]:
        """Make the folders, refuse what is not ours, and keep a second run out while this one lasts."""
        self._check_manifest()
        try:
            for folder in (self.work, *{(self._out / name).parent for name in self._units[0].names}):
                folder.mkdir(parents=True, exist_ok=True)
            held = (self.work / "lock").open("ab")
        except OSError as error:
            raise UsageError(f"Cannot write into {self.home}: {why(error)}; choose another --out.") from error
        with held:
            if not take_file(held):
                raise UsageError(f"Another run is writing into {self.home}; wait for it to end or choose another --out.")
            self._check_manifest()
            self._remove_leavings()
            self._missing = {unit: self._missing_of(unit) for unit in self._units if self._kept(unit) < unit.stop - unit.first}
            yield self

    def missing(self) -> list[int]:
        """Every sample that no file and no fragment holds."""
        return sorted(index for indices in self._missing.values() for index in indices)

    def begin(self, blender: BlenderBuild) -> None:
        """Before the first sample: the manifest says what this folder is."""
        if self._manifest is None:
            self._manifest = new_manifest(self._run, blender, self._count)
        check_same_blender(self._manifest_path, self._manifest, blender)
        self._manifest.count = max(self._manifest.count, self._count)
        write_manifest(self._manifest_path, self._manifest)
        for name, data in self._run.template_object().side_files().items():
            write_atomically(self.home / name, [data])

    def pack_what_is_complete(self) -> None:
        """Finish what a run that was killed had left to be packed."""
        for unit in [unit for unit, indices in self._missing.items() if not indices]:
            self._pack(unit)

    def add(self, index: int) -> None:
        """A sample's fragment is there; its unit is packed when it was the last one."""
        unit = next(unit for unit in self._missing if unit.first <= index < unit.stop)
        self._missing[unit].discard(index)
        if not self._missing[unit]:
            self._pack(unit)

    def note_failure(self, failed: Failed) -> None:
        """Append to failures.jsonl."""
        try:
            with self.failures.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"index": failed.index, "tries": TRIES, "traceback": failed.traceback}) + "\n")
        except OSError as error:
            raise UsageError(f"Cannot write {self.failures}: {why(error)}.") from error

    def finish(self) -> None:
        """Everything is packed: the folder holds the data set and nothing else."""
        if self._manifest is not None and self._manifest.count < self._count:
            self._manifest.count = self._count
            write_manifest(self._manifest_path, self._manifest)
        shutil.rmtree(self.work, ignore_errors=True)

    def _kept(self, unit: Unit) -> int:
        """How many of the unit's first samples its files hold."""
        if self._manifest is None:
            return 0
        return min(self._manifest.samples(name) if (self._out / name).is_file() else 0 for name in unit.names)

    def _missing_of(self, unit: Unit) -> set[int]:
        wanted = range(unit.first + self._kept(unit), unit.stop)
        return {index for index in wanted if not (self.work / fragment_name(index)).is_file()}

    def _pack(self, unit: Unit) -> None:
        manifest = self._manifest
        assert manifest is not None  # fragments are made after begin
        kept = self._kept(unit)
        written = write_unit(self._out, self._run, unit, kept, self._fragment, manifest.blender)
        for name, record in written.items():
            manifest.record(name, unit.first, unit.stop - unit.first, record)
        write_manifest(self._manifest_path, manifest)
        for index in range(unit.first + kept, unit.stop):
            (self.work / fragment_name(index)).unlink()
        del self._missing[unit]

    def _fragment(self, index: int) -> bytes:
        return (self.work / fragment_name(index)).read_bytes()

    def _check_manifest(self) -> None:
        self._manifest = read_manifest_or_none(self._manifest_path)
        if self._manifest is not None:
            check_same_run(self._manifest_path, self._manifest, self._run, self._count)
            self._check_files(self._manifest)
        elif strange := self._strangers():
            raise UsageError(f"{strange} is there already and belongs to no run of igllm generate; choose another --out.")

    def _check_files(self, manifest: Manifest) -> None:
        """A finished file that has changed since may be somebody's work: never continue over it."""
        for unit in self._units:
            for name in unit.names:
                path, entry = self._out / name, manifest.files.get(name)
                if entry is None or not path.is_file():
                    continue
                size = path.stat().st_size
                # A file that is to be extended may be longer: a run was killed before the manifest learned of it.
                if size < entry.bytes or (size > entry.bytes and entry.count == unit.stop - unit.first):
                    raise UsageError(f"{path} is not as the run left it; move it away, and the same command makes it again.")

    def _strangers(self) -> Path | None:
        """Something that a run without a manifest cannot have made."""
        if self.home.is_dir():
            for path in sorted(self.home.iterdir()):
                if path != self.work:
                    return path
        others = [self._out / name for unit in self._units for name in unit.names]
        return next((path for path in others if path.exists()), None)

    def _remove_leavings(self) -> None:
        """What a killed run was writing, and the failures that this run tries again."""
        for folder in {self.home, self.work, *((self._out / name).parent for name in self._units[0].names)}:
            for path in folder.glob(".*.tmp"):
                path.unlink(missing_ok=True)
        for path in self.work.glob(".*"):
            path.unlink(missing_ok=True)
        for path in self.work.glob("worker-*.log"):
            path.unlink(missing_ok=True)
        self.failures.unlink(missing_ok=True)
