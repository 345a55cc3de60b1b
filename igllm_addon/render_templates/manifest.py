# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of one split: what a run is, how far it has come, and the fingerprint of every finished file. No bpy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from .run_options import BlenderBuild, RunOptions, difference_or_none, run_to_json
from .shards import FileRecord, why, write_atomically

FORMAT = "igllm-dataset"
VERSION = 1


@dataclass(frozen=True)
class FileEntry:
    """A finished file, named relative to the data set's folder, and the samples first … first + count - 1 that it holds."""

    first: int
    count: int
    bytes: int
    sha256: str


@dataclass
class Manifest:
    """run: as run_to_json wrote it. count: the most samples that were ever asked for. files: by name."""

    run: dict[str, Any]
    blender: BlenderBuild
    count: int
    files: dict[str, FileEntry] = field(default_factory=dict)

    def record(self, name: str, first: int, count: int, written: FileRecord) -> None:
        """Note a finished file."""
        self.files[name] = FileEntry(first, count, written.bytes, written.sha256)

    def samples(self, name: str) -> int:
        """How many samples the finished file of that name holds; 0 where there is none."""
        return self.files[name].count if name in self.files else 0


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "run": manifest.run,
        "blender_version": manifest.blender.version,
        "denoises": manifest.blender.denoises,
        "count": manifest.count,
        "files": [{"name": name, **asdict(entry)} for name, entry in sorted(manifest.files.items())],
    }
    write_atomically(path, [json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"])


def read_manifest_or_none(path: Path) -> Manifest | None:
    """The manifest at `path`, None where there is no such file; a UsageError where it is something else."""
    try:
        value = json.loads(path.read_bytes())
        if (value["format"], value["version"]) != (FORMAT, VERSION):
            raise UsageError(f"{path} is of the format {value['format']!r} {value['version']}, this is {FORMAT!r} {VERSION}.")
        entries = {entry["name"]: _entry(entry) for entry in value["files"]}
        blender = BlenderBuild(str(value["blender_version"]), bool(value.get("denoises", value["run"]["denoise"])))
        return Manifest(dict(value["run"]), blender, int(value["count"]), entries)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {why(error)}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no manifest of a data set ({error}); choose another --out.") from error


def check_same_run(path: Path, manifest: Manifest, asked: RunOptions, count: int) -> None:
    """Refuse to continue a run with other options, or with fewer samples than it has been asked for."""
    difference = difference_or_none(manifest.run, asked)
    if difference is not None:
        raise UsageError(f"{path.parent} holds another run ({difference}); repeat that run's options or choose another --out.")
    if count < manifest.count:
        raise UsageError(
            f"{path.parent} is a run of {manifest.count} samples; ask for --count {manifest.count} or more, got {count}."
        )


def check_same_blender(path: Path, manifest: Manifest, blender: BlenderBuild) -> None:
    """Refuse to continue a run with another Blender, whose pictures may differ."""
    if manifest.blender != blender:
        raise UsageError(
            f"{path.parent} was made by {_name(manifest.blender)}, and this is {_name(blender)};"
            " continue with that Blender or choose another --out."
        )


def _name(blender: BlenderBuild) -> str:
    return f"Blender {blender.version}{'' if blender.denoises else ' without denoising'}"


def new_manifest(run: RunOptions, blender: BlenderBuild, count: int) -> Manifest:
    """The manifest of a run that has made nothing yet."""
    return Manifest(run_to_json(run), blender, count)


def _entry(value: dict[str, Any]) -> FileEntry:
    return FileEntry(int(value["first"]), int(value["count"]), int(value["bytes"]), str(value["sha256"]))
