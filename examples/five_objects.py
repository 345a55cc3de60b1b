# SPDX-License-Identifier: GPL-3.0-or-later
"""Five objects to teach a model: a monkey, a gear, a pot, a chair and an arrow, marked as assets in one .blend file.

python examples/five_objects.py my_assets/five.blend                                      with the bpy wheel
blender --background --python examples/five_objects.py -- my_assets/five.blend            with Blender
igllm learn my_assets --minutes 10 --out five
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import bpy

Point = tuple[float, float, float]
Faces = list[tuple[int, ...]]


def main(path: Path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    made = [monkey(), gear(), pot(), chair(), arrow()]
    for index, item in enumerate(made):
        item.location.x = 2.5 * index
        item.asset_mark()
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path.resolve()))


def monkey() -> Any:
    """Blender's own."""
    bpy.ops.mesh.primitive_monkey_add()
    item = bpy.context.object
    item.name = "monkey"
    item.data.materials.append(paint("fur", (0.25, 0.11, 0.04)))
    return item


def gear(teeth: int = 9, thickness: float = 0.3) -> Any:
    """An outline that goes in and out, extruded, with a marked tooth, so that it can be told how it is turned."""
    outline = []
    for tooth in range(4 * teeth):
        radius = 1.0 if tooth % 4 in (1, 2) else 0.75
        radius += 0.3 if tooth in (1, 2) else 0.0
        angle = math.tau * tooth / (4 * teeth)
        outline.append((radius * math.cos(angle), radius * math.sin(angle)))
    item = new_object("gear", *extruded(outline, thickness), paint("steel", (0.35, 0.38, 0.42)))
    add_part(item, box((0.0, 0.0, thickness / 2 + 0.05), (0.5, 0.2, 0.1)), paint("label", (0.8, 0.1, 0.05)))
    return item


def pot() -> Any:
    """A profile turned about the vertical, with a spout and a handle."""
    profile = [(0.0, 0.0), (0.5, 0.0), (0.75, 0.35), (0.7, 0.75), (0.4, 1.0), (0.42, 1.05), (0.12, 1.15), (0.1, 1.3), (0.0, 1.32)]
    glaze = paint("glaze", (0.05, 0.25, 0.6))
    item = new_object("pot", *turned(profile, 24), glaze)
    add_part(item, box((0.9, 0.0, 0.7), (0.6, 0.14, 0.14)), paint("spout", (0.75, 0.7, 0.6)))
    add_part(item, box((-0.95, 0.0, 0.6), (0.12, 0.16, 0.6)), glaze)
    return item


def chair() -> Any:
    """Seat, back and legs, of boxes."""
    wood, cloth = paint("wood", (0.35, 0.18, 0.06)), paint("cloth", (0.1, 0.35, 0.12))
    item = new_object("chair", *box((0.0, 0.0, 0.5), (1.0, 1.0, 0.12)), cloth)
    add_part(item, box((0.0, -0.45, 1.1), (1.0, 0.1, 1.1)), wood)
    for x in (-0.42, 0.42):
        for y in (-0.42, 0.42):
            add_part(item, box((x, y, 0.22), (0.12, 0.12, 0.44)), wood)
    return item


def arrow() -> Any:
    """A flat one, with a tail of another colour."""
    outline = [(0.0, -0.18), (1.2, -0.18), (1.2, -0.5), (2.0, 0.0), (1.2, 0.5), (1.2, 0.18), (0.0, 0.18)]
    item = new_object("arrow", *extruded(outline, 0.25), paint("yellow", (0.8, 0.55, 0.02)))
    add_part(item, box((-0.2, 0.0, 0.0), (0.4, 0.7, 0.27)), paint("dark", (0.05, 0.03, 0.1)))
    return item


def extruded(outline: list[tuple[float, float]], thickness: float) -> tuple[list[Point], Faces]:
    count = len(outline)
    points = [(x, y, z) for z in (-thickness / 2, thickness / 2) for x, y in outline]
    sides = [(i, (i + 1) % count, count + (i + 1) % count, count + i) for i in range(count)]
    return points, [tuple(reversed(range(count))), tuple(range(count, 2 * count)), *sides]


def turned(profile: list[tuple[float, float]], steps: int) -> tuple[list[Point], Faces]:
    angles = [math.tau * step / steps for step in range(steps)]
    points = [(radius * math.cos(angle), radius * math.sin(angle), z) for radius, z in profile for angle in angles]
    faces = [
        (steps * row + i, steps * row + (i + 1) % steps, steps * (row + 1) + (i + 1) % steps, steps * (row + 1) + i)
        for row in range(len(profile) - 1)
        for i in range(steps)
    ]
    return points, [tuple(face) for face in faces]


def box(centre: Point, size: Point) -> tuple[list[Point], Faces]:
    points = [
        (centre[0] + a * size[0] / 2, centre[1] + b * size[1] / 2, centre[2] + c * size[2] / 2)
        for a in (-1, 1)
        for b in (-1, 1)
        for c in (-1, 1)
    ]
    return points, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def new_object(name: str, points: list[Point], faces: Faces, material: Any) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, [], faces)
    mesh.validate()
    mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def add_part(item: Any, part: tuple[list[Point], Faces], material: Any) -> None:
    """Join the part to the object's mesh."""
    other = new_object("part", *part, material)
    bpy.ops.object.select_all(action="DESELECT")
    other.select_set(True)
    item.select_set(True)
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.join()


def paint(name: str, color: Point) -> Any:
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # before Blender 5.0 a new material has no tree
        material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*color, 1.0)
    material.node_tree.nodes["Principled BSDF"].inputs["Roughness"].default_value = 0.6
    return material


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
