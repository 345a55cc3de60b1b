# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates so3, sixdof and shapenet without Blender: what is sampled, what is held out, what labels and programs say."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from igllm_addon.core.frames import look_at_quaternion_wxyz, project
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.rotations import geodesic_angle, matrix_from_euler_extrinsic_xyz
from igllm_addon.core.scene import Camera, Scene
from igllm_addon.core.scene_json import scene_from_json, scene_to_json
from igllm_addon.core.vocabulary_json import vocabulary_from_json
from igllm_addon.render_templates.generate import main
from igllm_addon.render_templates.labels import code_of, label_of, scene_rng
from igllm_addon.render_templates.meshes.mesh_template import MeshTemplate
from igllm_addon.render_templates.meshes.posing import matrix_of, posed_mesh, sphere_is_in_view
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.shapenet.template import held_out
from igllm_addon.render_templates.so3.template import HELD_OUT_RADIUS, held_out_centers, is_held_out
from igllm_addon.render_templates.template import template_named
from igllm_addon.render_templates.zbuffer import PosedMesh, trace_meshes

HELD_OUT_SHAPES = {"airplane_seaplane", "car_van", "chair_rocker", "lamp_tripod", "mug_stein", "table_square"}


def sampled(name: str, split: str, count: int, **given: str) -> tuple[MeshTemplate, list[Scene]]:
    template = template_named(name)
    options = template.given_options(given, split, 0.75 if name == "shapenet" else 1.0)
    bound = template.bound_to(options)
    assert isinstance(bound, MeshTemplate)
    return bound, [bound.sample(scene_rng(1, split, index), options) for index in range(count)]


def label(template: MeshTemplate, scene: Scene) -> dict:
    options = template.options()
    render = RenderOptions(160, 120)
    return label_of(template, scene, split="train", seed=1, index=0, render=render, options=options, blender_version="4.5.15")


def test_training_stays_out_of_the_held_out_rotations_and_val_ood_stays_inside() -> None:
    train, away = sampled("so3", "train", 60)[1], sampled("so3", "val_OOD", 30)[1]

    assert [is_held_out(matrix_of(scene.objects[0])) for scene in train] == [False] * 60
    assert [is_held_out(matrix_of(scene.objects[0])) for scene in away] == [True] * 30


def test_the_held_out_balls_do_not_meet() -> None:
    centers = held_out_centers()

    angles = geodesic_angle(centers[:, None], centers[None])

    assert len(centers) == 12
    assert angles[~np.eye(12, dtype=bool)].min() == pytest.approx(math.radians(120.0))
    assert math.radians(120.0) > 2.0 * HELD_OUT_RADIUS


def test_sixdof_keeps_the_whole_bounding_ball_in_the_picture() -> None:
    template, scenes = sampled("sixdof", "train", 40)

    corners = [posed_mesh(template.catalogue, scene.objects[0]).vertices for scene in scenes]

    pixels = np.concatenate([project(template.stage.camera, vertices, 128, 128) for vertices in corners])
    assert pixels[:, :2].min() >= 0.0
    assert pixels[:, :2].max() <= 128.0
    assert len({scene.objects[0].shape for scene in scenes}) == 6


def test_a_ball_at_the_pictures_edge_is_not_in_view() -> None:
    camera = Camera((0.0, -4.0, 0.0), look_at_quaternion_wxyz((0.0, -4.0, 0.0), (0.0, 0.0, 0.0)), 32.0, 32.0)

    assert sphere_is_in_view(camera, (1.4, 0.0, 0.0), 0.5, 1.0)
    assert not sphere_is_in_view(camera, (1.5, 0.0, 0.0), 0.5, 1.0)
    assert not sphere_is_in_view(camera, (0.0, 0.0, 1.4), 0.5, 0.75)


def test_patches_behind_an_object_are_named_by_the_scene_and_not_by_its_program() -> None:
    template, (scene,) = sampled("sixdof", "train", 1, backdrop="patches")

    assert scene.backdrop is not None and scene.backdrop.startswith("patches")
    assert scene_from_json(scene_to_json(scene)) == scene
    assert "patches" not in code_of(template, scene)


@pytest.mark.parametrize("rotation", ["yaw", "full"])
def test_shapenet_meshes_stand_on_the_floor_and_keep_apart(rotation: str) -> None:
    template, scenes = sampled("shapenet", "train", 12, rotation=rotation)

    meshes = [[posed_mesh(template.catalogue, item).vertices for item in scene.objects] for scene in scenes]

    assert max(abs(vertices[:, 2].min()) for found in meshes for vertices in found) < 1e-9
    assert min(_gap(a, b) for found in meshes for i, a in enumerate(found) for b in found[:i]) > 0.0


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """The smallest distance between corners of two meshes, seen from above."""
    return float(np.linalg.norm(a[:, None, :2] - b[None, :, :2], axis=2).min())


def test_shapenet_orders_objects_from_left_to_right() -> None:
    template, scenes = sampled("shapenet", "train", 12)

    columns = [
        project(template.stage.camera, [item.location for item in scene.objects], 160, 120)[:, 0].tolist() for scene in scenes
    ]

    assert columns == [sorted(entry) for entry in columns]
    assert {len(entry) for entry in columns} == {1, 2, 3, 4}


def test_shapenet_splits_show_the_shapes_and_textures_that_they_promise() -> None:
    seen = [item for scene in sampled("shapenet", "train", 25)[1] for item in scene.objects]
    shapes = [item for scene in sampled("shapenet", "val_OOD_shape", 15)[1] for item in scene.objects]
    textures = [item for scene in sampled("shapenet", "val_OOD_texture", 15)[1] for item in scene.objects]

    assert not HELD_OUT_SHAPES & {item.shape for item in seen + textures}
    assert {item.shape for item in shapes} <= HELD_OUT_SHAPES
    assert max(abs(int(item.texture[3:])) for item in seen if item.texture) <= 60
    assert all(item.texture and 120 <= int(item.texture[3:]) <= 240 for item in textures)


def test_every_fifth_mesh_of_a_class_is_held_out() -> None:
    assert held_out({"chair": list("abcdefghij"), "mug": list("klm"), "lamp": list("no")}) == ("e", "j", "m")


def test_programs_and_labels_say_the_same() -> None:
    template, (scene,) = sampled("shapenet", "train", 1)

    parsed = parse(code_of(template, scene), template.vocabulary)
    objects = label(template, scene)["objects"]

    assert parsed.error is None
    assert parsed.scene.camera is None
    assert [list(item.location or ()) for item in parsed.scene.objects] == [item["3d_coords"] for item in objects]
    assert [list(item.rotation or ()) for item in parsed.scene.objects] == [item["rotation"] for item in objects]
    assert [item["shape"].startswith(item["class"] + "_") for item in objects] == [True] * len(objects)
    assert [item["3d_coords_canonical"] for item in objects] == [item["3d_coords"] for item in objects]


def test_a_label_counts_the_pixels_that_show_a_mesh() -> None:
    template, (scene,) = sampled("so3", "train", 1)

    (item,) = label(template, scene)["objects"]
    x0, y0, x1, y1 = item["bbox_px"]

    assert 0 <= x0 < item["pixel_coords"][0] < x1 <= 160
    assert 0 <= y0 < item["pixel_coords"][1] < y1 <= 120
    assert 100 < item["visible_pixels"] < (x1 - x0) * (y1 - y0)


def test_side_files_tell_the_vocabulary_and_the_surfaces() -> None:
    files = template_named("sixdof").side_files()

    vocabulary = vocabulary_from_json(json.loads(files["vocabulary.json"]))
    points = np.load(io.BytesIO(files["meshes.npz"]))

    assert vocabulary == template_named("sixdof").vocabulary
    assert vocabulary.symmetries == {"table_square": ((0.0, 0.0, 1.0, 4),)}
    assert json.loads(files["classes.json"])["mug_stein"] == "mug"
    assert points["mug_stein"].shape == (1024, 3)
    assert sorted(points) == sorted(vocabulary.words["shape"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["so3", "--split", "test"], "The template 'so3' has no split 'test'; choose one of train, val_ID, val_OOD."),
        (["so3", "--region", "north"], "There is no region 'north' of rotations; choose one of train, held_out, all."),
        (["so3", "--camera", "fixed"], "The template 'so3' has no option --camera; it has library, mesh, region."),
        (["sixdof", "--meshes", "teapot"], "has no mesh 'teapot'; it has 30, such as airplane_airliner"),
        (["sixdof", "--meshes", ","], "--meshes needs words of the library, separated by commas, or 'all', got ','."),
        (["sixdof", "--backdrop", "jungle"], "There is no backdrop 'jungle'; choose one of plain, patches."),
        (["shapenet", "--rotation", "roll"], "There is no 'roll' in the template 'shapenet'; choose one of yaw, full."),
        (["shapenet", "--library", "/no/such/folder"], "There is no folder /no/such/folder; name one that holds meshes"),
    ],
)
def test_what_a_template_cannot_do_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([*arguments, "--count", "1", "--seed", "1", "--out", str(tmp_path)])

    said = capsys.readouterr().err
    assert status == 2
    assert sentence in said
    assert said.count("\n") == 1


def square(z: float, half: float) -> PosedMesh:
    corners = np.array([(-half, -half, z), (half, -half, z), (half, half, z), (-half, half, z)])
    return PosedMesh(corners, np.array([(0, 1, 2), (0, 2, 3)], dtype=np.int32))


ABOVE = Camera((0.0, 0.0, 10.0), look_at_quaternion_wxyz((0.0, 0.0, 10.0), (0.0, 0.0, 0.0)), 32.0, 32.0)


def test_the_depth_buffer_counts_pixels_centres_and_keeps_the_nearest() -> None:
    seen = trace_meshes(ABOVE, [square(0.0, 2.5), square(5.0, 0.5)], 40, 40)

    # 40 pixels show 10 units at the lower square's depth and 5 at the upper one's.
    assert np.bincount(seen.instances.ravel()).tolist() == [1600 - 400, 400 - 64, 64]
    assert sorted({round(float(value), 9) for value in seen.depth.ravel()}) == [5.0, 10.0, math.inf]
    assert seen.normals[20, 20].tolist() == [0.0, 0.0, 1.0]
    assert seen.normals[0, 0].tolist() == [0.0, 0.0, 0.0]


def test_a_slanted_triangle_has_the_depth_of_its_plane() -> None:
    corners = np.array([(-4.0, -4.0, 0.0), (4.0, -4.0, 0.0), (0.0, 4.0, 4.0)])
    seen = trace_meshes(ABOVE, [PosedMesh(corners, np.array([(0, 1, 2)], dtype=np.int32))], 60, 60)

    height, width = np.nonzero(np.isfinite(seen.depth))
    depth = seen.depth[height, width]
    y = -(height + 0.5 - 30.0) / 60.0 * depth
    assert len(depth) > 300
    assert np.allclose(10.0 - depth, (y + 4.0) / 2.0, atol=1e-9)


def test_what_reaches_behind_the_camera_is_left_out() -> None:
    corners = np.array([(-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 20.0)])

    seen = trace_meshes(ABOVE, [PosedMesh(corners, np.array([(0, 1, 2)], dtype=np.int32))], 20, 20)

    assert not seen.instances.any()


def test_the_floor_of_shapenet_is_part_of_its_passes() -> None:
    template, (scene,) = sampled("shapenet", "train", 1)

    surfaces = template.surfaces(scene, 80, 60)

    assert np.isfinite(surfaces.depth).all()
    assert surfaces.normals[surfaces.instances == 0].tolist() == [[0.0, 0.0, 1.0]] * int((surfaces.instances == 0).sum())


def test_rotations_in_labels_are_extrinsic_euler_angles() -> None:
    template, (scene,) = sampled("so3", "train", 1)

    (item,) = label(template, scene)["objects"]

    assert np.allclose(matrix_from_euler_extrinsic_xyz(item["rotation"]), matrix_of(scene.objects[0]), atol=1e-12)
