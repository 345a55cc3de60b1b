# SPDX-License-Identifier: GPL-3.0-or-later
"""build() and read_scene() are inverse, also for what an artist does by hand in between."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")

from igllm_addon.core.errors import SceneError  # noqa: E402  (bpy must be known to exist first)
from igllm_addon.core.scene import Camera, Scene, SceneObject  # noqa: E402
from igllm_addon.render_templates.clevr.build import build, clear, read_scene  # noqa: E402
from igllm_addon.render_templates.clevr.sample import ClevrOptions, canonical_camera, sample  # noqa: E402

RED_CUBE = SceneObject("cube", "large", "red", "rubber", (1.0, -2.0, 0.7), (0.25,))
BLUE_BALL = SceneObject("sphere", "small", "blue", "metal", (-1.0, 0.5, 0.35))


@pytest.fixture
def collection() -> Iterator[bpy.types.Collection]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    made = bpy.data.collections.new("scene")
    bpy.context.scene.collection.children.link(made)
    yield made


def numbers_of(scene: Scene) -> np.ndarray:
    values: list[float] = []
    for item in scene.objects:
        values += [*(item.location or ()), *(item.rotation or ())]
    assert scene.camera is not None
    values += [*scene.camera.location, *scene.camera.quaternion_wxyz, scene.camera.focal_length_mm, scene.camera.sensor_width_mm]
    for light in scene.lights:
        values += [*light.location, *light.quaternion_wxyz, light.power, light.size, *light.color_rgb]
    return np.array(values)


def words_of(scene: Scene) -> list[tuple[str | None, ...]]:
    return [(item.shape, item.size, item.color, item.material) for item in scene.objects] + [
        (light.name, light.kind) for light in scene.lights
    ]


@pytest.mark.parametrize("seed", range(25))
def test_a_sampled_scene_comes_back_within_1e_5(collection: bpy.types.Collection, seed: int) -> None:
    scene = sample(np.random.default_rng(seed), ClevrOptions())

    build(scene, collection)
    again = read_scene(collection)

    assert words_of(again) == words_of(scene)
    assert np.abs(numbers_of(again) - numbers_of(scene)).max() < 1e-5


def test_objects_of_one_shape_share_one_mesh(collection: bpy.types.Collection) -> None:
    second = SceneObject("cube", "small", "red", "rubber", (-2.0, 1.0, 0.35), (0.0,))

    build(Scene((RED_CUBE, second)), collection)

    assert len({item.data.name for item in collection.objects if "cube" in item.name}) == 1


def test_moved_turned_and_scaled_by_hand_is_read_as_it_stands(collection: bpy.types.Collection) -> None:
    build(Scene((RED_CUBE,), canonical_camera()), collection)
    cube = next(item for item in collection.objects if "cube" in item.name)

    cube.location = (-1.5, 0.25, 0.35)
    cube.rotation_euler[2] = math.radians(100.0)
    cube.scale = (0.35, 0.35, 0.35)
    read = read_scene(collection).objects[0]

    assert read.size == "small"
    assert read.location == pytest.approx((-1.5, 0.25, 0.35), abs=1e-6)
    assert read.rotation == pytest.approx((math.radians(10.0),), abs=1e-6)


def test_recolouring_one_object_by_hand_leaves_its_twin_alone(collection: bpy.types.Collection) -> None:
    twin = SceneObject("cube", "large", "red", "rubber", (-2.0, 1.0, 0.7), (0.0,))
    build(Scene((RED_CUBE, twin)), collection)
    cubes = [item for item in collection.objects if "cube" in item.name]

    own = cubes[0].material_slots[0].material.copy()
    own.node_tree.nodes["Color"].outputs[0].default_value = (0.1, 0.3, 0.8, 1.0)
    cubes[0].material_slots[0].material = own
    read = read_scene(collection)

    assert [item.color for item in read.objects] == ["blue", "red"]


def test_a_principled_metal_of_the_artist_is_read_as_metal(collection: bpy.types.Collection) -> None:
    build(Scene((BLUE_BALL,)), collection)
    ball = next(item for item in collection.objects if "sphere" in item.name)
    own = bpy.data.materials.new("my gold")
    if own.node_tree is None:
        own.use_nodes = True
    shader = next(node for node in own.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0.95, 0.9, 0.2, 1.0)
    shader.inputs["Metallic"].default_value = 1.0

    ball.material_slots[0].material = own
    read = read_scene(collection).objects[0]

    assert (read.color, read.material) == ("yellow", "metal")


def test_a_build_after_the_artist_changed_a_shared_material_has_the_right_colour(collection: bpy.types.Collection) -> None:
    build(Scene((RED_CUBE,)), collection)
    bpy.data.materials["CLEVR rubber red"].node_tree.nodes["Color"].outputs[0].default_value = (0.0, 1.0, 0.0, 1.0)
    clear(collection)

    build(Scene((RED_CUBE,)), collection)

    assert read_scene(collection).objects[0].color == "red"


def test_a_tilted_cube_is_refused_by_name(collection: bpy.types.Collection) -> None:
    build(Scene((RED_CUBE,)), collection)
    cube = next(item for item in collection.objects if "cube" in item.name)

    cube.rotation_euler[0] = 0.5

    with pytest.raises(SceneError, match="1 large red rubber cube' is tilted"):
        read_scene(collection)


def test_the_camera_looks_where_the_scene_says(collection: bpy.types.Collection) -> None:
    camera = Camera((7.0, -6.0, 5.0), canonical_camera().quaternion_wxyz, 50.0, 36.0)

    build(Scene((), camera), collection)

    made = next(item for item in collection.objects if item.type == "CAMERA")
    assert (made.data.lens, made.data.sensor_width, made.data.sensor_fit) == (50.0, 36.0, "HORIZONTAL")
    assert tuple(made.location) == pytest.approx((7.0, -6.0, 5.0))


def test_clear_removes_objects_lights_and_cameras(collection: bpy.types.Collection) -> None:
    build(sample(np.random.default_rng(0), ClevrOptions()), collection)

    clear(collection)

    assert (len(collection.objects), len(bpy.data.objects), len(bpy.data.lights), len(bpy.data.cameras)) == (0, 0, 0, 0)
