# SPDX-License-Identifier: GPL-3.0-or-later
"""What the templates that show a library's meshes have in common. No bpy.

They have one fixed camera, so programs are written in the world frame and need no camera statement. An object's location is the
centre of its mesh's bounding box, whose diagonal is 1; its rotation are Euler angles about the fixed x, y, z axes, in radians.
"""

from __future__ import annotations

import io
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SceneError, UsageError
from ...core.frames import rays
from ...core.scene import Camera, Scene, SceneObject
from ...core.vocabulary import Vocabulary
from ...core.vocabulary_json import vocabulary_to_json
from ..surfaces import Surfaces
from ..template import BlenderSide, Template
from ..zbuffer import PosedMesh, trace_meshes
from .catalogue import Catalogue, read_catalogue
from .posing import posed_mesh
from .stage import Stage

Array = NDArray[np.float64]


class LibraryOptions(Protocol):
    """What the sampling options of every such template have."""

    @property
    def library(self) -> str: ...


class MeshTemplate(Template):
    """A template of a library's meshes. split_options: split -> the options that its name stands for."""

    stage: Stage
    object_limit: int
    split_options: Mapping[str, Mapping[str, str]]

    def __init__(self, options: Any = None) -> None:
        self._options = self.options() if options is None else options

    @abstractmethod
    def words(self, catalogue: Catalogue, options: Any) -> tuple[str, ...]:
        """The meshes that its programs may name."""

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is known about the library."""
        return read_catalogue(self._options.library)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return self.catalogue.vocabulary(self.name, self.words(self.catalogue, self._options), self.object_limit)

    @property
    def stands_on_ground(self) -> bool:
        return self.stage.floor

    def of_model(self, vocabulary: Vocabulary, catalogue: Catalogue) -> MeshTemplate:
        """The template with the words of a model, of which the catalogue need not know all."""
        made = type(self)(self._options)
        made.vocabulary, made.catalogue = vocabulary, catalogue
        return made

    def bound_to(self, options: Any) -> Template:
        return self if options == self._options else type(self)(options)

    def given_options(self, given: Mapping[str, Any], split: str, aspect: float) -> Any:
        if split not in self.split_options:
            raise UsageError(f"The template {self.name!r} has no split {split!r}; choose one of {', '.join(self.split_options)}.")
        filled = {"aspect": aspect} if "aspect" in self.filled_options else {}
        options = self.options(**{**self.split_options[split], **given, **filled})
        catalogue = read_catalogue(options.library)
        self.words(catalogue, options)  # refuses meshes that are not there
        return replace(options, fingerprint=catalogue.fingerprint())

    def in_code(self, scene: Scene) -> Scene:
        return Scene(tuple(replace(item, texture=None) for item in scene.objects))

    def object_facts(self, item: SceneObject) -> dict[str, Any]:
        class_name = self.catalogue.entry(item.shape or "").class_name
        return {} if class_name is None else {"class": class_name}

    def instance_map(self, scene: Scene, width_px: int, height_px: int) -> NDArray[np.int32]:
        return trace_meshes(_camera_of(scene), self.posed(scene), width_px, height_px).instances

    def surfaces(self, scene: Scene, width_px: int, height_px: int) -> Surfaces:
        camera = _camera_of(scene)
        found = trace_meshes(camera, self.posed(scene), width_px, height_px)
        return _with_floor(camera, found) if self.stage.floor else found

    def posed(self, scene: Scene) -> list[PosedMesh]:
        """The scene's objects as triangles."""
        return [posed_mesh(self.catalogue, item) for item in scene.objects]

    def empty_scene(self) -> Scene:
        return self.stage.empty_scene()

    def side_files(self) -> dict[str, bytes]:
        """vocabulary.json, and meshes.npz: for each word (1024, 3) float32 points of its surface in its own frame."""
        words = self.vocabulary.words["shape"]
        buffer = io.BytesIO()
        points = {word: self.catalogue.geometry(word).surface_points().astype(np.float32) for word in words}
        np.savez_compressed(buffer, **points)
        value = vocabulary_to_json(self.vocabulary) | {"classes": {word: self.catalogue.entry(word).class_name for word in words}}
        classes = value.pop("classes")
        return {
            "vocabulary.json": (json.dumps(value, indent=1) + "\n").encode(),
            "classes.json": (json.dumps(classes, indent=1) + "\n").encode(),
            "meshes.npz": buffer.getvalue(),
        }

    def blender_side(self) -> BlenderSide:
        from .build import MeshSide

        return MeshSide(self.catalogue, self.stage)


def chosen_words(catalogue: Catalogue, meshes: str) -> tuple[str, ...]:
    """The words that an option names, separated by commas; "all" are all of them."""
    if meshes == "all":
        return tuple(sorted(catalogue.entries))
    words = tuple(dict.fromkeys(word.strip() for word in meshes.split(",") if word.strip()))
    if not words:
        raise UsageError(f"--meshes needs words of the library, separated by commas, or 'all', got {meshes!r}.")
    return tuple(catalogue.entry(word).word for word in words)


def _camera_of(scene: Scene) -> Camera:
    if scene.camera is None:
        raise SceneError("a scene without a camera shows no pixels")
    return scene.camera


def _with_floor(camera: Camera, found: Surfaces) -> Surfaces:
    """The surfaces with a level floor at z = 0 where nothing is nearer."""
    height, width = found.depth.shape
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    climb = rays(camera, u.ravel(), v.ravel(), width, height)[:, 2].reshape(height, width)
    floor = np.divide(-camera.location[2], climb, out=np.full_like(climb, np.inf), where=climb < 0.0)
    shown = (floor < found.depth) & (floor > 0.0)
    normals = np.where(shown[..., None], np.array([0.0, 0.0, 1.0]), found.normals)
    return Surfaces(np.where(shown, 0, found.instances).astype(np.int32), np.where(shown, floor, found.depth), normals)
