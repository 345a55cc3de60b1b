# SPDX-License-Identifier: GPL-3.0-or-later
"""Average precision against values worked out by hand, and against a slow reading of the protocol."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igllm_addon.core.scene import SceneObject
from igllm_addon.model_runner.average_precision import AP_THRESHOLDS_M, average_precision, used_distances_m

CUBE = SceneObject("cube", "large", "red", "metal", (0.0, 0.0, 0.7), (0.1,))
BALL = SceneObject("sphere", "small", "blue", "rubber", (3.0, 0.0, 0.35))


def _at(item: SceneObject, x: float, z: float = 0.7) -> SceneObject:
    return replace(item, location=(x, 0.0, z))


def _ap(truth: list[SceneObject], predicted: list[SceneObject], confidences: list[float] | None, threshold: float) -> float:
    return average_precision(used_distances_m(truth, predicted, confidences), len(truth), threshold)


def test_the_leaderboards_thresholds() -> None:
    assert list(AP_THRESHOLDS_M) == [math.inf, 1.0, 0.5, 0.25, 0.125, 0.0625]


def test_a_perfect_program_has_the_whole_area() -> None:
    assert _ap([CUBE, BALL], [BALL, CUBE], [0.9, 0.8], 0.0625) == 1.0


def test_an_invention_costs_more_the_more_confident_it_is() -> None:
    predicted = [CUBE, BALL, replace(BALL, color="red")]

    # Ranks: wrong, right, right: precision 0, 1/2, 2/3; interpolated, both recall steps of 1/2 stand at 2/3.
    assert _ap([CUBE, BALL], predicted, [0.5, 0.4, 0.9], math.inf) == pytest.approx(2.0 / 3.0)
    # Ranks: right, wrong, right: 1 for the first half of recall, 2/3 for the second.
    assert _ap([CUBE, BALL], predicted, [0.9, 0.1, 0.5], math.inf) == pytest.approx(0.5 + 1.0 / 3.0)
    # Ranks: right, right, wrong.
    assert _ap([CUBE, BALL], predicted, [0.9, 0.8, 0.1], math.inf) == 1.0


def test_without_confidences_and_among_equal_ones_the_order_of_the_statements_ranks() -> None:
    predicted = [replace(BALL, color="red"), CUBE, BALL]

    assert _ap([CUBE, BALL], predicted, None, math.inf) == pytest.approx(2.0 / 3.0)
    assert _ap([CUBE, BALL], predicted, [0.7, 0.7, 0.7], math.inf) == pytest.approx(2.0 / 3.0)


def test_a_miss_leaves_its_recall_empty() -> None:
    assert _ap([CUBE, BALL, _at(CUBE, -3.0)], [CUBE, BALL], [0.9, 0.8], math.inf) == pytest.approx(2.0 / 3.0)


@pytest.mark.parametrize("wrong", [{"color": "blue"}, {"size": "small"}, {"material": "rubber"}, {"shape": "sphere"}])
def test_one_wrong_word_is_enough_to_be_wrong(wrong: dict[str, str]) -> None:
    assert _ap([CUBE], [replace(CUBE, **wrong)], [0.9], math.inf) == 0.0


def test_a_duplicate_finds_its_object_used_up() -> None:
    assert used_distances_m([CUBE], [CUBE, CUBE], [0.9, 0.8]) == (0.0, math.inf)
    assert _ap([CUBE, BALL], [CUBE, CUBE, BALL], [0.9, 0.8, 0.7], math.inf) == pytest.approx(0.5 + 1.0 / 3.0)


def test_an_object_is_used_up_even_by_a_statement_that_is_too_far() -> None:
    far, near = _at(CUBE, 0.8), _at(CUBE, 0.1)

    assert used_distances_m([CUBE], [near, far], [0.5, 0.9]) == (pytest.approx(0.8), math.inf)
    assert _ap([CUBE], [near, far], [0.5, 0.9], 0.25) == 0.0
    assert _ap([CUBE], [near, far], [0.9, 0.5], 0.25) == 1.0


def test_the_nearest_of_several_equal_objects_is_used_up() -> None:
    truth = [_at(CUBE, 0.0), _at(CUBE, 2.0)]

    assert used_distances_m(truth, [_at(CUBE, 1.9), _at(CUBE, 1.7)], [0.9, 0.8]) == (pytest.approx(0.1), pytest.approx(1.7))


def test_distances_include_height_and_must_be_below_the_threshold() -> None:
    assert _ap([_at(CUBE, 0.0, 0.5)], [_at(CUBE, 0.0, 0.75)], [0.9], 0.25) == 0.0
    assert _ap([_at(CUBE, 0.0, 0.5)], [_at(CUBE, 0.0, 0.75)], [0.9], 0.5) == 1.0


def test_pictures_without_statements_or_without_objects() -> None:
    assert _ap([CUBE, BALL], [], [], math.inf) == 0.0
    assert _ap([], [CUBE], [0.9], math.inf) == 0.0
    assert _ap([], [], None, math.inf) == 1.0


def _slow_average_precision(
    truth: list[SceneObject], predicted: list[SceneObject], confidences: list[float], threshold: float
) -> float:
    """The protocol's sentences one after another, with lists and the interpolated curve as its definition has it."""
    left = list(truth)
    curve: list[tuple[float, float]] = []
    hits = 0
    ranked = sorted(zip(predicted, confidences, strict=True), key=lambda entry: entry[1], reverse=True)
    for rank, (statement, _) in enumerate(ranked, start=1):
        equals = [
            item
            for item in left
            if (item.shape, item.size, item.color, item.material)
            == (statement.shape, statement.size, statement.color, statement.material)
        ]
        if equals:
            nearest = min(equals, key=lambda item: math.dist(item.location or (), statement.location or ()))
            del left[next(index for index, item in enumerate(left) if item is nearest)]
            hits += threshold == math.inf or math.dist(nearest.location or (), statement.location or ()) < threshold
        curve.append((hits / len(truth), hits / rank))
    area, reached = 0.0, 0.0
    for level in sorted({recall for recall, _ in curve}):
        area += (level - reached) * max(precision for recall, precision in curve if recall >= level)
        reached = level
    return area


# A narrow line and few words, so that duplicates, ties and used up objects abound.
_OBJECTS = st.builds(
    lambda color, shape, x: SceneObject(shape, "small", color, "metal", (x, 0.0, 0.35)),
    st.sampled_from(["red", "blue"]),
    st.sampled_from(["cube", "sphere"]),
    st.floats(-1.0, 1.0, allow_nan=False),
)
_STATEMENTS = st.lists(st.tuples(_OBJECTS, st.sampled_from([0.1, 0.4, 0.5, 0.9, 1.0])), max_size=8)


@settings(max_examples=300, deadline=None)
@given(truth=st.lists(_OBJECTS, min_size=1, max_size=8), statements=_STATEMENTS, threshold=st.sampled_from(AP_THRESHOLDS_M))
def test_it_agrees_with_a_slow_reading_of_the_protocol(
    truth: list[SceneObject], statements: list[tuple[SceneObject, float]], threshold: float
) -> None:
    predicted, confidences = [item for item, _ in statements], [confidence for _, confidence in statements]

    fast = _ap(truth, predicted, confidences, threshold)

    assert fast == pytest.approx(_slow_average_precision(truth, predicted, confidences, threshold), abs=1e-12)
