# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that looks at mesh files, one a line of its stdin, and writes what it finds. Uses bpy; indexing.py is its parent.

Lines in: the job {"library", "home", "previews", "stated"} first, then one file each as scan.py describes it. Lines out:
{"igllm": "ready"}, then for each file {"igllm": "measured", "path", "meshes": [...], "skipped": [...]}. A file that kills Blender
kills this process, and the parent goes on with another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core.vocabulary import WORD_LENGTH_LIMIT
from .catalogue import Geometry, MeshEntry, Skipped
from .find_symmetry import find_symmetry
from .importers import Imported, MeshError, import_mesh, names_in_blend
from .limits import TRACED_TRIANGLES
from .previews import PreviewStudio
from .scan import MeshFile

_COLORED_POINTS = 6_000


def main() -> int:
    """Serve the parent until it closes our stdin."""
    sys.stdout.flush()
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    measurer = Measurer(Path(job["library"]), Path(job["home"]), job["stated"], job["previews"])
    print(json.dumps({"igllm": "ready"}), file=messages, flush=True)
    for line in sys.stdin:
        file = MeshFile(**json.loads(line))
        found = list(measurer.measure(file))
        message = {
            "igllm": "measured",
            "path": file.path,
            "meshes": [asdict(item) for item in found if isinstance(item, MeshEntry)],
            "skipped": [asdict(item) for item in found if isinstance(item, Skipped)],
        }
        print(json.dumps(message), file=messages, flush=True)
    return 0


class Measurer:
    """Writes geometry and previews of meshes into a catalogue's folder and says what else is known about them."""

    def __init__(self, library: Path, home: Path, stated: dict[str, Any], previews: bool) -> None:
        self._library, self._home, self._stated = library, home, stated
        self._studio = PreviewStudio() if previews else None
        for name in ("geometry", "previews"):
            (home / name).mkdir(parents=True, exist_ok=True)

    def measure(self, file: MeshFile) -> Iterator[MeshEntry | Skipped]:
        """The meshes of a file, or why it gives none."""
        path = self._library / file.path
        try:
            names = names_in_blend(path) if path.suffix.lower() == ".blend" else [None]
            if not names:
                raise MeshError("it holds no mesh")
        except MeshError as error:
            yield Skipped(file.path, str(error), file.bytes, file.modified_ns)
            return
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names:
            try:
                yield self._entry(file, name, digest)
            except MeshError as error:
                where = f"{file.path} ({name})" if name else file.path
                yield Skipped(where, str(error), file.bytes, file.modified_ns)

    def _entry(self, file: MeshFile, object_name: str | None, digest: str) -> MeshEntry:
        imported = import_mesh(self._library / file.path, object_name)
        word = word_of(file, object_name)
        try:
            size = _write_geometry(imported.mesh, self._home / "geometry" / f"{word}.npz")
            stated = self._stated.get(word)
            symmetry = stated if stated is not None else find_symmetry(*colored_points(imported.mesh))
            if self._studio is not None:
                self._studio.picture(imported.mesh, self._home / "previews" / f"{word}.png")
            return MeshEntry(
                word=word,
                class_name=file.class_name,
                path=file.path,
                object_name=object_name,
                size=size,
                original_extent=round(imported.original_extent, 6),
                faces=len(imported.mesh.polygons),
                symmetry=tuple(tuple(entry) for entry in symmetry),
                symmetry_is_stated=stated is not None,
                warnings=imported.warnings,
                bytes=file.bytes,
                modified_ns=file.modified_ns,
                sha256=digest,
                preview=self._studio is not None,
            )
        finally:
            _remove(imported)


def word_of(file: MeshFile, object_name: str | None) -> str:
    """The file's word, or class and name of an object of a .blend."""
    if object_name is None:
        return file.word
    clean = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-.") else "-" for letter in object_name)
    return f"{file.class_name or file.word}_{clean}"[:WORD_LENGTH_LIMIT]


def triangles_of(mesh: Any) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    """Vertices (V, 3), triangles as vertex numbers (T, 3) and as corner numbers (T, 3)."""
    mesh.calc_loop_triangles()
    vertices = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", vertices)
    triangles = np.empty(3 * len(mesh.loop_triangles), dtype=np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    corners = np.empty_like(triangles)
    mesh.loop_triangles.foreach_get("loops", corners)
    return vertices.reshape(-1, 3).astype(np.float64), triangles.reshape(-1, 3), corners.reshape(-1, 3)


def colored_points(mesh: Any, count: int = _COLORED_POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(count, 3) points spread by area over the surface, and their colours (count, 3), 0 … 1, without light."""
    vertices, triangles, corners = triangles_of(mesh)
    places = vertices[triangles]
    areas = np.linalg.norm(np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]), axis=1)
    if not areas.sum() > 0.0:
        raise MeshError("its faces have no area")
    rng = np.random.default_rng(1)
    picked = rng.choice(len(areas), size=count, p=areas / areas.sum())
    a, b = rng.random((2, count))
    a, b = np.where(a + b > 1.0, 1.0 - a, a), np.where(a + b > 1.0, 1.0 - b, b)
    weights = np.stack([1.0 - a - b, a, b], axis=1)[..., None]
    points = (places[picked] * weights).sum(axis=1)
    materials = np.empty(len(mesh.loop_triangles), dtype=np.int32)
    mesh.loop_triangles.foreach_get("material_index", materials)
    uvs = None
    if mesh.uv_layers.active is not None:
        uvs = np.empty(2 * len(mesh.loops), dtype=np.float32)
        mesh.uv_layers.active.data.foreach_get("uv", uvs)
        uvs = (uvs.reshape(-1, 2)[corners[picked]] * weights).sum(axis=1)
    return points, _colors(mesh, materials[picked], uvs)


def _colors(mesh: Any, materials: NDArray[np.int32], uvs: NDArray[Any] | None) -> NDArray[np.float64]:
    colors = np.full((len(materials), 3), 0.8)
    for index, material in enumerate(mesh.materials):
        chosen = materials == index
        if material is None or not chosen.any():
            continue
        image = _image_of(material)
        if image is None or uvs is None or not image.size[0]:
            colors[chosen] = _plain_color(material)
            continue
        width, height = image.size
        pixels = np.empty(width * height * image.channels, dtype=np.float32)
        image.pixels.foreach_get(pixels)
        pixels = pixels.reshape(height, width, image.channels)
        if image.channels < 3:
            pixels = np.repeat(pixels[..., :1], 3, axis=2)
        column = np.floor(uvs[chosen, 0] % 1.0 * width).astype(int).clip(0, width - 1)
        row = np.floor(uvs[chosen, 1] % 1.0 * height).astype(int).clip(0, height - 1)
        colors[chosen] = pixels[row, column, :3]
    return colors


def _image_of(material: Any) -> Any:
    nodes = material.node_tree.nodes if material.node_tree else ()
    for node in nodes:
        if node.type == "BSDF_PRINCIPLED" and node.inputs["Base Color"].is_linked:
            source = node.inputs["Base Color"].links[0].from_node
            if source.type == "TEX_IMAGE":
                return source.image
    return next((node.image for node in nodes if node.type == "TEX_IMAGE" and node.image is not None), None)


def _plain_color(material: Any) -> NDArray[np.float64]:
    for node in material.node_tree.nodes if material.node_tree else ():
        if node.type == "BSDF_PRINCIPLED":
            return np.array(node.inputs["Base Color"].default_value)[:3]
    return np.array(material.diffuse_color)[:3]


def _write_geometry(mesh: Any, path: Path) -> tuple[float, float, float]:
    """Write the triangles, fewer of them where there are very many; the bounding box's edges."""
    vertices, triangles, _ = triangles_of(mesh)
    used = vertices[np.unique(triangles)]
    x, y, z = (float(round(value, 6)) for value in np.ptp(used, axis=0))
    if len(triangles) > TRACED_TRIANGLES:
        vertices, triangles = _simplified(mesh, TRACED_TRIANGLES / len(triangles))
    numbers, compact = np.unique(triangles, return_inverse=True)
    geometry = Geometry(vertices[numbers], compact.reshape(-1, 3).astype(np.int32))
    np.savez_compressed(path, vertices=geometry.vertices.astype(np.float32), triangles=geometry.triangles)
    return x, y, z


def _simplified(mesh: Any, ratio: float) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    copy = mesh.copy()
    item = bpy.data.objects.new("igllm simplified", copy)
    scene = bpy.data.scenes.new("igllm simplified")
    try:
        scene.collection.objects.link(item)
        modifier = item.modifiers.new("igllm", "DECIMATE")
        modifier.ratio, modifier.use_collapse_triangulate = ratio, True
        layer = scene.view_layers[0]
        layer.update()
        result = bpy.data.meshes.new_from_object(item.evaluated_get(layer.depsgraph))
        vertices, triangles, _ = triangles_of(result)
        bpy.data.meshes.remove(result)
        return vertices, triangles
    finally:
        bpy.data.objects.remove(item)
        bpy.data.meshes.remove(copy)
        bpy.data.scenes.remove(scene)


def _remove(imported: Imported) -> None:
    """What one mesh brought: itself, its materials and their images."""
    materials = [material for material in imported.mesh.materials if material is not None]
    images = [image for material in materials if (image := _image_of(material)) is not None]
    bpy.data.meshes.remove(imported.mesh)
    bpy.data.batch_remove(list({*materials, *images}))
