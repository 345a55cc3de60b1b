# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are in the grammar, and the scenes that they describe."""

from __future__ import annotations

import dataclasses

import pytest
from scene_strategies import LOOSE, PLANE, SIX

from igllm_addon.core.errors import SceneError
from igllm_addon.core.graphics_code import ParseResult, parse, serialize
from igllm_addon.core.scene import Camera, Light, Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR

GREEN_CUBE = SceneObject("cube", "large", "green", "metal", (1.25, -2.5, 0.7), (0.125,))
GREEN_CUBE_LINE = "add(color='green', size='large', material='metal', shape='cube', loc=(1.25, -2.5, 0.7), rotation=0.125)\n"
RED_SPHERE = SceneObject("sphere", "small", "red", "rubber", (0.0, 1.0, 0.35))
RED_SPHERE_LINE = "add(color='red', size='small', material='rubber', shape='sphere', loc=(0.0, 1.0, 0.35))\n"
CAMERA = Camera((7.5, -6.5, 5.25), (0.5, 0.5, -0.5, 0.5), 50.0, 36.0)
CAMERA_LINE = "camera(loc=(7.5, -6.5, 5.25), rotation=(0.5, 0.5, -0.5, 0.5), lens=50.0, sensor=36.0)\n"


def test_canonical_text_of_a_scene() -> None:
    scene = Scene((GREEN_CUBE, RED_SPHERE), CAMERA)

    text = serialize(scene, CLEVR)

    assert text == CAMERA_LINE + GREEN_CUBE_LINE + RED_SPHERE_LINE
    assert parse(text, CLEVR) == ParseResult(scene, None)


def test_empty_scene_is_the_empty_text() -> None:
    assert serialize(Scene(), CLEVR) == ""
    assert parse("", CLEVR) == ParseResult(Scene(), None)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "add(rotation=0.125, loc=(1.25, -2.5, 0.7), shape='cube', material='metal', size='large', color='green')",
            id="any order",
        ),
        pytest.param(
            "add(size='big', color='green', material='shiny', shape='block', loc=(1.25,-2.5,.7), rotation=.125)", id="synonyms"
        ),
        pytest.param(GREEN_CUBE_LINE.replace("(1.25, -2.5, 0.7)", "[1.25, -2.5, 0.7]"), id="list"),
        pytest.param(GREEN_CUBE_LINE.replace("0.7)", "0.7,)").replace("0.125)", "0.125,)"), id="trailing commas"),
        pytest.param(GREEN_CUBE_LINE.replace("'", '"'), id="double quotes"),
        pytest.param(GREEN_CUBE_LINE.replace("1.25", "+1.250").replace("-2.5", "-2.500"), id="signs and three decimals"),
        pytest.param(
            GREEN_CUBE_LINE.replace("1.25", "+125E-2").replace("-2.5", "-.25e+1").replace("0.7", "7.e-1"), id="exponents"
        ),
        pytest.param(GREEN_CUBE_LINE.replace("rotation=0.125", "rotation=(0.125)"), id="one number in brackets"),
        pytest.param(GREEN_CUBE_LINE.replace("rotation=0.125", "rotation=[0.125,]"), id="one number in a list"),
        pytest.param(GREEN_CUBE_LINE.replace(" ", "\n\t ").replace("(", " (\r\n").replace("=", " = "), id="blanks everywhere"),
        pytest.param("\n\n# first\n\n" + GREEN_CUBE_LINE.rstrip() + "  # add(\n#last", id="comments and blank lines"),
        pytest.param("  " + GREEN_CUBE_LINE.replace(", size", ",  # the size\n  size"), id="comment inside a statement"),
        pytest.param("```python\n" + GREEN_CUBE_LINE + "```", id="fence"),
        pytest.param("```\n\n" + GREEN_CUBE_LINE + "\n```\n\n", id="fence without language"),
        pytest.param("The scene can be produced with:\n```python\n" + GREEN_CUBE_LINE + "```\n", id="lead-in and fence"),
        pytest.param("\nThe scene can be produced with: ```python\n" + GREEN_CUBE_LINE + "```", id="lead-in on the fence's line"),
        pytest.param("The scene can be produced with:\n" + GREEN_CUBE_LINE, id="lead-in without fence"),
        pytest.param(("```python\n" + GREEN_CUBE_LINE + "```\n").replace("\n", "\r\n"), id="carriage returns"),
        pytest.param("# first\r" + GREEN_CUBE_LINE.replace(" ", "\r") + "\r", id="carriage returns alone"),
    ],
)
def test_many_ways_to_write_one_scene(text: str) -> None:
    result = parse(text, CLEVR)

    assert result == ParseResult(Scene((GREEN_CUBE,)), None)


def test_ig_llm_readme_example() -> None:
    text = "add(color='green', size='large', material='metal', shape='cube', loc=(+0.140, -2.417, +0.700), rotation=+0.381)"

    result = parse(text, CLEVR)

    assert result.error is None
    assert result.scene.objects == (SceneObject("cube", "large", "green", "metal", (0.14, -2.417, 0.7), (0.381,)),)


def test_camera_may_stand_anywhere_and_has_defaults() -> None:
    result = parse(RED_SPHERE_LINE + "camera(rotation=[1, 0, 0, 0], loc=[0, 0, 10])", CLEVR)

    assert result == ParseResult(Scene((RED_SPHERE,), Camera((0.0, 0.0, 10.0), (1.0, 0.0, 0.0, 0.0), 35.0, 32.0)), None)


def test_camera_is_not_bound_by_the_location_limit() -> None:
    result = parse("camera(loc=(900.0, 0, 0), rotation=(1, 0, 0, 0))", LOOSE)

    assert result.error is None


def test_numbers_are_doubles_without_loss() -> None:
    text = RED_SPHERE_LINE.replace("(0.0, 1.0, 0.35)", "(0.1, 5e-324, -123.45678901234567)")

    result = parse(text, CLEVR)

    assert result.scene.objects[0].location == (0.1, 5e-324, -123.45678901234567)
    assert serialize(result.scene, CLEVR) == text


def test_negative_zero_loses_its_sign() -> None:
    text = RED_SPHERE_LINE.replace("(0.0, 1.0", "(-0.0, 1.0")

    result = parse(text, CLEVR)

    assert str(result.scene.objects[0].location) == "(0.0, 1.0, 0.35)"
    assert serialize(Scene((dataclasses.replace(RED_SPHERE, location=(-0.0, 1.0, 0.35)),)), CLEVR) == RED_SPHERE_LINE


def test_zero_may_be_written_in_any_way() -> None:
    result = parse(RED_SPHERE_LINE.replace("(0.0, 1.0", "(-0.00e-999, 0e5"), CLEVR)

    assert result == ParseResult(Scene((dataclasses.replace(RED_SPHERE, location=(0.0, 0.0, 0.35)),)), None)


def test_place_in_the_picture() -> None:
    result = parse("add(y=0.456, x=0.123)", PLANE)

    assert result == ParseResult(Scene((SceneObject(location=(0.123, 0.456, 0.0)),)), None)
    assert serialize(result.scene, PLANE) == "add(x=0.123, y=0.456)\n"


def test_three_and_six_rotation_numbers() -> None:
    three = "add(shape='(table)', loc=(0.0, 0.0, 1.0), rotation=(0.5, -1.5, 3.0))\n"
    six = "add(shape='airplane', rotation=(1.0, 0.0, 0.0, 0.0, 0.0, 1.0))\n"

    assert serialize(parse(three, LOOSE).scene, LOOSE) == three
    assert serialize(parse(six, SIX).scene, SIX) == six


def test_words_may_hold_brackets_hashes_and_letters_beyond_ascii() -> None:
    result = parse("add(color='dark # red')\nadd(shape=\"(table)\")\nadd(shape='ärmel')\n", LOOSE)

    assert result == ParseResult(Scene((SceneObject(color="dark # red"), SceneObject("(table)"), SceneObject("ärmel"))), None)


def test_lights_have_no_graphics_code() -> None:
    light = Light("sun", "sun", (0.0, 0.0, 5.0), (1.0, 0.0, 0.0, 0.0), 1.0, 0.1)

    assert serialize(Scene((RED_SPHERE,), lights=(light,)), CLEVR) == RED_SPHERE_LINE


def test_numpy_numbers_are_written_as_plain_ones() -> None:
    import numpy as np

    location = (np.float64(0.0), 1, np.float32(0.35))

    text = serialize(Scene((dataclasses.replace(RED_SPHERE, location=location),)), CLEVR)

    assert text == RED_SPHERE_LINE.replace("0.35", "0.3499999940395355")


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (dataclasses.replace(RED_SPHERE, color="pink"), r"expected one of 'gray', .*, found \"'pink'\""),
        (dataclasses.replace(RED_SPHERE, size="tiny"), "cannot hold .*size='tiny'.* would become .*size='small'"),
        (dataclasses.replace(RED_SPHERE, color=None), "expected color= before the statement ends"),
        (dataclasses.replace(RED_SPHERE, location=None), "expected loc= before the statement ends"),
        (dataclasses.replace(RED_SPHERE, location=(0.0, 0.0, 1e9)), "expected a number from -1000.0 to 1000.0"),
        (dataclasses.replace(RED_SPHERE, rotation=(1.0,)), "expected no rotation, because the shape 'sphere' carries none"),
        (dataclasses.replace(GREEN_CUBE, rotation=()), "expected 1 number, found '\\)' after 0 numbers"),
        (dataclasses.replace(GREEN_CUBE, rotation=(1.0, 2.0)), "expected '\\)' after 1 number"),
        (SceneObject(), "expected a keyword"),
    ],
)
def test_scene_that_the_vocabulary_cannot_say_is_refused(item: SceneObject, sentence: str) -> None:
    with pytest.raises(SceneError, match=sentence):
        serialize(Scene((GREEN_CUBE, item)), CLEVR)


def test_word_that_would_write_more_than_a_word_is_refused() -> None:
    forged = dataclasses.replace(
        RED_SPHERE, color="red', size='small', material='rubber', shape='sphere', loc=(0, 0, 0))\nadd(color='red"
    )

    with pytest.raises(SceneError, match="cannot hold"):
        serialize(Scene((forged,)), CLEVR)


def test_height_of_a_place_in_the_picture_is_refused() -> None:
    with pytest.raises(SceneError, match="cannot hold"):
        serialize(Scene((SceneObject(location=(0.5, 0.5, 0.1)),)), PLANE)


def test_camera_that_is_no_tuple_is_refused() -> None:
    with pytest.raises(SceneError, match="cannot hold Camera"):
        serialize(Scene(camera=Camera([0.0, 0.0, 5.0], [1.0, 0.0, 0.0, 0.0])), CLEVR)  # type: ignore[arg-type]


def test_camera_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(SceneError, match="expected a number from"):
        serialize(Scene(camera=Camera((1e7, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))), CLEVR)


def test_more_objects_than_the_vocabulary_allows_are_refused() -> None:
    with pytest.raises(SceneError, match="expected at most 256 objects"):
        serialize(Scene((RED_SPHERE,) * 257), CLEVR)
