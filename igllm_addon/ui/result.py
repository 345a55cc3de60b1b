# SPDX-License-Identifier: GPL-3.0-or-later
"""A result in Blender: what marks its objects, the ways between its objects and its code, and how it is taken away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import bpy
from mathutils import Matrix, Vector

from ..core.errors import SceneError, UsageError
from ..core.graphics_code import parse, serialize
from ..core.scene import Camera, Scene, SceneObject
from ..render_templates.meshes.model_template import template_from_facts
from ..render_templates.template import Template
from .properties import IGLLM_PG_result

RUN_KEY, STATEMENT_KEY, CONFIDENCE_KEY = "igllm_run", "igllm_statement", "igllm_confidence"
_OWN = "igllm_"  # how the names of all custom properties begin by which this extension and its templates mark what they made
_DECIMALS = 4
_SAME_PLACE = 1e-4  # Blender computes in single precision


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


def rebuild(collection: bpy.types.Collection, uncertain_below: float) -> int:
    """Make the objects and the camera follow the code; how many objects that are. A UsageError leaves everything as it is."""
    result = collection.igllm
    text = _text_of(result)
    template = template_from_facts(result.template, result.facts)
    parsed = parse(text.as_string(), template.vocabulary)
    if parsed.error is not None:
        raise UsageError(f"The code “{text.name}” cannot be read: {parsed.error}; correct that place.")
    confidences = {item[STATEMENT_KEY]: float(item.get(CONFIDENCE_KEY, 1.0)) for item in objects_of(collection)}
    replaced = _take_objects(objects_of(collection))
    side = template.blender_side()
    for number, item in enumerate(parsed.scene.objects, start=1):
        made = side.new_object(item, number)
        made[RUN_KEY] = result.run_id
        made.parent = result.frame
        collection.objects.link(made)
        statement = statement_of(item, template)
        mark(made, statement, confidences.get(statement, 1.0), uncertain_below)
    if parsed.scene.camera is not None:
        _move_camera(collection, parsed.scene.camera)
    _remove_unused(replaced)
    return len(parsed.scene.objects)


def update_code(collection: bpy.types.Collection) -> int:
    """Make the code follow the objects and the camera; how many objects that are. A UsageError leaves everything as it is."""
    result = collection.igllm
    text = _text_of(result)
    template = template_from_facts(result.template, result.facts)
    # The objects' places are those of the last evaluation, and the artist may have moved one since.
    bpy.context.view_layer.update()
    frame = result.frame.matrix_world.copy() if result.frame is not None else None
    try:
        scene = template.blender_side().read_scene(collection, frame)
        items = tuple(map(_rounded, scene.objects))
        code = serialize(Scene(items, scene.camera), template.vocabulary)
    except SceneError as error:
        raise UsageError(f"“{collection.name}” has no graphics code: {error}") from None
    write_text(text, code)
    _write_statements(collection, items, frame, template)
    return len(items)


def _write_statements(
    collection: bpy.types.Collection, items: Iterable[SceneObject], frame: Matrix | None, template: Template
) -> None:
    """Let each object keep its confidence: rebuilding finds it by the statement, which moving the object has changed."""
    scene_from_world = Matrix() if frame is None else frame.inverted()
    left = [(item, scene_from_world @ item.matrix_world.translation) for item in objects_of(collection)]
    for item in items:
        here = (pair for pair in left if item.location is not None and (pair[1] - Vector(item.location)).length < _SAME_PLACE)
        found = next(here, None)
        if found is not None:
            left.remove(found)
            found[0][STATEMENT_KEY] = statement_of(item, template)


def remove_result(collection: bpy.types.Collection) -> None:
    """Take an unfinished result out of the file, with what only it uses."""
    text, picture, run_id = collection.igllm.text, collection.igllm.picture, collection.igllm.run_id
    data = _take_objects(collection.objects)
    bpy.data.collections.remove(collection)
    if text is not None:
        bpy.data.texts.remove(text)
    _remove_unused(data)
    if picture is not None and picture.users == 0 and picture.get(RUN_KEY) == run_id:
        bpy.data.images.remove(picture)


def _take_objects(objects: Iterable[bpy.types.Object]) -> list[bpy.types.ID]:
    """Remove the objects; what of their data this extension made, materials last."""
    taken = list(objects)
    shown = [item.data for item in taken if item.data is not None]
    worn = [slot.material for item in taken for slot in item.material_slots if slot.material is not None]
    marked = [data for data in (*shown, *worn) if isinstance(data, bpy.types.Camera | bpy.types.Light) or _is_marked(data)]
    bpy.data.batch_remove(taken)
    return list(dict.fromkeys(marked))


def _is_marked(data: bpy.types.ID) -> bool:
    return any(key.startswith(_OWN) for key in data.keys())  # noqa: SIM118  (Blender's datablocks are no dictionaries)


def _remove_unused(data: Iterable[bpy.types.ID]) -> None:
    bpy.data.batch_remove([item for item in data if item.users == 0])


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


def statement_of(item: SceneObject, template: Template) -> str:
    """One line of graphics code."""
    return serialize(Scene((item,)), template.vocabulary).strip()


def _rounded(item: SceneObject) -> SceneObject:
    """As many digits as a model writes: Blender's single precision would fill the code with digits that mean nothing."""
    location, rotation = item.location, item.rotation
    if location is not None:
        x, y, z = (round(value, _DECIMALS) for value in location)
        location = (x, y, z)
    return replace(item, location=location, rotation=None if rotation is None else tuple(round(v, _DECIMALS) for v in rotation))


def write_text(text: bpy.types.Text, code: str) -> None:
    """Put code in the place of what the text holds."""
    text.clear()
    text.write(code)
    text.cursor_set(0)
