# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are not in the grammar: where the error is, what was expected there, what was found, and what stays."""

from __future__ import annotations

import pytest
from scene_strategies import LOOSE, PLANE, SIX

from igllm_addon.core.errors import ParseError, SceneError
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.scene import Camera, Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR, Vocabulary

SPHERE = SceneObject("sphere", "small", "red", "rubber", (0.0, 1.0, 0.35))
SPHERE_LINE = "add(color='red', size='small', material='rubber', shape='sphere', loc=(0.0, 1.0, 0.35))\n"
CAMERA_LINE = "camera(loc=(7.5, -6.5, 5.25), rotation=(1.0, 0.0, 0.0, 0.0))\n"
KEYWORDS = "a keyword (color, size, material, shape, loc, rotation)"
SHAPES = "one of 'cube', 'sphere', 'cylinder'"
BOUNDS = "a number from -1000.0 to 1000.0"
STATEMENT = "a statement add(...) or camera(...)"


@pytest.mark.parametrize(
    ("text", "line", "column", "expected", "found"),
    [
        ("remove()", 1, 1, STATEMENT, "'remove'"),
        ("Add()", 1, 1, STATEMENT, "'Add'"),
        ("cube = add()", 1, 1, STATEMENT, "'cube'"),
        ("'''", 1, 1, STATEMENT, "\"''\""),
        ("add", 1, 4, "'('", "the end of the text"),
        ("add[", 1, 4, "'('", "'['"),
        ("add()", 1, 5, KEYWORDS, "')'"),
        ("add(,)", 1, 5, KEYWORDS, "','"),
        ("add('cube')", 1, 5, KEYWORDS, "\"'cube'\""),
        ("add(colour='red')", 1, 5, KEYWORDS, "'colour'"),
        ("add(color='red',, size='small')", 1, 17, KEYWORDS, "','"),
        ("add(color='red', color='red')", 1, 18, "each keyword once, not color again", "'color'"),
        ("add(color:'red')", 1, 10, "'='", "\":'red')\""),
        ("add(color=='red')", 1, 11, "one of 'gray', 'red', 'blue', 'green', 'brown', 'purple', 'cyan', 'yellow'", "'='"),
        ("add(shape=cube)", 1, 11, SHAPES, "'cube'"),
        ("add(shape='Cube')", 1, 11, SHAPES, "\"'Cube'\""),
        ("add(shape='cube)", 1, 11, SHAPES, '"\'cube)"'),
        ("add(shape='cube\")", 1, 11, SHAPES, "'\\'cube\")'"),
        ("add(shape='cu\nbe')", 1, 11, SHAPES, '"\'cu"'),
        ("add(shape='cu\\x62e')", 1, 11, SHAPES, "\"'cu\\\\x62e')\""),
        ("add(shape=b'cube')", 1, 11, SHAPES, "'b'"),
        ("add(shape=('cube'))", 1, 11, SHAPES, "'('"),
        ("add(shape=1)", 1, 11, SHAPES, "'1'"),
        ("add(shape='cube'", 1, 17, "',' or ')'", "the end of the text"),
        ("add(shape='cube' size='small')", 1, 18, "',' or ')'", "'size'"),
        ("add(shape='cube' ')'", 1, 18, "',' or ')'", "\"')'\""),
        ("add(shape='cube']", 1, 17, "',' or ')'", "']'"),
        ("add(shape='cube')", 1, 17, "color=, size=, material=, loc= before the statement ends", "')'"),
        ("add(loc=1)", 1, 9, "3 numbers in brackets", "'1'"),
        ("add(loc='(')", 1, 9, "3 numbers in brackets", "\"'('\""),
        ("add(loc=())", 1, 10, "3 numbers", "')' after 0 numbers"),
        ("add(loc=(1, 2))", 1, 14, "3 numbers", "')' after 2 numbers"),
        ("add(loc=(1, 2, 3, 4))", 1, 19, "')' after 3 numbers", "'4'"),
        ("add(loc=(1, 2, 3,,))", 1, 18, "')' after 3 numbers", "','"),
        ("add(loc=(,))", 1, 10, "a number", "','"),
        ("add(loc=(1 2, 3))", 1, 12, "',' or ')'", "'2'"),
        ("add(loc=[1, 2, 3))", 1, 17, "',' or ']'", "')'"),
        ("add(loc=(1, 2, 3 ')')", 1, 18, "',' or ')'", "\"')'\""),
        ("add(loc=(1, '2', 3))", 1, 13, "a number", "\"'2'\""),
        ("add(loc=((1, 2, 3)))", 1, 10, "a number", "'('"),
        ("add(loc=(x, 2, 3))", 1, 10, "a number", "'x'"),
        ("add(loc=(nan, 2, 3))", 1, 10, "a number", "'nan'"),
        ("add(loc=(inf, 2, 3))", 1, 10, "a number", "'inf'"),
        ("add(loc=(-inf, 2, 3))", 1, 10, "a number", "'-inf'"),
        ("add(loc=(1e999, 2, 3))", 1, 10, BOUNDS, "'1e999'"),
        ("add(loc=(1000.0001, 2, 3))", 1, 10, BOUNDS, "'1000.0001'"),
        ("add(loc=(1e-999, 2, 3))", 1, 10, "a number that is far enough from zero to be stored", "'1e-999'"),
        ("add(loc=(1.5.2, 2, 3))", 1, 10, "a number", "'1.5.2'"),
        ("add(loc=(1e, 2, 3))", 1, 10, "a number", "'1e'"),
        ("add(loc=(., 2, 3))", 1, 10, "a number", "'.'"),
        ("add(loc=(+, 2, 3))", 1, 10, "a number", "'+'"),
        ("add(loc=(--1, 2, 3))", 1, 10, "a number", "'--1'"),
        ("add(loc=(- 1, 2, 3))", 1, 10, "a number", "'-'"),
        ("add(loc=(1+1, 2, 3))", 1, 10, "a number", "'1+1'"),
        ("add(loc=(1_0, 2, 3))", 1, 10, "a number", "'1_0'"),
        ("add(loc=(0x1, 2, 3))", 1, 10, "a number", "'0x1'"),
        ("add(loc=(1j, 2, 3))", 1, 10, "a number", "'1j'"),
        ("add(loc=(1*2, 2, 3))", 1, 11, "',' or ')'", "'*2,'"),
        ("add(loc=(1.25, -2.5, 0.7)", 1, 26, "',' or ')'", "the end of the text"),
        ("add(rotation=)", 1, 14, "a number", "')'"),
        ("add(rotation=(1, 2))", 1, 18, "')' after 1 number", "'2'"),
        ("add(rotation=1001)", 1, 14, BOUNDS, "'1001'"),
        (SPHERE_LINE[:-2] + ", rotation=1)", 1, 89, "no rotation, because the shape 'sphere' carries none", "'rotation'"),
        ("camera()", 1, 8, "a keyword (loc, rotation, lens, sensor)", "')'"),
        ("camera(loc=(1, 2, 3))", 1, 21, "rotation= before the statement ends", "')'"),
        ("camera(rotation=(1, 0, 0))", 1, 25, "4 numbers", "')' after 3 numbers"),
        ("camera(lens=0)", 1, 13, "a number from 0.001 to 1000000.0", "'0'"),
        ("camera(shape='cube')", 1, 8, "a keyword (loc, rotation, lens, sensor)", "'shape'"),
        ("```python add()", 1, 1, STATEMENT, "'```python'"),
        ("```", 1, 4, "a closing ``` on a line of its own", "the end of the text"),
        ("```\n```python\n", 2, 1, "a closing ``` on a line of its own", "'```python'"),
        ("```\n```\n```", 3, 1, "the end of the program", "'```'"),
        ("```\n```\nadd()", 3, 1, "the end of the program", "'add'"),
        ("The scene can be produced with: add()", 1, 33, "a statement on a line of its own", "'add'"),
        ("the scene can be produced with:\nadd()", 1, 1, STATEMENT, "'the'"),
        ("\n \n\t# x\n  oops", 4, 3, STATEMENT, "'oops'"),
        ("\r\n\r\n  oops", 3, 3, STATEMENT, "'oops'"),
        ("\r\r  oops", 3, 3, STATEMENT, "'oops'"),
        ("\n\r# x\roops", 4, 1, STATEMENT, "'oops'"),
    ],
)
def test_error_says_where_and_what(text: str, line: int, column: int, expected: str, found: str) -> None:
    result = parse(text, CLEVR)

    assert result.scene == Scene()
    assert result.error is not None
    assert (result.error.line, result.error.column, result.error.expected, result.error.found) == (line, column, expected, found)


def test_message_is_one_sentence() -> None:
    result = parse(SPHERE_LINE + "add(shape='cone')", CLEVR)

    assert isinstance(result.error, ParseError)
    assert str(result.error) == "line 2, column 11: expected one of 'cube', 'sphere', 'cylinder', found \"'cone'\""


@pytest.mark.parametrize(
    ("rest", "line", "column", "found"),
    [
        ("add(", 3, 5, "the end of the text"),
        (SPHERE_LINE[:40], 3, 41, "the end of the text"),
        ("Hope this helps!", 3, 1, "'Hope'"),
        ("```\n", 3, 1, "'```'"),
        ("import os\n" + SPHERE_LINE, 3, 1, "'import'"),
        (CAMERA_LINE + CAMERA_LINE, 4, 1, "a second one"),
    ],
)
def test_statements_before_the_error_stay(rest: str, line: int, column: int, found: str) -> None:
    result = parse(SPHERE_LINE + SPHERE_LINE + rest, CLEVR)

    assert result.scene.objects == (SPHERE, SPHERE)
    assert result.error is not None
    assert (result.error.line, result.error.column, result.error.found) == (line, column, found)


def test_camera_before_the_error_stays() -> None:
    result = parse(CAMERA_LINE + "add(", CLEVR)

    assert result.scene == Scene(camera=Camera((7.5, -6.5, 5.25), (1.0, 0.0, 0.0, 0.0)))
    assert result.error is not None


@pytest.mark.parametrize("separator", [" ", "; ", "", "\f", "\\\n", ", "])
def test_statements_need_a_line_each(separator: str) -> None:
    result = parse(SPHERE_LINE.rstrip() + separator + SPHERE_LINE, CLEVR)

    assert result.scene.objects == (SPHERE,)
    assert result.error is not None
    assert result.error.line == 1


def test_closing_fence_needs_a_line_of_its_own() -> None:
    result = parse("```\n" + SPHERE_LINE.rstrip() + "```", CLEVR)

    assert result.scene.objects == (SPHERE,)
    assert str(result.error) == "line 2, column 88: expected a closing ``` on a line of its own, found '```'"


def test_longest_number() -> None:
    whole = parse("camera(lens=" + "0" * 62 + "35", CLEVR)
    too_long = parse("camera(lens=" + "0" * 63 + "35", CLEVR)

    assert str(whole.error) == "line 1, column 77: expected ',' or ')', found the end of the text"
    assert str(too_long.error) == f"line 1, column 13: expected a number, found '{'0' * 40}'…"


def test_one_object_too_many_is_an_error_at_its_start() -> None:
    few = Vocabulary(template="few", words={"shape": ("cube",)}, object_limit=2)

    result = parse("add(shape='cube')\n" * 3, few)

    assert len(result.scene.objects) == 2
    assert str(result.error) == "line 3, column 1: expected at most 2 objects, found one more"


@pytest.mark.parametrize(
    ("text", "vocabulary", "sentence"),
    [
        ("add(x=0.5)", PLANE, "line 1, column 10: expected y= before the statement ends, found ')'"),
        ("add(loc=(0.5, 0.5, 0))", PLANE, "line 1, column 5: expected a keyword (x, y), found 'loc'"),
        ("add(x=1.5, y=0)", PLANE, "line 1, column 7: expected a number from -1.0 to 1.0, found '1.5'"),
        ("add(size='small')", LOOSE, "line 1, column 5: expected a keyword (color, shape, loc, rotation), found 'size'"),
        ("add(rotation=0.5)", LOOSE, "line 1, column 14: expected 3 numbers in brackets, found '0.5'"),
        (
            "add(shape='\u00e4rmeln')",
            LOOSE,
            "line 1, column 11: expected one of 'chair_1a2b-3c', '(table)', 'ärmel', found \"'\\xe4rmeln'\"",
        ),
        ("add(shape='airplane')", SIX, "line 1, column 21: expected rotation= before the statement ends, found ')'"),
    ],
)
def test_other_vocabularies_have_other_rules(text: str, vocabulary: Vocabulary, sentence: str) -> None:
    result = parse(text, vocabulary)

    assert str(result.error) == sentence


@pytest.mark.parametrize(
    "numbers", ["(0, 0, 0, 1, 0, 0)", "(1, 0, 0, 0, 0, 0)", "(1, 2, 3, 2, 4, 6)", "(1, 0, 0, -1, 0, 0)"], ids=lambda text: text
)
def test_six_numbers_that_are_no_rotation(numbers: str) -> None:
    result = parse(f"add(rotation={numbers})", SIX)

    assert result.error is not None
    assert (result.error.column, result.error.expected) == (5, "numbers that stand for a rotation")


def test_camera_whose_quaternion_is_zero() -> None:
    result = parse("camera(loc=(0, 0, 5), rotation=(0, 0, 0, 0.0))", CLEVR)

    assert result.error is not None
    assert (result.error.column, result.error.expected) == (23, "numbers that stand for a rotation")


def test_long_list_of_words_is_cut() -> None:
    many = Vocabulary(template="many", words={"shape": tuple(f"chair_{index}" for index in range(5000))})

    result = parse("add(shape='table')", many)

    assert "'chair_11' or 4988 others, found" in str(result.error)


@pytest.mark.parametrize(
    "change",
    [
        {"words": {"shape": ("cu'be",)}},
        {"words": {"shape": ("cube\n",)}},
        {"words": {"shape": ("cu\\be",)}},
        {"words": {"shape": ("",)}},
        {"words": {"shape": ("c" * 65,)}},
        {"words": {"shape": ("\ud800",)}},
        {"words": {"class": ("cube",)}},
        {"words": {}, "synonyms": {"shape": {"block": "cube"}}},
        {"words": {}, "required_fields": ("shape",)},
        {"words": {}, "location_length": 4},
        {"words": {}, "rotation_length": 9},
        {"words": {}, "location_limit": float("inf")},
        {"words": {}, "object_limit": 0},
    ],
)
def test_vocabulary_that_graphics_code_cannot_write_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SceneError, match="vocabulary 'odd'"):
        Vocabulary(template="odd", **change)  # type: ignore[arg-type]
