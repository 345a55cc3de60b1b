# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's ShapeNet experiment: one to four meshes standing on white, not touching, each well in view. No bpy.

`train` and `val_ID` show the meshes that are not held out in their own colours or with hues turned by up to 60°.
`val_OOD_texture` shows the same meshes with hues turned by 120° to 240°, which training never did; `val_OOD_shape` shows the
held-out meshes, every fifth of a class (the last of a smaller one with at least three), whose words stand in the vocabulary, but
which no training saw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.frames import project
from ...core.rotations import matrix_from_yaw
from ...core.scene import Scene, SceneObject
from ..meshes.catalogue import SHIPPED, Catalogue
from ..meshes.mesh_template import MeshTemplate, chosen_words
from ..meshes.posing import left_to_right, posed_mesh, posed_object, random_rotation
from ..meshes.stage import Stage, camera_at, sun_from
from ..zbuffer import trace_meshes

Array = NDArray[np.float64]

POSITION_LIMIT = 1.1  # of x and y
MOST_OBJECTS = 4
DOMAINS = ("seen", "texture", "shape", "all")
ROTATIONS = ("yaw", "full")
_OWN_COLORS_SHARE = 0.3  # of the objects with seen textures
_SEEN_HUE_LIMIT, _UNSEEN_HUES = 60, (120, 240)  # degrees
_GAP = 0.04  # between the upright cylinders around two meshes
_TRIES_PER_OBJECT = 60
_VISIBILITY_WIDTH_PX = 160
_LEAST_VISIBLE_PX, _LEAST_VISIBLE_SHARE = 120, 0.45
_EDGE_PX = 2  # a mesh stays so far away from the picture's edges, on a picture of that width


@dataclass(frozen=True)
class ShapenetOptions:
    """library: "shipped" or a folder of meshes. meshes: words separated by commas, or "all". domain: "seen", "texture" or
    "shape", see above, which the split chooses, or "all", all meshes with the hues of "seen". rotation: "yaw" about the vertical,
    or "full". aspect: picture height over width."""

    library: str = SHIPPED
    meshes: str = "all"
    domain: str = "seen"
    rotation: str = "yaw"
    aspect: float = 0.75
    fingerprint: str = ""

    def __post_init__(self) -> None:
        for value, known in ((self.domain, DOMAINS), (self.rotation, ROTATIONS)):
            if value not in known:
                raise UsageError(f"There is no {value!r} in the template 'shapenet'; choose one of {', '.join(known)}.")


def held_out(classes: dict[str, list[str]]) -> tuple[str, ...]:
    """The words, of class -> sorted words, that only val_OOD_shape shows."""
    found: list[str] = []
    for words in classes.values():
        found += words[4::5] or (words[-1:] if len(words) >= 3 else [])
    return tuple(sorted(found))


class ShapenetTemplate(MeshTemplate):
    """Meshes on a white floor, seen from above."""

    name = "shapenet"
    options = ShapenetOptions
    filled_options = ("aspect", "fingerprint")
    object_limit = MOST_OBJECTS
    split_options = {
        "train": {},
        "val_ID": {},
        "val_OOD_texture": {"domain": "texture"},
        "val_OOD_shape": {"domain": "shape"},
    }
    stage = Stage(
        camera=camera_at((0.0, -3.7, 2.5), 45.0, (0.0, 0.0, 0.15)),
        lights=(sun_from((-0.5, -0.4, 1.0), 1.6, 15.0),),
        floor=True,
        air_rgb=(0.55, 0.56, 0.58),
    )

    def words(self, catalogue: Catalogue, options: ShapenetOptions) -> tuple[str, ...]:
        return chosen_words(catalogue, options.meshes)

    def shown_words(self, options: ShapenetOptions) -> tuple[str, ...]:
        """The words of the vocabulary that a domain shows."""
        words = self.vocabulary.words["shape"]
        classes = {name: [word for word in known if word in words] for name, known in self.catalogue.classes().items()}
        away = held_out(classes)
        if options.domain == "all":
            return words
        chosen = tuple(word for word in words if (word in away) == (options.domain == "shape"))
        if not chosen:
            raise UsageError("No class of the library has three meshes, so that none are held out for val_OOD_shape.")
        return chosen

    def sample(self, rng: np.random.Generator, options: ShapenetOptions) -> Scene:
        words = self.shown_words(options)
        count = int(rng.integers(1, MOST_OBJECTS + 1))
        while True:
            objects = self._placed_or_none(rng, count, words, options)
            if objects is not None and self._all_in_view(objects, options.aspect):
                ordered = left_to_right(objects, self.stage.camera)
                return Scene(ordered, self.stage.camera, self.stage.lights)

    def _placed_or_none(
        self, rng: np.random.Generator, count: int, words: tuple[str, ...], options: ShapenetOptions
    ) -> list[SceneObject] | None:
        """`count` meshes whose upright cylinders keep apart, or None where one found no place in its tries."""
        placed: list[tuple[float, float, float]] = []
        objects = []
        for _ in range(count):
            word = words[int(rng.integers(len(words)))]
            matrix = (
                random_rotation(rng) if options.rotation == "full" else matrix_from_yaw(float(rng.uniform(-math.pi, math.pi)))
            )
            vertices = self.catalogue.geometry(word).vertices @ matrix.T
            radius = float(np.hypot(vertices[:, 0], vertices[:, 1]).max())
            for _ in range(_TRIES_PER_OBJECT):
                x, y = (float(value) for value in rng.uniform(-POSITION_LIMIT, POSITION_LIMIT, 2))
                if all(math.hypot(x - a, y - b) >= radius + other + _GAP for a, b, other in placed):
                    break
            else:
                return None
            placed.append((x, y, radius))
            texture = _texture_or_none(rng, options.domain)
            objects.append(posed_object(word, matrix, (x, y, float(-vertices[:, 2].min())), texture))
        return objects

    def _all_in_view(self, objects: list[SceneObject], aspect: float) -> bool:
        """Whether each mesh shows enough of itself and none is cut by the picture's edge."""
        camera, width = self.stage.camera, _VISIBILITY_WIDTH_PX
        height = round(width * aspect)
        meshes = [posed_mesh(self.catalogue, item) for item in objects]
        pixels = np.concatenate([project(camera, mesh.vertices, width, height) for mesh in meshes])[:, :2]
        if pixels.min() < _EDGE_PX or (pixels > np.array([width, height]) - _EDGE_PX).any():
            return False
        depths = np.stack([trace_meshes(camera, [mesh], width, height).depth for mesh in meshes])
        alone = np.isfinite(depths)
        visible = (alone & (depths == depths.min(axis=0))).sum(axis=(1, 2))
        return bool((visible >= _LEAST_VISIBLE_PX).all() and (visible >= _LEAST_VISIBLE_SHARE * alone.sum(axis=(1, 2))).all())


def _texture_or_none(rng: np.random.Generator, domain: str) -> str | None:
    """None are the mesh's own colours."""
    if domain == "texture":
        return f"hue{int(rng.integers(_UNSEEN_HUES[0], _UNSEEN_HUES[1] + 1))}"
    if rng.random() < _OWN_COLORS_SHARE:
        return None
    return f"hue{int(rng.integers(-_SEEN_HUE_LIMIT, _SEEN_HUE_LIMIT + 1))}"
