# SPDX-License-Identifier: GPL-3.0-or-later
"""A result while it comes: the collection that grows statement by statement, its camera, the picture behind it.

Between two steps of a run the artist may undo, rename or delete, and every pointer into the file is then void. So nothing is held
but the run's id, by which the collection is found again; where it is gone, it is built again from the statements so far.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

import bpy
from mathutils import Matrix

from ..core.graphics_code import parse, serialize
from ..core.scene import Camera, Scene, SceneObject
from ..render_templates.meshes.model_template import template_from_facts
from . import backdrop_picture
from .placement import Placement, placed
from .result import RUN_KEY, mark, remove_result, statement_of, write_text

_SIDE_LIMIT_PX = 1920


@dataclass(frozen=True)
class Plan:
    """What a result is to be. facts: of the template (model_template.py). scene_uid: the session_uid of the scene that it goes
    into. size_px: of the picture as it is shown; orientation: EXIF's. picture_path, image_name: what is shown behind its camera.
    eye: who took the picture, in world coordinates, where that is known; the scene is then placed before that eye."""

    name: str
    scene_uid: int
    template: str
    facts: str
    model: str
    size_px: tuple[int, int]
    orientation: int
    picture_path: Path | None
    image_name: str | None
    eye: Camera | None
    with_stage: bool
    look_through: bool
    uncertain_below: float
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class ResultBuilder:
    """Makes the collection of one run. Every step is short, so that Blender stays responsive."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._template = template_from_facts(plan.template, plan.facts)
        self._side = self._template.blender_side()
        self._camera: Camera | None = None
        self._placement: Placement | None = None
        self._items: list[tuple[SceneObject, float]] = []

    @property
    def collection_or_none(self) -> bpy.types.Collection | None:
        """The collection, unless it is not there yet or any more."""
        return next((item for item in bpy.data.collections if item.igllm.run_id == self.plan.run_id), None)

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene that the run was started in, whatever it is called by now; where it was deleted, the one that is shown."""
        found = (item for item in bpy.data.scenes if item.session_uid == self.plan.scene_uid)
        return next(found, bpy.context.scene)

    def add(self, text: str, confidence: float) -> None:
        """One statement of graphics code more."""
        scene = parse(text, self._template.vocabulary).scene
        if scene.camera is not None and self._camera is None:
            self._see_through(scene.camera)
        if not scene.objects:
            self._present()
            return
        if self._camera is None:
            own = self._template.empty_scene().camera
            assert own is not None
            self._see_through(own)
        item = scene.objects[0] if self._placement is None else self._placement.corrected(scene.objects[0])
        collection = self._present()
        self._items.append((item, confidence))
        self._add_object(collection, len(self._items))

    def finish(self, seconds: float) -> bpy.types.Collection:
        """All statements are there: add what belongs around them. Returns the collection."""
        collection = self._present()
        result = collection.igllm
        if self.plan.with_stage and self.plan.eye is None:
            for made in self._side.new_stage(self._template.empty_scene().lights):
                self._link(collection, made)
        code = serialize(Scene(tuple(item for item, _ in self._items), self._camera), self._template.vocabulary)
        result.text = bpy.data.texts.new(f"{collection.name}.py")
        write_text(result.text, code)
        result.seconds = seconds
        result.is_finished = True
        scene = self.scene
        scene.igllm.result = collection
        if result.camera is not None:
            backdrop_picture.show(result)
            if self.plan.look_through or scene.camera is None:
                scene.camera = result.camera
        if self.plan.look_through:
            fit_render(scene, self.plan.size_px)
        return collection

    def remove(self) -> None:
        """The run came to nothing: take away what was built."""
        collection = self.collection_or_none
        if collection is not None:
            remove_result(collection)

    def _see_through(self, camera: Camera) -> None:
        self._camera = camera
        if self.plan.eye is not None:
            self._placement = placed(camera, self.plan.eye, on_ground=self._template.stands_on_ground)
            self._camera = self._placement.camera

    def _present(self) -> bpy.types.Collection:
        """The collection; made, or made again with what it held."""
        collection = self.collection_or_none
        if collection is not None:
            return collection
        collection = bpy.data.collections.new(self.plan.name)
        result = collection.igllm
        result.run_id, result.template, result.model = self.plan.run_id, self.plan.template, self.plan.model
        result.facts = self.plan.facts
        result.picture_width, result.picture_height = self.plan.size_px
        result.picture_orientation = self.plan.orientation
        self.scene.collection.children.link(collection)
        if self._placement is not None:
            result.frame = bpy.data.objects.new(f"{self.plan.name} frame", None)
            result.frame.matrix_world = Matrix(self._placement.matrix_world_from_scene.tolist())
            result.frame[RUN_KEY] = self.plan.run_id
            collection.objects.link(result.frame)
        if self._camera is not None:
            self._add_camera(collection, self._camera)
        for number in range(1, len(self._items) + 1):
            self._add_object(collection, number)
        return collection

    def _add_camera(self, collection: bpy.types.Collection, camera: Camera) -> None:
        made = self._side.new_camera(camera)
        self._link(collection, made)
        result = collection.igllm
        result.camera = made
        result.picture = self._image_or_none()
        if backdrop_picture.is_quickly_read(self.plan.size_px):
            backdrop_picture.show(result)

    def _add_object(self, collection: bpy.types.Collection, number: int) -> None:
        item, confidence = self._items[number - 1]
        made = self._side.new_object(item, number)
        self._link(collection, made)
        mark(made, statement_of(item, self._template), confidence, self.plan.uncertain_below)

    def _link(self, collection: bpy.types.Collection, made: bpy.types.Object) -> None:
        made[RUN_KEY] = self.plan.run_id
        made.parent = collection.igllm.frame
        collection.objects.link(made)

    def _image_or_none(self) -> bpy.types.Image | None:
        if self.plan.image_name is not None:
            return bpy.data.images.get(self.plan.image_name)
        if self.plan.picture_path is None:
            return None
        return backdrop_picture.load_or_none(self.plan.picture_path, self.plan.name, self.plan.run_id)


def fit_render(scene: bpy.types.Scene, size_px: tuple[int, int]) -> None:
    """Let the scene render pictures of this shape, so that what stands behind the camera fills its view."""
    scene.render.resolution_x, scene.render.resolution_y = _bounded(size_px)
    scene.render.resolution_percentage = 100


def _bounded(size_px: tuple[int, int]) -> tuple[int, int]:
    """A render of the picture's shape that nobody waits for all day."""
    scale = min(1.0, _SIDE_LIMIT_PX / max(size_px))
    width, height = (max(round(side * scale), 16) for side in size_px)
    return width, height
