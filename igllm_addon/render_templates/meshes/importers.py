# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files of every kind as one Blender mesh of unit size. Uses bpy.

What comes out has z up, its bounding box's centre in the origin and its diagonal 1; "igllm_shape" on the mesh names it, so that
read_scene finds it again. A file that cannot be used raises MeshError with one sentence that says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ...core.errors import IgllmError
from .limits import DECIMATED_FACES, LEAST_EXTENT, MOST_EXTENT, MOST_FACES

SHAPE_KEY = "igllm_shape"


class MeshError(IgllmError):
    """A mesh file that cannot be used; the catalogue's report names it and the rest goes on."""


@dataclass(frozen=True)
class Imported:
    """mesh: the bpy mesh, of unit size. warnings: sentences about what is not as it should be but could be used.
    original_extent: the bounding box's diagonal in the file's own units."""

    mesh: Any
    warnings: tuple[str, ...]
    original_extent: float


def import_mesh(path: Path, object_name: str | None = None) -> Imported:
    """The file's geometry as one mesh; of a .blend only the object of that name."""
    with _leaving_nothing_behind() as kept:
        objects = _from_blend(path, object_name) if path.suffix.lower() == ".blend" else _from_file(path)
        meshes = [item for item in objects if item.type == "MESH" and len(item.data.polygons)]
        if not meshes:
            raise MeshError("it holds no faces")
        faces = sum(len(item.data.polygons) for item in meshes)
        if faces > MOST_FACES:
            raise MeshError(f"it has {faces:,} faces, more than {MOST_FACES:,}; simplify it first")
        warnings = _missing_textures(meshes)
        if faces > DECIMATED_FACES:
            warnings.append(f"its {faces:,} faces were reduced to about {DECIMATED_FACES:,}")
        mesh = _joined(meshes, min(1.0, DECIMATED_FACES / faces))
        extent = _normalise(mesh)
        kept.append(mesh)
    return Imported(mesh, tuple(warnings), extent)


def names_in_blend(path: Path) -> list[str]:
    """The objects of a .blend that stand for meshes: those marked as assets, or, where none is, all that have faces."""
    try:
        with bpy.data.libraries.load(str(path), assets_only=True) as (there, _):
            marked = list(there.objects)
        if marked:
            return sorted(marked)
        with _leaving_nothing_behind():
            with bpy.data.libraries.load(str(path)) as (there, wanted):
                wanted.objects = list(there.objects)
            return sorted(item.name for item in wanted.objects if item.type == "MESH" and len(item.data.polygons))
    except OSError as error:
        raise MeshError(f"Blender cannot open it ({str(error).strip()})") from error


def save_marked_objects(folder: Path) -> list[str]:
    """Write the objects of the open .blend that are marked as assets into folder/marked.blend, from where they can be read like
    any other library; their names. Nothing is written where none is marked."""
    marked = [item for item in bpy.data.objects if item.asset_data is not None and item.type == "MESH" and not item.library]
    if marked:
        save_objects(marked, folder / "marked.blend")
    return sorted(item.name for item in marked)


def save_objects(objects: list[Any], path: Path) -> None:
    """Write these objects into a .blend of their own in which they, and nothing that they need, stand for meshes. Textures that
    are files are found from there, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unmarked = [item for item in objects if item.asset_data is None]
    unused = [item for item in unmarked if not item.use_fake_user]  # marking sets that
    try:
        for item in unmarked:
            item.asset_mark()
        bpy.data.libraries.write(str(path), set(objects), path_remap="ABSOLUTE", fake_user=True, compress=True)
    finally:
        for item in unmarked:
            item.asset_clear()
        for item in unused:
            item.use_fake_user = False


def _from_file(path: Path) -> list[Any]:
    operators = {
        ".obj": lambda name: bpy.ops.wm.obj_import(filepath=name, forward_axis="NEGATIVE_Z", up_axis="Y"),
        ".ply": lambda name: bpy.ops.wm.ply_import(filepath=name),
        ".stl": lambda name: bpy.ops.wm.stl_import(filepath=name),
        ".glb": lambda name: bpy.ops.import_scene.gltf(filepath=name),
        ".gltf": lambda name: bpy.ops.import_scene.gltf(filepath=name),
        ".fbx": lambda name: bpy.ops.import_scene.fbx(filepath=name),
    }
    before = set(bpy.data.objects)
    try:
        with _quiet():
            operators[path.suffix.lower()](str(path))
    except (RuntimeError, AttributeError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        # Blender's Python importers let whatever goes wrong inside them through.
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise MeshError(f"Blender cannot read it ({lines[-1].strip().removeprefix('Error: ')})") from error
    return [item for item in bpy.data.objects if item not in before]


def _from_blend(path: Path, object_name: str | None) -> list[Any]:
    try:
        with bpy.data.libraries.load(str(path)) as (there, wanted):
            if object_name not in there.objects:
                raise MeshError(f"it has no object {object_name!r}")
            wanted.objects = [object_name]
    except OSError as error:
        raise MeshError(f"Blender cannot open it ({str(error).strip()})") from error
    item = wanted.objects[0]
    item.parent = None
    item.matrix_world = Matrix.LocRotScale(None, None, item.scale)
    return [item]


def _joined(objects: list[Any], ratio: float) -> Any:
    """One mesh of all, transforms and modifiers applied."""
    scene = bpy.data.scenes.new("igllm import")
    try:
        for item in objects:
            scene.collection.objects.link(item)
            if ratio < 1.0:
                item.modifiers.new("igllm", "DECIMATE").ratio = ratio
        layer = scene.view_layers[0]
        layer.update()
        graph = layer.depsgraph
        copies = []
        for item in objects:
            evaluated = item.evaluated_get(graph)
            mesh = bpy.data.meshes.new_from_object(evaluated)
            mesh.transform(evaluated.matrix_world)
            copies.append(bpy.data.objects.new("igllm part", mesh))
            scene.collection.objects.link(copies[-1])
        if len(copies) > 1:
            with bpy.context.temp_override(
                scene=scene,
                view_layer=layer,
                active_object=copies[0],
                object=copies[0],
                selected_objects=copies,
                selected_editable_objects=copies,
            ):
                bpy.ops.object.join()
        return copies[0].data
    finally:
        bpy.data.scenes.remove(scene)


def _normalise(mesh: Any) -> float:
    """Centre the mesh and give its bounding box the diagonal 1; what the diagonal was."""
    points = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    points = points.reshape(-1, 3).astype(np.float64)
    used = np.zeros(len(mesh.loops), dtype=np.int32)
    mesh.loops.foreach_get("vertex_index", used)
    shown = points[np.unique(used)]
    if not np.isfinite(shown).all():
        raise MeshError("it has coordinates that are no numbers")
    low, high = shown.min(axis=0), shown.max(axis=0)
    extent = float(np.linalg.norm(high - low))
    if not LEAST_EXTENT <= extent <= MOST_EXTENT:
        raise MeshError(f"it is {extent:.3g} units across, and {LEAST_EXTENT:g} to {MOST_EXTENT:g} make sense; check its units")
    mesh.transform(Matrix.Scale(1.0 / extent, 4) @ Matrix.Translation(tuple(-(low + high) / 2.0)))
    mesh.update()
    return extent


def _missing_textures(objects: list[Any]) -> list[str]:
    images = {
        node.image
        for item in objects
        for slot in item.material_slots
        if slot.material is not None and slot.material.node_tree is not None
        for node in slot.material.node_tree.nodes
        if node.type == "TEX_IMAGE" and node.image is not None
    }
    missing = sorted(
        Path(image.filepath).name for image in images if not image.packed_file and not image.has_data and not image.size[0]
    )
    return [f"its texture {name} is missing" for name in missing]


@contextmanager
def _leaving_nothing_behind() -> Iterator[list[Any]]:
    """Remove the objects and meshes that came meanwhile, but for the meshes that are put into the list."""
    kept: list[Any] = []
    objects, meshes = set(bpy.data.objects), set(bpy.data.meshes)
    try:
        yield kept
    finally:
        bpy.data.batch_remove([item for item in bpy.data.objects if item not in objects])
        bpy.data.batch_remove([mesh for mesh in bpy.data.meshes if mesh not in meshes and mesh not in kept])


@contextmanager
def _quiet() -> Iterator[None]:
    """Importers report on stdout, which belongs to somebody else."""
    with open(os.devnull, "w", encoding="utf-8") as nothing, redirect_stdout(nothing):
        yield
