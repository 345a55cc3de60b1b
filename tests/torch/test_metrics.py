# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from igllm_addon.core.scene import SceneObject
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.metrics import report, score_picture

CUBE = SceneObject("cube", "large", "red", "metal", (1.0, 0.0, 0.7), (0.1,))
BALL = SceneObject("sphere", "small", "blue", "rubber", (-1.0, 2.0, 0.35))


def test_a_perfect_program_scores_perfectly_in_any_order() -> None:
    figures = report([score_picture([CUBE, BALL], [BALL, CUBE])], CLEVR)

    assert (figures.l2_mean_m, figures.l2_median_m, figures.l2_igllm_m) == (0.0, 0.0, 0.0)
    assert figures.word_accuracy == {"color": 1.0, "size": 1.0, "material": 1.0, "shape": 1.0}
    assert (figures.count_exact, figures.count_within_one, figures.exact_scenes) == (1.0, 1.0, 1.0)
    assert figures.yaw_median_degrees == 0.0


def test_distances_are_averaged_over_pairs_and_over_pictures() -> None:
    first = score_picture([CUBE], [replace(CUBE, location=(1.3, 0.4, 0.7))])  # 0.5 away
    second = score_picture([CUBE, BALL], [replace(CUBE, location=(1.0, 0.1, 0.7)), replace(BALL, location=(-1.0, 2.0, 0.65))])

    figures = report([first, second], CLEVR)

    assert figures.l2_mean_m == pytest.approx((0.5 + 0.1 + 0.3) / 3.0)
    assert figures.l2_median_m == pytest.approx(0.3)
    assert figures.l2_igllm_m == pytest.approx((0.5 + 0.2) / 2.0)


def test_matching_takes_the_least_sum_and_not_the_nearest_first() -> None:
    left, right = replace(BALL, location=(0.0, 0.0, 0.0)), replace(BALL, location=(1.0, 0.0, 0.0))
    near_both, far = replace(BALL, location=(0.6, 0.0, 0.0)), replace(BALL, location=(2.0, 0.0, 0.0))

    score = score_picture([left, right], [far, near_both])

    assert [(pair.truth, pair.predicted) for pair in score.pairs] == [(left, near_both), (right, far)]


def test_words_count_over_matched_pairs_only() -> None:
    wrong = replace(CUBE, color="green", shape="cylinder", rotation=None)

    figures = report([score_picture([CUBE, BALL], [wrong, BALL, replace(BALL, location=(3.0, 3.0, 0.35))])], CLEVR)

    assert figures.word_accuracy == {"color": 0.5, "size": 1.0, "material": 1.0, "shape": 0.5}
    assert (figures.count_exact, figures.count_within_one, figures.exact_scenes) == (0.0, 1.0, 0.0)
    assert math.isnan(figures.yaw_median_degrees)


def test_a_scene_is_exact_only_if_every_object_is_within_a_quarter_metre() -> None:
    inside = score_picture([CUBE], [replace(CUBE, location=(1.25, 0.0, 0.7))])
    outside = score_picture([CUBE], [replace(CUBE, location=(1.26, 0.0, 0.7))])

    assert (inside.is_exact(), outside.is_exact()) == (True, False)


@pytest.mark.parametrize(
    ("yaw", "degrees"), [(0.1 + math.pi / 2.0, 0.0), (0.1 + math.radians(50.0), 40.0), (0.05, math.degrees(0.05))]
)
def test_a_cubes_yaw_counts_modulo_a_quarter_turn(yaw: float, degrees: float) -> None:
    figures = report([score_picture([CUBE], [replace(CUBE, rotation=(yaw,))])], CLEVR)

    assert figures.yaw_median_degrees == pytest.approx(degrees, abs=1e-9)


def test_an_empty_program_matches_nothing_and_misses_everything() -> None:
    figures = report([score_picture([CUBE, BALL], [])], CLEVR)

    assert (figures.objects, figures.pairs) == (2, 0)
    assert (figures.count_exact, figures.count_within_one, figures.exact_scenes) == (0.0, 0.0, 0.0)
    assert figures.to_json()["l2_mean_m"] is None
