# SPDX-License-Identifier: GPL-3.0-or-later
"""A result in Blender: the collection that grows statement by statement, its camera, its code, and the ways between them.

Between two steps of a run the artist may undo, and every pointer into the file is then void. So nothing is held but the run's id,
by which the collection is found again; where it is gone, it is built again from the statements so far.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy
from mathutils import Matrix

from ..core.errors import SceneError, UsageError
from ..core.graphics_code import parse, serialize
from ..core.scene import Camera, Scene, SceneObject
from ..render_templates.template import Template, template_named
from .placement import Placement, placed
from .properties import IGLLM_PG_result

RUN_KEY, STATEMENT_KEY, CONFIDENCE_KEY = "igllm_run", "igllm_statement", "igllm_confidence"
_SIDE_LIMIT_PX = 1920
_DECIMALS = 4


@dataclass(frozen=True)
class Plan:
    """What a result is to be. size_px: of the picture. picture_path, image_name: what is shown behind its camera. eye: who took
    the picture, in world coordinates, where that is known; the scene is then placed before that eye."""

    name: str
    scene_name: str
    template: str
    model: str
    size_px: tuple[int, int]
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
        self._template = template_named(plan.template)
        self._side = self._template.blender_side()
        self._camera: Camera | None = None
        self._placement: Placement | None = None
        self._items: list[tuple[SceneObject, float]] = []

    @property
    def collection_or_none(self) -> bpy.types.Collection | None:
        """The collection, unless it is not there yet or any more."""
        return next((item for item in bpy.data.collections if item.igllm.run_id == self.plan.run_id), None)

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
        _write(result.text, code)
        result.seconds = seconds
        result.is_finished = True
        scene = bpy.data.scenes[self.plan.scene_name]
        scene.igllm.result = collection
        if result.camera is not None and (self.plan.look_through or scene.camera is None):
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
            self._placement = placed(camera, self.plan.eye)
            self._camera = self._placement.camera

    def _present(self) -> bpy.types.Collection:
        """The collection; made, or made again with what it held."""
        collection = self.collection_or_none
        if collection is not None:
            return collection
        collection = bpy.data.collections.new(self.plan.name)
        result = collection.igllm
        result.run_id, result.template, result.model = self.plan.run_id, self.plan.template, self.plan.model
        result.picture_width, result.picture_height = self.plan.size_px
        bpy.data.scenes[self.plan.scene_name].collection.children.link(collection)
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
        collection.igllm.camera = made
        collection.igllm.picture = self._image_or_none()
        if collection.igllm.picture is not None:
            _show_behind(made.data, collection.igllm.picture)

    def _add_object(self, collection: bpy.types.Collection, number: int) -> None:
        item, confidence = self._items[number - 1]
        made = self._side.new_object(item, number)
        self._link(collection, made)
        mark(made, _statement(item, self._template), confidence, self.plan.uncertain_below)

    def _link(self, collection: bpy.types.Collection, made: bpy.types.Object) -> None:
        made[RUN_KEY] = self.plan.run_id
        made.parent = collection.igllm.frame
        collection.objects.link(made)

    def _image_or_none(self) -> bpy.types.Image | None:
        if self.plan.image_name is not None:
            return bpy.data.images.get(self.plan.image_name)
        if self.plan.picture_path is None:
            return None
        try:
            image = bpy.data.images.load(str(self.plan.picture_path), check_existing=True)
        except RuntimeError:
            return None  # the file went away meanwhile; the result does without
        if self.plan.picture_path.is_relative_to(bpy.app.tempdir):
            image.pack()  # the file is a temporary one
            image.name, image.filepath_raw = f"{self.plan.name} picture", "//picture.png"
        return image


def mark(made: bpy.types.Object, statement: str, confidence: float, uncertain_below: float) -> None:
    """Write down where an object comes from and how sure the model is of it; show the name of an uncertain one."""
    made[STATEMENT_KEY] = statement
    made[CONFIDENCE_KEY] = round(confidence, 4)
    if confidence < uncertain_below:
        made.name += " ?"
        made.show_name = True


def objects_of(collection: bpy.types.Collection) -> list[bpy.types.Object]:
    """The result's objects that have a statement."""
    return [item for item in collection.objects if STATEMENT_KEY in item]


def uncertain_objects(collection: bpy.types.Collection, below: float) -> list[bpy.types.Object]:
    """The least certain first."""
    found = [item for item in objects_of(collection) if item.get(CONFIDENCE_KEY, 1.0) < below]
    return sorted(found, key=lambda item: float(item[CONFIDENCE_KEY]))


def rebuild(collection: bpy.types.Collection, uncertain_below: float) -> int:
    """Make the objects and the camera follow the code; how many objects that are. A UsageError leaves everything as it is."""
    result = collection.igllm
    text = _text_of(result)
    template = template_named(result.template)
    parsed = parse(text.as_string(), template.vocabulary)
    if parsed.error is not None:
        raise UsageError(f"The code “{text.name}” cannot be read: {parsed.error}; correct that place.")
    confidences = {item[STATEMENT_KEY]: float(item.get(CONFIDENCE_KEY, 1.0)) for item in objects_of(collection)}
    for item in objects_of(collection):
        bpy.data.objects.remove(item)
    side = template.blender_side()
    for number, item in enumerate(parsed.scene.objects, start=1):
        made = side.new_object(item, number)
        made[RUN_KEY] = result.run_id
        made.parent = result.frame
        collection.objects.link(made)
        statement = _statement(item, template)
        mark(made, statement, confidences.get(statement, 1.0), uncertain_below)
    if parsed.scene.camera is not None:
        _move_camera(collection, parsed.scene.camera)
    return len(parsed.scene.objects)


def update_code(collection: bpy.types.Collection) -> int:
    """Make the code follow the objects and the camera; how many objects that are. A UsageError leaves everything as it is."""
    result = collection.igllm
    text = _text_of(result)
    template = template_named(result.template)
    # The objects' places are those of the last evaluation, and the artist may have moved one since.
    bpy.context.view_layer.update()
    frame = result.frame.matrix_world.copy() if result.frame is not None else None
    try:
        scene = template.blender_side().read_scene(collection, frame)
        code = serialize(Scene(tuple(map(_rounded, scene.objects)), scene.camera), template.vocabulary)
    except SceneError as error:
        raise UsageError(f"“{collection.name}” has no graphics code: {error}") from None
    _write(text, code)
    return len(scene.objects)


def remove_result(collection: bpy.types.Collection) -> None:
    """Take a result out of the file, with what only it uses."""
    text, cameras_and_lights = collection.igllm.text, []
    for item in list(collection.objects):
        if item.type in ("CAMERA", "LIGHT"):
            cameras_and_lights.append(item.data)
        bpy.data.objects.remove(item)
    bpy.data.batch_remove([data for data in cameras_and_lights if data.users == 0])
    bpy.data.collections.remove(collection)
    if text is not None:
        bpy.data.texts.remove(text)


def remove_unfinished(except_run_id: str) -> None:
    """After an undo or redo, parts of a run can come back that is long over; take them away."""
    for collection in list(bpy.data.collections):
        result = collection.igllm
        if result.run_id and not result.is_finished and result.run_id != except_run_id:
            remove_result(collection)


def _text_of(result: IGLLM_PG_result) -> bpy.types.Text:
    if result.text is None:
        raise UsageError("The result's code was deleted; undo that, or de-render again.")
    return result.text


def _move_camera(collection: bpy.types.Collection, camera: Camera) -> None:
    shown = collection.igllm.camera
    if shown is None:
        return
    shown.location = camera.location
    shown.rotation_mode, shown.rotation_quaternion = "QUATERNION", camera.quaternion_wxyz
    shown.data.lens, shown.data.sensor_width = camera.focal_length_mm, camera.sensor_width_mm


def _statement(item: SceneObject, template: Template) -> str:
    return serialize(Scene((item,)), template.vocabulary).strip()


def _rounded(item: SceneObject) -> SceneObject:
    """As many digits as a model writes: Blender's single precision would fill the code with digits that mean nothing."""
    location, rotation = item.location, item.rotation
    if location is not None:
        x, y, z = (round(value, _DECIMALS) for value in location)
        location = (x, y, z)
    return replace(item, location=location, rotation=None if rotation is None else tuple(round(v, _DECIMALS) for v in rotation))


def _write(text: bpy.types.Text, code: str) -> None:
    text.clear()
    text.write(code)
    text.cursor_set(0)


def _show_behind(camera: bpy.types.Camera, image: bpy.types.Image) -> None:
    camera.show_background_images = True
    shown = camera.background_images.new()
    shown.image = image
    shown.alpha = 0.5
    shown.display_depth = "FRONT"
    shown.frame_method = "FIT"


def fit_render(scene: bpy.types.Scene, size_px: tuple[int, int]) -> None:
    """Let the scene render pictures of this shape, so that what stands behind the camera fills its view."""
    scene.render.resolution_x, scene.render.resolution_y = _bounded(size_px)
    scene.render.resolution_percentage = 100


def _bounded(size_px: tuple[int, int]) -> tuple[int, int]:
    """A render of the picture's shape that nobody waits for all day."""
    scale = min(1.0, _SIDE_LIMIT_PX / max(size_px))
    width, height = (max(round(side * scale), 16) for side in size_px)
    return width, height
