# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts to learn from: whatever order and synonyms are drawn, they say the same scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import scenes

from igllm_addon.core.graphics_code import parse, serialize
from igllm_addon.core.graphics_code_variety import varied_code, words_alike
from igllm_addon.core.scene import Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR

_CUBE = SceneObject("cube", "large", "green", "metal", (1.0, -2.5, 0.7), (0.3,))
_SPHERE = SceneObject("sphere", "small", "gray", "rubber", (-1.25, 0.5, 0.35))
_SCENE = Scene((_CUBE, _SPHERE))


@given(scene=scenes(CLEVR), seed=st.integers(0, 2**32), shuffle=st.booleans(), synonyms=st.booleans())
def test_a_varied_program_says_the_same_scene(scene: Scene, seed: int, shuffle: bool, synonyms: bool) -> None:
    text = varied_code(scene, CLEVR, np.random.default_rng(seed), shuffle_attributes=shuffle, synonyms=synonyms)

    result = parse(text, CLEVR)

    assert result.error is None
    assert result.scene == replace(scene, lights=())


def test_without_variety_the_text_is_canonical() -> None:
    text = varied_code(_SCENE, CLEVR, np.random.default_rng(0), shuffle_attributes=False, synonyms=False)

    assert text == serialize(_SCENE, CLEVR)


def test_every_order_and_every_synonym_turns_up() -> None:
    rng = np.random.default_rng(0)

    texts = [varied_code(Scene((_CUBE,)), CLEVR, rng) for _ in range(400)]

    assert {text.removeprefix("add(").partition("=")[0] for text in texts} == {
        "color",
        "size",
        "material",
        "shape",
        "loc",
        "rotation",
    }
    assert {
        word for text in texts for word in ("'cube'", "'block'", "'big'", "'large'", "'metallic'", "'shiny'") if word in text
    } == {
        "'cube'",
        "'block'",
        "'big'",
        "'large'",
        "'metallic'",
        "'shiny'",
    }


def test_objects_keep_their_order_and_draw_their_own() -> None:
    twins = Scene((_CUBE,) * 6)

    lines = varied_code(twins, CLEVR, np.random.default_rng(1)).splitlines()

    assert len(set(lines)) > 1


def test_numbers_are_written_as_asked() -> None:
    text = varied_code(
        Scene((_SPHERE,)),
        CLEVR,
        np.random.default_rng(0),
        shuffle_attributes=False,
        synonyms=False,
        number=lambda value: f"{value:+.3f}",
    )

    assert text == "add(color='gray', size='small', material='rubber', shape='sphere', loc=(-1.250, +0.500, +0.350))\n"


def test_words_alike_are_the_word_and_its_synonyms() -> None:
    assert words_alike(CLEVR, "material", "metal") == ("metal", "metallic", "shiny")
