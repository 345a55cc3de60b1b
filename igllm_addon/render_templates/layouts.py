# SPDX-License-Identifier: GPL-3.0-or-later
"""The two forms of a finished data set: WebDataset shards, and IG-LLM's tar with one labels file. No bpy.

Both grow in the same way. A unit is a range of samples that become files together; a file that already holds a unit's first
samples is copied as far as the manifest vouches for it, and the fragments of the other samples follow.
"""

from __future__ import annotations

import itertools
import json
import math
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from .labels import label_bytes
from .run_options import BlenderBuild, RunOptions, run_to_json, sample_key
from .shards import TAR_END, FileRecord, fragment_parts, read_chunks, sample_ends, tar_member, why, write_atomically

Fragments = Callable[[int], bytes]
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Unit:
    """The samples first … stop - 1, and the files that they become, named relative to the data set's folder."""

    first: int
    stop: int
    names: tuple[str, ...]


def units_of(run: RunOptions, count: int) -> list[Unit]:
    """The units of the first `count` samples."""
    stop = run.start + count
    if run.layout == "igllm":
        passes = (f"passes/{run.split}.tar",) if run.passes else ()
        return [Unit(run.start, stop, (f"images/{run.split}.tar", f"labels/{run.split}.json", *passes))]
    size = run.shard_size
    return [
        Unit(max(run.start, number * size), min(stop, (number + 1) * size), (f"{run.split}/{run.split}-{number:06d}.tar",))
        for number in range(run.start // size, (stop - 1) // size + 1)
    ]


def write_unit(
    folder: Path, run: RunOptions, unit: Unit, kept: int, fragments: Fragments, blender: BlenderBuild
) -> dict[str, FileRecord]:
    """Write the unit's files: their first `kept` samples as they are there, the others from their fragments."""
    new = range(unit.first + kept, unit.stop)
    written = {}
    for name in unit.names:
        path = folder / name
        if name.endswith(".json"):
            chunks = _labels_file(path, run, kept, (_scene_line(run, index, fragments(index)) for index in new), blender)
        else:
            select = _selection(run, name)
            chunks = _tar_file(path, kept, (select(index, fragments(index)) for index in new))
        written[name] = write_atomically(path, chunks)
    return written


def image_filename(run: RunOptions, index: int) -> str:
    """The name of a picture in IG-LLM's layout: in its tar as in its label, different in every split."""
    return f"{run.split}_{index:06d}.png"


def _selection(run: RunOptions, name: str) -> Callable[[int, bytes], bytes]:
    """index, fragment -> the blocks that go into the tar of this name."""
    if run.layout == "webdataset":
        return lambda _, fragment: fragment
    if name.startswith("images/"):
        return lambda index, fragment: tar_member(image_filename(run, index), fragment_parts(fragment)["png"])
    return lambda index, fragment: _pass_members(run, index, fragment)


def _pass_members(run: RunOptions, index: int, fragment: bytes) -> bytes:
    stem = image_filename(run, index).removesuffix(".png")
    parts = fragment_parts(fragment)
    return b"".join(tar_member(f"{stem}.{name}", parts[name]) for name in sorted(parts) if name.split(".")[0] in run.passes)


def _tar_file(path: Path, kept: int, new: Iterator[bytes]) -> Iterator[bytes]:
    if kept:
        yield from read_chunks(path, _end_of_sample(path, kept))
    yield from new
    yield TAR_END


def _end_of_sample(path: Path, kept: int) -> int:
    try:
        return sample_ends(path)[kept - 1]
    except (tarfile.ReadError, IndexError) as error:
        raise UsageError(f"{path} is damaged; move it away, and the same command makes it again.") from error
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {why(error)}.") from error


def _labels_file(path: Path, run: RunOptions, kept: int, new: Iterator[str], blender: BlenderBuild) -> Iterator[bytes]:
    """One line a scene, so that the file can be copied, and read, without holding all of it."""
    yield f'{{"info":{label_bytes(labels_info(run, blender)).decode()},"scenes":[\n'.encode()
    lines = itertools.chain(_kept_lines(path, kept) if kept else (), new)
    for number, line in enumerate(lines):
        yield (",\n" + line if number else line).encode()
    yield b"\n]}\n"


def _kept_lines(path: Path, kept: int) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        next(file)  # the header
        for line in itertools.islice(file, kept):
            yield line.rstrip(",\n")


def labels_info(run: RunOptions, blender: BlenderBuild) -> dict[str, Any]:
    """The header of IG-LLM's labels file: where the numbers come from and what their units are."""
    return {
        "template": run.template,
        "split": run.split,
        "blender_version": blender.version,
        "denoises": blender.denoises,
        "run": run_to_json(run),
        "frame": "right-handed, z up, ground at z = 0; keys ending in _canonical: turned about z to the camera's own azimuth",
        "length_unit": "Blender units",
        "rotation_unit": _rotation_unit(run),
        "yaw_radians_unit": "radians",
        "pixel_coords_unit": "pixels from the upper left corner, and Blender units along the view axis",
        "pixel_coords_of": "the object's centre",
    }


def _rotation_unit(run: RunOptions) -> str:
    yaw_only = run.template_object().vocabulary.rotation_length == 1
    return "degrees" if yaw_only else "radians about the fixed x, y, z axes, in this order"


def _scene_line(run: RunOptions, index: int, fragment: bytes) -> str:
    label = json.loads(fragment_parts(fragment)["json"])
    scene = {
        "image_filename": image_filename(run, index),
        "image_index": index,
        "split": run.split,
        "camera": label["scene"]["camera"],
        "lights": label["scene"]["lights"],
        "objects": [_with_degrees(item) for item in label["objects"]],
    }
    return label_bytes(scene).decode()


def _with_degrees(item: dict[str, Any]) -> dict[str, Any]:
    """IG-LLM reads `rotation` as degrees in [0, 360); only shapes whose yaw can be seen have one."""
    if "yaw_radians" not in item:
        return item
    return item | {"rotation": math.degrees(item["yaw_radians"]) % 360.0}


def fragment_name(index: int) -> str:
    """The file of a sample that no finished file holds yet."""
    return f"{sample_key(index)}.sample"
