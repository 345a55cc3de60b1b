# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mesh files a folder holds, and what they are called. No bpy: only names and sizes of files are looked at.

Two layouts are known by what lies in them:

    ShapeNetCore v2     SYNSET/MODEL/models/model_normalized.obj; taxonomy.json names the synsets
    any other folder    files of the known kinds at any depth; a file's class is the folder right under the library's, if any

A mesh is called `<class>_<id>` where it has a class, else by its file's name. Words keep letters, digits, '-' and '.'; everything
else becomes '-'.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from ...core.vocabulary import WORD_LENGTH_LIMIT

KINDS = (".obj", ".ply", ".stl", ".glb", ".gltf", ".fbx", ".blend")
_COMPANIONS = (".mtl", ".bin", ".png", ".jpg")  # of a loose file, by its own name
_SHAPENET_MODEL = "models/model_normalized.obj"
_SYNSET = re.compile(r"\d{8}")
TAXONOMY = "taxonomy.json"


@dataclass(frozen=True)
class MeshFile:
    """path: relative to the library. word: what its mesh is called; a .blend may hold several, whose names are added to it.
    class_name: None where nothing names one. bytes, modified_ns: what a change is noticed by, its materials and textures
    included."""

    path: str
    word: str
    class_name: str | None
    bytes: int
    modified_ns: int


def scan(folder: Path) -> list[MeshFile]:
    """The mesh files of a library, by word. UsageError where there is no such folder or nothing in it."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; name one that holds meshes ({', '.join(KINDS)}).")
    found = _shapenet_files(folder) if is_shapenet(folder) else _loose_files(folder)
    if not found:
        raise UsageError(f"{folder} holds no meshes; expected files of the kinds {', '.join(KINDS)} or ShapeNetCore's folders.")
    return sorted(_with_words_of_their_own(found), key=lambda item: item.word)


def is_shapenet(folder: Path) -> bool:
    """Whether the folder is laid out like ShapeNetCore v2."""
    return any(_SYNSET.fullmatch(entry.name) and entry.is_dir() for entry in folder.iterdir())


def class_names(folder: Path) -> dict[str, str]:
    """Synset -> class, the first of the words that the taxonomy has for it; without a taxonomy there are none."""
    path = folder / TAXONOMY
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {str(entry["synsetId"]): _word(str(entry["name"]).split(",")[0]) for entry in entries}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UsageError(
            f"{path} is no taxonomy as ShapeNetCore has it ({error}); expected a list of synsetId and name."
        ) from error


def _shapenet_files(folder: Path) -> list[MeshFile]:
    names = class_names(folder)
    found = []
    for synset in sorted(entry for entry in folder.iterdir() if _SYNSET.fullmatch(entry.name) and entry.is_dir()):
        class_name = names.get(synset.name, synset.name)
        for model in sorted(entry for entry in synset.iterdir() if (entry / _SHAPENET_MODEL).is_file()):
            path = model / _SHAPENET_MODEL
            others = [entry for entry in sorted(model.rglob("*")) if entry.is_file() and entry != path]
            found.append(_file(folder, path, f"{class_name}_{_word(model.name)}", class_name, others))
    return found


def _loose_files(folder: Path) -> list[MeshFile]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.lower() not in KINDS or name.startswith("."):
                continue
            inside = path.relative_to(folder).parts
            class_name = _word(inside[0]) if len(inside) > 1 else None
            stem = _word(path.stem)
            others = [other for ending in _COMPANIONS if (other := path.with_suffix(ending)).is_file()]
            found.append(_file(folder, path, f"{class_name}_{stem}" if class_name else stem, class_name, others))
    return found


def _file(folder: Path, path: Path, word: str, class_name: str | None, companions: Iterable[Path] = ()) -> MeshFile:
    """companions: files that belong to it, such as textures; a change of them is a change of the mesh."""
    known = [entry.stat() for entry in (path, *companions)]
    changed = max(about.st_mtime_ns for about in known)
    size = sum(about.st_size for about in known)
    return MeshFile(path.relative_to(folder).as_posix(), word[:WORD_LENGTH_LIMIT], class_name, size, changed)


def _with_words_of_their_own(found: list[MeshFile]) -> list[MeshFile]:
    """Files that would be called the same, such as a.obj and a.ply, are told apart by their endings, and then by numbers."""
    taken: set[str] = set()
    result = []
    for item in found:
        ending = Path(item.path).suffix[1:].lower()
        choices = [item.word, f"{item.word[: WORD_LENGTH_LIMIT - 6]}.{ending}"]
        choices += [f"{item.word[: WORD_LENGTH_LIMIT - 6]}.{number}" for number in range(2, len(found) + 2)]
        word = next(choice for choice in choices if choice not in taken)
        taken.add(word)
        result.append(MeshFile(item.path, word, item.class_name, item.bytes, item.modified_ns))
    return result


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.\-]+", "-", name.strip()).strip("-") or "mesh"
