# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes in Blender: files of every kind and every fault, scenes that come back as they were, pictures of each template."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")

from igllm_addon.core.frames import project  # noqa: E402  (bpy must be known to exist first)
from igllm_addon.core.rotations import geodesic_angle  # noqa: E402
from igllm_addon.core.scene import Scene, SceneObject  # noqa: E402
from igllm_addon.render_templates import generate  # noqa: E402
from igllm_addon.render_templates.labels import scene_rng  # noqa: E402
from igllm_addon.render_templates.meshes import importers, limits  # noqa: E402
from igllm_addon.render_templates.meshes.catalogue import SHIPPED_FOLDER, Skipped  # noqa: E402
from igllm_addon.render_templates.meshes.importers import MeshError, import_mesh, names_in_blend, save_marked_objects  # noqa: E402
from igllm_addon.render_templates.meshes.measuring import Measurer, triangles_of  # noqa: E402
from igllm_addon.render_templates.meshes.posing import matrix_of  # noqa: E402
from igllm_addon.render_templates.meshes.scan import scan  # noqa: E402
from igllm_addon.render_templates.template import template_named  # noqa: E402

WEDGE = [(-1.0, -2.0, 0.0), (1.0, -2.0, 0.0), (1.0, 2.0, 0.0), (-1.0, 2.0, 0.0), (-1.0, 2.0, 1.0), (1.0, 2.0, 1.0)]
WEDGE_FACES = [(3, 2, 1, 0), (2, 3, 4, 5), (0, 1, 5, 4), (1, 2, 5), (0, 4, 3)]
DIAGONAL = float(np.sqrt(21.0))


@pytest.fixture(autouse=True)
def empty_file() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


def wedge(name: str = "Wedge") -> bpy.types.Object:
    """2 wide, 4 long, 1 high at its back end, which is at +y."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(WEDGE, [], WEDGE_FACES)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def write(path: Path) -> Path:
    """The open file's objects as a file of the path's kind."""
    operators = {
        ".obj": lambda: bpy.ops.wm.obj_export(filepath=str(path)),
        ".ply": lambda: bpy.ops.wm.ply_export(filepath=str(path)),
        ".stl": lambda: bpy.ops.wm.stl_export(filepath=str(path)),
        ".glb": lambda: bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB"),
        ".gltf": lambda: bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLTF_SEPARATE"),
        ".fbx": lambda: bpy.ops.export_scene.fbx(filepath=str(path)),
        ".blend": lambda: bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True),
    }
    operators[path.suffix]()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return path


def points_of(mesh: bpy.types.Mesh) -> np.ndarray:
    vertices, triangles, _ = triangles_of(mesh)
    return vertices[np.unique(triangles)]


@pytest.mark.parametrize("kind", [".obj", ".ply", ".stl", ".glb", ".gltf", ".fbx", ".blend"])
def test_a_file_of_every_kind_becomes_the_same_mesh(kind: str, tmp_path: Path) -> None:
    wedge()
    path = write(tmp_path / f"wedge{kind}")

    imported = import_mesh(path, "Wedge" if kind == ".blend" else None)

    points = points_of(imported.mesh)
    assert np.allclose(np.ptp(points, axis=0), np.array([2.0, 4.0, 1.0]) / DIAGONAL, atol=1e-5)
    assert np.allclose(points.min(axis=0) + points.max(axis=0), 0.0, atol=1e-6)
    # The high end is where it was.
    assert points[points[:, 2] > 0.0, 1].min() > 0.0
    assert len(bpy.data.objects) == 0


def test_several_objects_with_transforms_become_one_mesh(tmp_path: Path) -> None:
    wedge()
    wedge("Second").location = (0.0, 0.0, 3.0)
    path = write(tmp_path / "two.obj")

    imported = import_mesh(path)

    assert len(imported.mesh.polygons) == 10
    assert imported.original_extent == pytest.approx(np.sqrt(4.0 + 16.0 + 16.0), rel=1e-5)


def test_a_broken_file_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for name, content in (
        ("empty.obj", b""),
        ("noise.ply", b"\x00\x01\x02 no mesh"),
        ("noise.glb", b"glTF????"),
        ("noise.fbx", b"Kaydara"),
        ("noise.blend", b"BLENDER?"),
        ("line.obj", b"v 0 0 0\nv 1 0 0\nl 1 2\n"),
    ):
        (tmp_path / name).write_bytes(content)

    measurer = Measurer(tmp_path, tmp_path / "home", {}, previews=False)
    found = [item for file in scan(tmp_path) for item in measurer.measure(file)]

    assert [type(item) for item in found] == [Skipped] * 6
    reasons = {item.path: item.reason for item in found if isinstance(item, Skipped)}
    assert reasons["line.obj"] == "it holds no faces"
    assert reasons["noise.blend"].startswith("Blender cannot open it (")
    assert reasons["noise.glb"].startswith("Blender cannot read it (")
    assert (len(bpy.data.objects), len(bpy.data.meshes)) == (0, 0)


def test_absurd_units_and_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "huge.obj").write_text("v 0 0 0\nv 1e9 0 0\nv 0 1e9 0\nf 1 2 3\n")
    (tmp_path / "tiny.obj").write_text("v 0 0 0\nv 1e-9 0 0\nv 0 1e-9 0\nf 1 2 3\n")

    with pytest.raises(MeshError, match=r"it is 1\.41e\+09 units across, and 1e-06 to 1e\+06 make sense; check its units"):
        import_mesh(tmp_path / "huge.obj")
    with pytest.raises(MeshError, match="make sense; check its units"):
        import_mesh(tmp_path / "tiny.obj")


def test_a_missing_texture_is_named_and_the_mesh_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.mtl").write_text("newmtl paint\nmap_Kd lost.png\n")
    (tmp_path / "a.obj").write_text("mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 1\nvt 0 0\nusemtl paint\nf 1/1 2/1 3/1\n")

    imported = import_mesh(tmp_path / "a.obj")

    assert imported.warnings == ("its texture lost.png is missing",)
    assert len(imported.mesh.polygons) == 1


def test_too_many_faces_are_reduced_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32)
    path = write(tmp_path / "ball.obj")
    monkeypatch.setattr(importers, "DECIMATED_FACES", 500)

    reduced = import_mesh(path)
    monkeypatch.setattr(importers, "MOST_FACES", 1000)

    assert 300 < len(reduced.mesh.polygons) < 1100
    assert reduced.warnings == ("its 2,048 faces were reduced to about 500",)
    with pytest.raises(MeshError, match="it has 2,048 faces, more than 1,000; simplify it first"):
        import_mesh(path)
    assert limits.MOST_FACES == 1_000_000


def test_marked_objects_of_the_open_file_become_a_library(tmp_path: Path) -> None:
    wedge("Chair").asset_mark()
    wedge("Scrap")
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Crate"
    bpy.context.object.asset_mark()

    names = save_marked_objects(tmp_path / "library")
    bpy.ops.wm.read_factory_settings(use_empty=True)

    assert names == ["Chair", "Crate"]
    assert names_in_blend(tmp_path / "library/marked.blend") == ["Chair", "Crate"]
    (file,) = scan(tmp_path / "library")
    measured = list(Measurer(tmp_path / "library", tmp_path / "home", {}, previews=False).measure(file))
    assert [(item.word, item.object_name) for item in measured] == [("marked_Chair", "Chair"), ("marked_Crate", "Crate")]
    assert measured[1].symmetry == ((0.0, 0.0, 1.0, 4), (1.0, 0.0, 0.0, 4))


def test_a_blend_without_marks_offers_every_mesh(tmp_path: Path) -> None:
    wedge("One")
    wedge("Two")
    path = write(tmp_path / "two.blend")

    assert names_in_blend(path) == ["One", "Two"]


def build(name: str, scene: Scene) -> bpy.types.Collection:
    side = template_named(name).blender_side()
    collection = bpy.data.collections.new("built")
    bpy.context.scene.collection.children.link(collection)
    side.prepare_world(bpy.context.scene)
    side.build(scene, collection)
    return collection


@pytest.mark.parametrize(
    ("name", "split", "given"),
    [("so3", "train", {}), ("sixdof", "train", {"backdrop": "patches"}), ("shapenet", "train", {"rotation": "full"})],
)
def test_a_built_scene_reads_back_as_it_was(name: str, split: str, given: dict[str, str]) -> None:
    template = template_named(name)
    options = template.given_options(given, split, 0.75)
    scene = template.bound_to(options).sample(scene_rng(2, split, 1), options)

    back = template.blender_side().read_scene(build(name, scene))

    assert [(item.shape, item.texture) for item in back.objects] == [(item.shape, item.texture) for item in scene.objects]
    assert np.allclose([item.location for item in back.objects], [item.location for item in scene.objects], atol=1e-5)
    angles = [float(geodesic_angle(matrix_of(a), matrix_of(b))) for a, b in zip(back.objects, scene.objects, strict=True)]
    assert max(angles) < 1e-5
    assert back.backdrop == scene.backdrop
    assert back.camera is not None and scene.camera is not None
    assert np.allclose(back.camera.quaternion_wxyz, scene.camera.quaternion_wxyz, atol=1e-5)
    assert [light.kind for light in back.lights] == [light.kind for light in scene.lights]


def test_two_objects_of_one_shape_share_its_mesh() -> None:
    mug = SceneObject(shape="mug_stein", location=(0.0, 0.0, 0.3), rotation=(0.0, 0.0, 0.0))
    other = SceneObject(shape="mug_stein", location=(1.0, 0.0, 0.3), rotation=(0.0, 0.0, 1.0), texture="hue120")

    collection = build("shapenet", Scene((mug, other)))

    shown = [item for item in collection.objects if "igllm_shape" in item.data]
    assert shown[0].data is shown[1].data
    assert shown[1]["igllm_hue"] == 120.0


def test_a_missing_mesh_becomes_a_box_that_shows_its_name() -> None:
    ghost = SceneObject(shape="mug_ghost", location=(0.0, 0.0, 0.3), rotation=(0.0, 0.0, 0.5))

    collection = build("shapenet", Scene((ghost,)))

    (shown,) = [item for item in collection.objects if "igllm_shape" in item.data]
    assert shown.show_name
    assert "mug_ghost" in shown.name
    assert len(shown.data.polygons) == 6
    assert template_named("shapenet").blender_side().read_scene(collection).objects[0].shape == "mug_ghost"


@pytest.mark.parametrize(
    ("name", "split", "size"),
    [("so3", "val_OOD", (64, 64)), ("sixdof", "val_ID", (64, 64)), ("shapenet", "val_OOD_shape", (80, 60))],
)
def test_a_data_set_shows_the_meshes_where_its_labels_say(name: str, split: str, size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    command = [sys.executable, str(generate.__file__), name, "--split", split, "--count", "2", "--seed", "4", "--samples", "8"]
    command += ["--width", str(width), "--height", str(height), "--passes", "instances", "--out", str(tmp_path), "--workers", "1"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / split).iterdir()) == [
        "classes.json", "manifest.json", "meshes.npz", f"{split}-000000.tar", "vocabulary.json",
    ]  # fmt: skip
    with tarfile.open(tmp_path / split / f"{split}-000000.tar") as archive:
        label = json.loads(archive.extractfile("00000000.json").read())  # type: ignore[union-attr]
        (tmp_path / "picture.png").write_bytes(archive.extractfile("00000000.png").read())  # type: ignore[union-attr]
        (tmp_path / "mask.png").write_bytes(archive.extractfile("00000000.instances.png").read())  # type: ignore[union-attr]
    picture, mask = pixels(tmp_path / "picture.png"), pixels(tmp_path / "mask.png")[..., 0]
    backdrop = np.median(picture[mask == 0.0], axis=0)
    # Where the label sees a mesh the picture differs from what is behind it, but for a few pixels at the outline.
    assert np.mean(np.abs(picture[mask > 0.0] - backdrop).max(axis=1) > 0.02) > 0.85
    assert len(label["objects"]) == len(np.unique(mask)) - 1
    assert label["options"]["library"] == "shipped"


def pixels(path: Path) -> np.ndarray:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    values = np.empty(width * height * image.channels, dtype=np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(height, width, image.channels)[::-1, :, :3]


def test_the_shipped_catalogue_is_what_measuring_finds_now(tmp_path: Path) -> None:
    (file,) = [item for item in scan(SHIPPED_FOLDER) if item.word == "table_square"]
    stored = template_named("shapenet").catalogue.entry("table_square")  # type: ignore[attr-defined]

    (found,) = Measurer(SHIPPED_FOLDER, tmp_path, {}, previews=False).measure(file)

    assert (found.sha256, found.faces, found.symmetry) == (stored.sha256, stored.faces, stored.symmetry)
    assert np.allclose(found.size, stored.size, atol=1e-5)
    vertices = np.load(tmp_path / "geometry/table_square.npz")["vertices"]
    pixel = project(template_named("shapenet").empty_scene().camera, vertices, 160, 120)  # type: ignore[arg-type]
    assert np.isfinite(pixel).all()
