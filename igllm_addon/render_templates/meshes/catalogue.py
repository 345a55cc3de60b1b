# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a library of meshes: catalogue.json, geometry/WORD.npz and previews/WORD.png in one folder. No bpy.

Blender measures the meshes once (measuring.py); everything else (vocabulary, sampling, visibility, metrics) reads the catalogue.
A library may carry its catalogue in its own folder igllm_catalogue/, as the shipped one does; else it lies in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SceneError, UsageError
from ...core.symmetries import Generator, check_generators, yaw_order
from ...core.vocabulary import Vocabulary
from .limits import SURFACE_POINTS

FORMAT, VERSION = "igllm-meshes", 1
OWN_FOLDER = "igllm_catalogue"
SHIPPED = "shipped"
SHIPPED_FOLDER = Path(__file__).parent / "library"
STATED = "igllm_symmetries.json"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """A mesh of unit size, simplified where it was large. vertices: (V, 3) float64. triangles: (T, 3) int32."""

    vertices: Array
    triangles: NDArray[np.int32]

    def surface_points(self, count: int = SURFACE_POINTS) -> Array:
        """(count, 3) points spread evenly by area; the same ones each time."""
        rng = np.random.default_rng(0)
        corners = self.vertices[self.triangles]
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        picked = rng.choice(len(areas), size=count, p=areas / areas.sum())
        a, b = rng.random((2, count))
        a, b = np.where(a + b > 1.0, 1.0 - a, a), np.where(a + b > 1.0, 1.0 - b, b)
        first, second, third = np.moveaxis(corners[picked], 1, 0)
        return np.asarray(first + a[:, None] * (second - first) + b[:, None] * (third - first))


@dataclass(frozen=True)
class MeshEntry:
    """word: its name in graphics code. path: its file, relative to the library; object_name: which object of a .blend.
    size: its bounding box's edges when the diagonal is 1. original_extent: the diagonal in the file's own units.
    symmetry: generators as in core/symmetries.py, found in the geometry and its colours unless `symmetry_is_stated`.
    bytes, modified_ns, sha256: the file when it was measured. preview: whether previews/WORD.png is there."""

    word: str
    class_name: str | None
    path: str
    object_name: str | None
    size: tuple[float, float, float]
    original_extent: float
    faces: int
    symmetry: tuple[Generator, ...]
    symmetry_is_stated: bool
    warnings: tuple[str, ...]
    bytes: int
    modified_ns: int
    sha256: str
    preview: bool = False


@dataclass(frozen=True)
class Skipped:
    """A file that gave no mesh, and why."""

    path: str
    reason: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Catalogue:
    """library: the folder with the files. home: the folder of the catalogue. entries: by word."""

    library: Path
    home: Path
    entries: Mapping[str, MeshEntry]
    skipped: tuple[Skipped, ...] = ()
    _geometry: dict[str, Geometry] = field(default_factory=dict, compare=False, repr=False)

    def entry(self, word: str) -> MeshEntry:
        """The mesh of this name, or a UsageError that says what there is."""
        if word not in self.entries:
            known = ", ".join(list(self.entries)[:8])
            raise UsageError(f"The library {self.library} has no mesh {word!r}; it has {len(self.entries)}, such as {known}.")
        return self.entries[word]

    def geometry(self, word: str) -> Geometry:
        """The mesh's triangles, read once."""
        if word not in self._geometry:
            path = self.home / "geometry" / f"{self.entry(word).word}.npz"
            try:
                with np.load(path) as arrays:
                    self._geometry[word] = Geometry(arrays["vertices"].astype(np.float64), arrays["triangles"].astype(np.int32))
            except (OSError, KeyError, ValueError) as error:
                raise UsageError(f"{path} is missing or damaged; run `igllm assets {self.library}` again.") from error
        return self._geometry[word]

    def classes(self) -> dict[str, list[str]]:
        """Class -> its words, both sorted; meshes without a class are each a class of their own."""
        found: dict[str, list[str]] = {}
        for word, entry in sorted(self.entries.items()):
            found.setdefault(entry.class_name or word, []).append(word)
        return dict(sorted(found.items()))

    def fingerprint(self) -> str:
        """Changes with any mesh, so that a data set is not continued with others."""
        facts = [(entry.word, entry.sha256, entry.symmetry) for _, entry in sorted(self.entries.items())]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def vocabulary(self, template: str, words: Iterable[str], object_limit: int) -> Vocabulary:
        """What graphics code of these meshes may say: a shape, where it is, and three Euler angles."""
        shapes = tuple(words)
        symmetries = {word: self.entry(word).symmetry for word in shapes if self.entry(word).symmetry}
        return Vocabulary(
            template=template,
            words={"shape": shapes},
            rotation_length=3,
            yaw_symmetry_orders={word: yaw_order(generators) for word, generators in symmetries.items()},
            symmetries=symmetries,
            object_limit=object_limit,
            required_fields=("shape", "loc", "rotation"),
        )


def library_folder(library: str) -> Path:
    """The folder that --library names; "shipped" is the set that comes with the program."""
    return SHIPPED_FOLDER if library == SHIPPED else Path(library).expanduser().resolve()


def catalogue_home(library: Path) -> Path:
    """Where the library's catalogue lies or will lie."""
    own = library / OWN_FOLDER
    if (own / "catalogue.json").is_file():
        return own
    name = f"{library.name}-{hashlib.sha256(str(library).encode()).hexdigest()[:12]}"
    return cache_folder() / "meshes" / name


def cache_folder() -> Path:
    """The user's folder for what can be made again; IGLLM_CACHE names another."""
    if given := os.environ.get("IGLLM_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "igllm/cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/igllm"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "igllm"


def read_catalogue_or_none(library: Path) -> Catalogue | None:
    """The library's catalogue as it was written last, whether or not files have changed since; None where there is none."""
    home = catalogue_home(library)
    try:
        value = json.loads((home / "catalogue.json").read_text(encoding="utf-8"))
        if (value["format"], value["version"]) != (FORMAT, VERSION):
            return None
        entries = {entry["word"]: entry_from_json(entry) for entry in value["meshes"]}
        skipped = tuple(Skipped(**entry) for entry in value["skipped"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, SceneError) as error:
        raise UsageError(
            f"{home / 'catalogue.json'} is no catalogue of meshes ({error}); remove it and it is made again."
        ) from error
    return Catalogue(library, home, entries, skipped)


def read_catalogue(library: str) -> Catalogue:
    """The catalogue of a library that has one; a UsageError that tells how to make it where there is none."""
    folder = library_folder(library)
    found = read_catalogue_or_none(folder)
    if found is None:
        raise UsageError(f"The library {folder} has not been looked at yet; run `igllm assets {folder}` first.")
    return found


def write_catalogue(catalogue: Catalogue) -> None:
    """Write catalogue.json; geometry and previews are there already."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "meshes": [asdict(entry) for _, entry in sorted(catalogue.entries.items())],
        "skipped": [asdict(entry) for entry in catalogue.skipped],
    }
    text = json.dumps(value, indent=1) + "\n"
    partial = catalogue.home / "catalogue.json.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(catalogue.home / "catalogue.json")


def stated_symmetries(library: Path) -> dict[str, tuple[Generator, ...]]:
    """What igllm_symmetries.json in the library says: word -> [[x, y, z, order], …]; it overrides what is found."""
    path = library / STATED
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return {str(word): check_generators(map(tuple, entries), repr(word)) for word, entries in value.items()}
    except (ValueError, TypeError, AttributeError, SceneError, OSError) as error:
        raise UsageError(f"{path} states no symmetries ({error}); expected {{word: [[x, y, z, order]]}}.") from error


def entry_from_json(value: Mapping[str, Any]) -> MeshEntry:
    """An entry as catalogue.json and measuring.py write it."""
    width, depth, height = (float(number) for number in value["size"])
    symmetry = check_generators(map(tuple, value["symmetry"]), repr(value["word"]))
    return MeshEntry(**{**value, "size": (width, depth, height), "symmetry": symmetry, "warnings": tuple(value["warnings"])})
