# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every scene and every text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import ALL_VOCABULARIES, scenes

from igllm_addon.core.graphics_code import ParseResult, parse, serialize
from igllm_addon.core.scene import Scene
from igllm_addon.core.vocabulary import CLEVR, Vocabulary

SCENES_OF_ALL_VOCABULARIES = st.sampled_from(ALL_VOCABULARIES).flatmap(
    lambda vocabulary: st.tuples(st.just(vocabulary), scenes(vocabulary))
)
FRAGMENTS = st.sampled_from(
    ("add", "camera", "(", ")", "[", "]", ",", "=", "loc", "rotation", "shape", "'cube'", "color", "'red'", "size", "'small'")
    + (
        "material",
        "'metal'",
        "0",
        "-1.5",
        "1e999",
        "nan",
        "\n",
        " ",
        "#",
        "```",
        "```python\n",
        "'",
        '"',
        "\\",
        "\0",
        "١",
        "\ud800",
    )
)


@given(SCENES_OF_ALL_VOCABULARIES)
def test_scene_comes_back_from_its_text(case: tuple[Vocabulary, Scene]) -> None:
    vocabulary, scene = case

    result = parse(serialize(scene, vocabulary), vocabulary)

    assert result == ParseResult(scene, None)


@given(SCENES_OF_ALL_VOCABULARIES)
def test_canonical_text_comes_back_from_its_scene(case: tuple[Vocabulary, Scene]) -> None:
    vocabulary, scene = case
    text = serialize(scene, vocabulary)

    again = serialize(parse(text, vocabulary).scene, vocabulary)

    assert again.encode() == text.encode()


@given(scenes(CLEVR), scenes(CLEVR).filter(lambda scene: scene.camera is None))
def test_canonical_programs_can_be_joined(first: Scene, second: Scene) -> None:
    result = parse(serialize(first, CLEVR) + serialize(second, CLEVR), CLEVR)

    assert result == ParseResult(Scene(first.objects + second.objects, first.camera), None)


@given(scenes(CLEVR).filter(lambda scene: len(scene.objects) > 0), st.data())
def test_cut_program_keeps_its_whole_statements(scene: Scene, data: st.DataObject) -> None:
    text = serialize(scene, CLEVR)
    cut = text[: data.draw(st.integers(0, len(text)))]

    result = parse(cut, CLEVR)

    whole = sum(bracket.end() <= len(cut) for bracket in re.finditer(r"\)(?=\n)", text))
    assert serialize(result.scene, CLEVR).count("\n") == whole
    assert text.startswith(serialize(result.scene, CLEVR))


@pytest.mark.parametrize("vocabulary", ALL_VOCABULARIES, ids=lambda vocabulary: vocabulary.template)
@given(text=st.text() | st.lists(FRAGMENTS).map("".join))
def test_any_text_gives_a_scene_that_can_be_written(vocabulary: Vocabulary, text: str) -> None:
    result = parse(text, vocabulary)

    assert parse(serialize(result.scene, vocabulary), vocabulary) == ParseResult(result.scene, None)


@given(st.lists(FRAGMENTS).map("".join))
def test_error_points_into_the_text(text: str) -> None:
    result = parse("add(" + text + "(", CLEVR)

    assert result.error is not None
    lines = ("add(" + text + "(").split("\n")
    assert 1 <= result.error.line <= len(lines)
    assert 1 <= result.error.column <= len(lines[result.error.line - 1]) + 1
