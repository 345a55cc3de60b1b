# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies for scenes, and vocabularies that differ from CLEVR's in every respect that the language knows."""

from __future__ import annotations

from hypothesis import strategies as st

from igllm_addon.core.errors import SceneError
from igllm_addon.core.rotations import matrix_from_rotation_6d
from igllm_addon.core.scene import Camera, Light, Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR, WORD_FIELDS, Vocabulary

# Nothing is required, all shapes turn, three rotation numbers, a word with every character that needs care.
LOOSE = Vocabulary(
    template="loose",
    words={"color": ("red", "dark # red"), "shape": ("chair_1a2b-3c", "(table)", "ärmel")},
    synonyms={"shape": {"seat": "chair_1a2b-3c"}},
    location_limit=2.5,
    rotation_length=3,
)
SIX = Vocabulary(template="six", words={"shape": ("airplane",)}, rotation_length=6, required_fields=("rotation",))
PLANE = Vocabulary(template="plane", words={}, location_length=2, location_limit=1.0, rotation_length=0)

ALL_VOCABULARIES = (CLEVR, LOOSE, SIX, PLANE)


def numbers(limit: float, lowest: float | None = None) -> st.SearchStrategy[float]:
    """Doubles of every magnitude, and the short decimals that models write."""
    low = -limit if lowest is None else lowest
    return (
        st.floats(low, limit)
        | st.integers(int(low) + 1, int(limit)).map(float)
        | st.floats(low, limit).map(lambda x: round(x, 3))
    )


def _stands_for_a_rotation(six: tuple[float, ...]) -> bool:
    try:
        matrix_from_rotation_6d(six)
    except SceneError:
        return False
    return True


@st.composite
def scene_objects(draw: st.DrawFn, vocabulary: Vocabulary) -> SceneObject:
    required = set(vocabulary.required_fields)
    words = {
        name: draw(
            st.sampled_from(vocabulary.words[name]) if name in required else st.none() | st.sampled_from(vocabulary.words[name])
        )
        for name in WORD_FIELDS
        if name in vocabulary.words
    }
    number = numbers(vocabulary.location_limit)
    if vocabulary.location_length == 2:
        location = draw(st.tuples(number, number, st.just(0.0)))
    else:
        place = st.tuples(number, number, number)
        location = draw(place if "loc" in required else st.none() | place)
    rotation = None
    if vocabulary.carries_rotation(words.get("shape")):
        turn = st.tuples(*[numbers(1000.0)] * vocabulary.rotation_length)
        turn = turn.filter(_stands_for_a_rotation) if vocabulary.rotation_length == 6 else turn
        # An object that says nothing at all has no graphics code.
        needed = "rotation" in required or (location is None and not any(words.values()))
        rotation = draw(turn if needed else st.none() | turn)
    return SceneObject(location=location, rotation=rotation, **words)


def cameras() -> st.SearchStrategy[Camera]:
    component = st.floats(-1.0, 1.0)
    coordinate = numbers(1.0e6)
    return st.builds(
        Camera,
        st.tuples(coordinate, coordinate, coordinate),
        st.tuples(component, component, component, component).filter(any),
        st.floats(1.0e-3, 1.0e6),
        st.floats(1.0e-3, 1.0e6),
    )


def lights() -> st.SearchStrategy[Light]:
    number = st.floats(allow_nan=False, allow_infinity=False)
    vector = st.tuples(number, number, number)
    return st.builds(
        Light,
        st.text(),
        st.sampled_from(("area", "sun")),
        vector,
        st.tuples(number, number, number, number),
        number,
        number,
        vector,
    )


def scenes(vocabulary: Vocabulary) -> st.SearchStrategy[Scene]:
    """Scenes without lights, which graphics code does not hold."""
    objects = st.lists(scene_objects(vocabulary), max_size=6).map(tuple)
    return st.builds(Scene, objects, st.none() | cameras())
