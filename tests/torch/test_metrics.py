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


def test_average_precision_is_the_mean_over_pictures_and_not_over_objects() -> None:
    crowded = score_picture([CUBE, BALL, replace(BALL, color="red")], [CUBE], [0.9])  # 1/3 of the area
    empty, clear = score_picture([CUBE], []), score_picture([BALL], [replace(BALL, location=(-1.0, 2.2, 0.35))])

    figures = report([crowded, empty, clear], CLEVR)

    assert list(figures.average_precision) == ["inf", "1", "0.5", "0.25", "0.125", "0.0625"]
    assert figures.average_precision["0.25"] == pytest.approx((1.0 / 3.0 + 0.0 + 1.0) / 3.0)
    assert figures.average_precision["0.125"] == pytest.approx((1.0 / 3.0) / 3.0)


def test_f1_sums_over_pictures_and_falls_with_wrong_words_and_inventions() -> None:
    first = score_picture([CUBE, BALL], [replace(CUBE, location=(1.1, 0.0, 0.7)), replace(BALL, color="red"), BALL])
    second = score_picture([BALL], [])
    third = score_picture([], [CUBE])

    figures = report([first, second, third], CLEVR)

    assert list(figures.f1_words_ignored) == ["0.5", "0.25", "0.125", "0.0625"]
    # Three objects and four statements; the cube is 0.1 off.
    assert figures.f1_words_ignored["0.125"] == pytest.approx(4.0 / 7.0)
    assert figures.f1_words_ignored["0.0625"] == pytest.approx(2.0 / 7.0)
    assert report([score_picture([BALL], [replace(BALL, color="red")])], CLEVR).f1_words_ignored["0.0625"] == 1.0
    assert report([score_picture([BALL], [replace(BALL, color="red")])], CLEVR).f1_words_required["0.0625"] == 0.0


def test_a_statement_is_right_with_all_words_within_a_quarter_metre_and_alone() -> None:
    near, far = replace(CUBE, location=(1.25, 0.0, 0.7)), replace(CUBE, location=(1.26, 0.0, 0.7))
    answered = score_picture([CUBE, BALL], [near, BALL, BALL, replace(BALL, color="red")], [0.9, 0.8, 0.3, 0.1])
    missed = score_picture([CUBE], [far], [0.4])
    misnamed = score_picture([CUBE], [replace(CUBE, color="blue")], [0.6])
    without_confidences = score_picture([CUBE], [CUBE])

    figures = report([answered, missed, misnamed, without_confidences], CLEVR).reliability

    assert (figures.statements, figures.right_share) == (6, pytest.approx(2.0 / 6.0))
    assert figures.mean_confidence == pytest.approx(3.1 / 6.0)
    # Each statement has a bin of its own.
    assert figures.calibration_error == pytest.approx((0.1 + 0.2 + 0.3 + 0.1 + 0.4 + 0.6) / 6.0)


def test_which_of_two_equal_statements_is_right_does_not_depend_on_their_confidence() -> None:
    off = replace(CUBE, location=(1.2, 0.0, 0.7))

    unlucky = report([score_picture([CUBE], [off, CUBE], [0.9, 0.2])], CLEVR).reliability
    lucky = report([score_picture([CUBE], [off, CUBE], [0.2, 0.9])], CLEVR).reliability

    assert (unlucky.auroc, lucky.auroc) == (0.0, 1.0)


def test_confidences_must_fit_the_statements() -> None:
    with pytest.raises(ValueError, match="2 confidences came with 1 statements"):
        score_picture([CUBE], [CUBE], [0.9, 0.8])


def test_figures_that_nothing_was_measured_for_are_null_at_every_depth() -> None:
    value = report([], CLEVR).to_json()

    assert value["average_precision"] == dict.fromkeys(["inf", "1", "0.5", "0.25", "0.125", "0.0625"])
    assert value["f1_words_required"] == dict.fromkeys(["0.5", "0.25", "0.125", "0.0625"])
    assert value["reliability"] == {
        "statements": 0,
        "right_share": None,
        "mean_confidence": None,
        "calibration_error": None,
        "auroc": None,
    }
