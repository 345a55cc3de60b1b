# SPDX-License-Identifier: GPL-3.0-or-later
"""F1 at distances against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from igllm_addon.core.scene import SceneObject
from igllm_addon.model_runner.f1 import f1_score, found_within

CUBE = SceneObject("cube", "large", "red", "metal", (0.0, 0.0, 0.7), (0.1,))


def _at(x: float, color: str = "red") -> SceneObject:
    return replace(CUBE, location=(x, 0.0, 0.7), color=color)


def test_the_limit_belongs_to_the_distance() -> None:
    assert found_within([_at(0.0)], [_at(0.25)], 0.25, words_required=True) == ((0, 0),)
    assert found_within([_at(0.0)], [_at(0.2500001)], 0.25, words_required=True) == ()


def test_words_count_only_where_they_are_required() -> None:
    assert found_within([_at(0.0)], [_at(0.1, "blue")], 0.25, words_required=False) == ((0, 0),)
    assert found_within([_at(0.0)], [_at(0.1, "blue")], 0.25, words_required=True) == ()


def test_a_statement_with_the_wrong_words_takes_no_object_from_the_right_one() -> None:
    assert found_within([_at(0.0)], [_at(0.0, "blue"), _at(0.2)], 0.25, words_required=True) == ((0, 1),)


def test_an_object_is_found_once_and_by_the_nearest() -> None:
    assert found_within([_at(0.0)], [_at(0.2), _at(0.1), _at(-0.2)], 0.25, words_required=True) == ((0, 1),)


def test_the_most_pairs_come_before_the_nearest_pair() -> None:
    # Statement 0 lies 0.2 from object 1, nearer than any other pair, but without it nothing would find object 0.
    assert found_within([_at(0.0), _at(0.5)], [_at(0.3), _at(0.8)], 0.35, words_required=True) == ((0, 0), (1, 1))


@pytest.mark.parametrize(("truth", "predicted"), [([], [CUBE]), ([CUBE], []), ([], [])])
def test_pictures_without_objects_or_statements_find_nothing(truth: list[SceneObject], predicted: list[SceneObject]) -> None:
    assert found_within(truth, predicted, 0.5, words_required=True) == ()


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    # 3 of 4 objects found by 3 of 6 statements: recall 3/4, precision 1/2.
    assert f1_score(3, 4, 6) == pytest.approx(2.0 * 0.75 * 0.5 / (0.75 + 0.5))
    assert f1_score(0, 4, 0) == 0.0
    assert math.isnan(f1_score(0, 0, 0))
