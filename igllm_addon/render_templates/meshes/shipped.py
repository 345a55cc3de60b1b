# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped meshes as files in ShapeNetCore's layout. No bpy.

    taxonomy.json                                      [{"synsetId", "name", "children", "numInstances"}]
    SYNSET/NAME/models/model_normalized.obj, .mtl      y up, front -z, the bounding box's centre in the origin, its diagonal 1
    SYNSET/NAME/images/texture.png

Synsets are WordNet's offsets as ShapeNetCore has them, so that a program that knows ShapeNet finds its way. Numbers are rounded
to five decimals, so that other builds of numpy write the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...core.errors import UsageError
from ..png import rgb_png
from .furniture import FURNITURE
from .parts import Array
from .shipped_model import Model
from .tableware import TABLEWARE
from .textures import texture
from .vehicles import VEHICLES

# class -> ShapeNetCore's synset and the words that its taxonomy has for it
SYNSETS = {
    "airplane": ("02691156", "airplane,aeroplane,plane"),
    "car": ("02958343", "car,auto,automobile,machine,motorcar"),
    "chair": ("03001627", "chair"),
    "lamp": ("03636649", "lamp"),
    "mug": ("03797390", "mug"),
    "table": ("04379243", "table"),
}
_MATERIAL = """newmtl surface
Ka 0 0 0
Kd 1 1 1
Ks 0.15 0.15 0.15
Ns 60
d 1
illum 2
map_Kd ../images/texture.png
"""


def shipped_models() -> list[Model]:
    """Every mesh of the set, by class and name."""
    models = [make() for make in (*FURNITURE, *TABLEWARE, *VEHICLES)]
    return sorted(models, key=lambda model: (SYNSETS[model.class_name][0], model.name))


def write_shipped_meshes(folder: Path) -> list[Path]:
    """Write the set into a folder, which may hold an older copy of it; the OBJ files, in order."""
    models = shipped_models()
    written = []
    try:
        for model in models:
            home = folder / SYNSETS[model.class_name][0] / model.name
            (home / "models").mkdir(parents=True, exist_ok=True)
            (home / "images").mkdir(exist_ok=True)
            (home / "models" / "model_normalized.obj").write_text(obj_text(model), encoding="ascii")
            (home / "models" / "model_normalized.mtl").write_text(_MATERIAL, encoding="ascii")
            (home / "images" / "texture.png").write_bytes(rgb_png(texture(model.patterns)))
            written.append(home / "models" / "model_normalized.obj")
        (folder / "taxonomy.json").write_text(_taxonomy(models), encoding="ascii")
    except OSError as error:
        raise UsageError(f"Cannot write the meshes into {folder} ({error.strerror or error}); choose another --out.") from error
    return written


def obj_text(model: Model) -> str:
    """The model as OBJ, with texture coordinates and normals."""
    lines = ["mtllib model_normalized.mtl", "usemtl surface"]
    places, uvs, normals, faces = _Numbered("v"), _Numbered("vt"), _Numbered("vn"), []
    for part in model.normalised_parts():
        for face, atlas, shading in zip(part.faces, part.atlas_uvs(), part.corner_normals(), strict=True):
            corners = zip(_y_up(part.vertices[list(face)]), atlas, _y_up(shading), strict=True)
            faces.append("f " + " ".join(f"{places(a)}/{uvs(b)}/{normals(c, 3)}" for a, b, c in corners))
    return "\n".join([*lines, *places.lines, *uvs.lines, *normals.lines, *faces]) + "\n"


class _Numbered:
    """Rows of numbers as lines of an OBJ, each once, counted from 1."""

    def __init__(self, keyword: str) -> None:
        self.lines: list[str] = []
        self._keyword = keyword
        self._numbers: dict[str, int] = {}

    def __call__(self, values: Array, decimals: int = 5) -> int:
        text = " ".join(f"{value + 0.0:.{decimals}f}".rstrip("0").rstrip(".") for value in np.round(values, decimals) + 0.0)
        if text not in self._numbers:
            self.lines.append(f"{self._keyword} {text}")
            self._numbers[text] = len(self.lines)
        return self._numbers[text]


def _y_up(vectors: Array) -> Array:
    """From z up and front +y to OBJ's y up and front -z."""
    return np.asarray(vectors[:, [0, 2, 1]] * np.array([1.0, 1.0, -1.0]))


def _taxonomy(models: list[Model]) -> str:
    entries = [
        {"synsetId": synset, "name": names, "children": [], "numInstances": sum(model.class_name == name for model in models)}
        for name, (synset, names) in sorted(SYNSETS.items(), key=lambda item: item[1][0])
    ]
    return json.dumps(entries, indent=1) + "\n"
