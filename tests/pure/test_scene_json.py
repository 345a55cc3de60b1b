# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes as JSON: nothing is lost, and nothing unknown gets in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras, lights, scene_objects

from igllm_addon.core.errors import SceneError
from igllm_addon.core.scene import Camera, Light, Scene, SceneObject
from igllm_addon.core.scene_json import scene_from_json, scene_to_json
from igllm_addon.core.vocabulary import CLEVR

ANY_SCENE = st.builds(
    Scene, st.lists(scene_objects(CLEVR), max_size=4).map(tuple), st.none() | cameras(), st.lists(lights(), max_size=3).map(tuple)
)
CAMERA = {"location": [0, 0, 9.5], "quaternion_wxyz": [1, 0, 0, 0], "focal_length_mm": 35, "sensor_width_mm": 32}
LIGHT = {
    "name": "key",
    "kind": "area",
    "location": [1, 2, 3],
    "quaternion_wxyz": [1, 0, 0, 0],
    "power": 80,
    "size": 0.5,
    "color_rgb": [1, 1, 1],
}


@given(ANY_SCENE)
def test_scene_comes_back_from_json_text(scene: Scene) -> None:
    text = json.dumps(scene_to_json(scene), allow_nan=False)

    again = scene_from_json(json.loads(text))

    assert again == scene
    assert repr(again) == repr(scene)


def test_keys_of_a_scene() -> None:
    scene = Scene(
        (SceneObject("cube", "large", "green", "metal", (1.0, 2.0, 0.7), (0.25,)), SceneObject(shape="sphere")),
        Camera((0.0, 0.0, 9.5), (1.0, 0.0, 0.0, 0.0)),
        (Light("sun", "sun", (0.0, 0.0, 5.0), (1.0, 0.0, 0.0, 0.0), 0.45, 0.2),),
    )

    data = scene_to_json(scene)

    assert data == {
        "objects": [
            {
                "shape": "cube",
                "size": "large",
                "color": "green",
                "material": "metal",
                "location": [1.0, 2.0, 0.7],
                "rotation": [0.25],
            },
            {"shape": "sphere"},
        ],
        "camera": {
            "location": [0.0, 0.0, 9.5],
            "quaternion_wxyz": [1.0, 0.0, 0.0, 0.0],
            "focal_length_mm": 35.0,
            "sensor_width_mm": 32.0,
        },
        "lights": [
            {
                "name": "sun",
                "kind": "sun",
                "location": [0.0, 0.0, 5.0],
                "quaternion_wxyz": [1.0, 0.0, 0.0, 0.0],
                "power": 0.45,
                "size": 0.2,
                "color_rgb": [1.0, 1.0, 1.0],
            }
        ],
    }


def test_empty_scene() -> None:
    assert scene_to_json(Scene()) == {"objects": [], "camera": None, "lights": []}
    assert scene_from_json({"objects": [], "camera": None, "lights": []}) == Scene()


def test_whole_numbers_are_read_as_floats() -> None:
    scene = scene_from_json({"objects": [{"location": [1, 2, 3]}], "camera": CAMERA, "lights": [LIGHT]})

    assert repr(scene.objects[0].location) == "(1.0, 2.0, 3.0)"
    assert repr(scene.camera and scene.camera.focal_length_mm) == "35.0"
    assert repr(scene.lights[0].power) == "80.0"


def test_numpy_numbers_become_plain_ones() -> None:
    camera = Camera((0.0, 0.0, np.float32(9.5)), (1.0, 0.0, 0.0, 0.0), np.float32(35.0))  # type: ignore[arg-type]

    text = json.dumps(scene_to_json(Scene(camera=camera)))

    assert scene_from_json(json.loads(text)).camera == Camera((0.0, 0.0, 9.5), (1.0, 0.0, 0.0, 0.0), 35.0)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "the scene must be an object with keys, got None"),
        ([], "the scene must be an object with keys, got a value of type list"),
        ({}, "the scene lacks the key 'objects'; the keys are objects, camera, lights, backdrop"),
        ({"objects": [], "camera": None}, "the scene lacks the key 'lights'; the keys are objects, camera, lights, backdrop"),
        (
            {"objects": [], "camera": None, "lights": [], "version": 1},
            "the scene has the unknown key 'version'; the keys are objects, camera, lights, backdrop",
        ),
    ],
)
def test_wrong_scene_is_refused(data: object, sentence: str) -> None:
    with pytest.raises(SceneError) as caught:
        scene_from_json(data)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("cube", "objects[1] must be an object with keys, got 'cube'"),
        (
            {"colour": "red"},
            "objects[1] has the unknown key 'colour'; the keys are shape, size, color, material, location, rotation, texture",
        ),
        ({"shape": None}, "objects[1].shape must be a string, got None"),
        ({"shape": 3}, "objects[1].shape must be a string, got a value of type int"),
        ({"location": "0, 0, 0"}, "objects[1].location must be a list, got '0, 0, 0'"),
        ({"location": [0, 0]}, "objects[1].location must hold 3 numbers, got 2"),
        ({"location": [0, "0", 0]}, "objects[1].location[1] must be a finite number, got '0'"),
        ({"location": [0, 0, True]}, "objects[1].location[2] must be a finite number, got True"),
        ({"location": [0, 0, float("nan")]}, "objects[1].location[2] must be a finite number, got nan"),
        ({"rotation": [float("inf")]}, "objects[1].rotation[0] must be a finite number, got inf"),
        ({"rotation": [10**400]}, "objects[1].rotation[0] must be a finite number, got a value of type int"),
        ({"rotation": 0.5}, "objects[1].rotation must be a list, got 0.5"),
    ],
)
def test_wrong_object_is_refused(item: object, sentence: str) -> None:
    with pytest.raises(SceneError) as caught:
        scene_from_json({"objects": [{}, item], "camera": None, "lights": []})

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"location": [0, 0, 0, 0]}, "camera.location must hold 3 numbers, got 4"),
        ({"quaternion_wxyz": [1, 0, 0]}, "camera.quaternion_wxyz must hold 4 numbers, got 3"),
        ({"focal_length_mm": "35"}, "camera.focal_length_mm must be a finite number, got '35'"),
        ({"focal_length_mm": 0}, "a camera's focal length must be positive, got 0.0"),
        (
            {"lens": 35},
            "camera has the unknown key 'lens'; the keys are location, quaternion_wxyz, focal_length_mm, sensor_width_mm",
        ),
    ],
)
def test_wrong_camera_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(SceneError) as caught:
        scene_from_json({"objects": [], "camera": CAMERA | change, "lights": []})

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 1}, "lights[0].name must be a string, got a value of type int"),
        ({"kind": "spot"}, "a light's kind must be 'area' or 'sun', got 'spot'"),
        ({"color_rgb": [1, 1]}, "lights[0].color_rgb must hold 3 numbers, got 2"),
        ({"power": None}, "lights[0].power must be a finite number, got None"),
    ],
)
def test_wrong_light_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(SceneError) as caught:
        scene_from_json({"objects": [], "camera": None, "lights": [LIGHT | change]})

    assert str(caught.value) == sentence
