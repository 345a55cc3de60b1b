# SPDX-License-Identifier: GPL-3.0-or-later
"""The reliability of confidences against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from igllm_addon.model_runner.reliability import auroc, expected_calibration_error, reliability


def test_the_calibration_error_weighs_each_bin_by_its_statements() -> None:
    # Bin 0.9 to 1.0: three statements of mean 0.95, two right: |0.95 - 2/3|. Bin 0.2 to 0.3: one of 0.25, wrong: 0.25.
    error = expected_calibration_error([0.92, 0.95, 0.98, 0.25], [True, False, True, False])

    assert error == pytest.approx((3.0 * (0.95 - 2.0 / 3.0) + 0.25) / 4.0)


def test_errors_of_different_bins_do_not_cancel() -> None:
    # Overall the mean confidence 0.5 equals the share of right ones, but both bins are off by 0.6.
    assert expected_calibration_error([0.6, 0.4], [False, True]) == pytest.approx(0.6)
    assert expected_calibration_error([0.65, 0.65, 0.65, 0.35, 0.35, 0.35], [True, False, False, True, True, False]) == (
        pytest.approx((0.65 - 1.0 / 3.0 + 2.0 / 3.0 - 0.35) / 2.0)
    )


def test_full_confidence_falls_into_the_last_bin_and_none_into_the_first() -> None:
    # 1.0 and 0.9 share the last bin, where the error of the one makes up for that of the other: mean 0.95, half right.
    assert expected_calibration_error([1.0, 0.9, 0.0], [False, True, False]) == pytest.approx(2.0 * 0.45 / 3.0)


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    # Right: 0.9, 0.4. Wrong: 0.5, 0.1. In order: 0.9 > 0.5, 0.9 > 0.1, 0.4 > 0.1, of four pairs.
    assert auroc([0.9, 0.5, 0.4, 0.1], [True, False, True, False]) == pytest.approx(0.75)


def test_a_tie_counts_half() -> None:
    assert auroc([0.5, 0.5, 0.5], [True, False, False]) == pytest.approx(0.5)
    assert auroc([0.5, 0.5, 0.2], [True, False, False]) == pytest.approx(0.75)


def test_auroc_agrees_with_counting_every_pair() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 20, 200) / 20.0
    right = rng.random(200) < values

    counted = np.mean([(a > b) + 0.5 * (a == b) for a in values[right] for b in values[~right]])

    assert auroc(values.tolist(), right.tolist()) == pytest.approx(counted)


def test_what_cannot_be_measured_is_not_a_number() -> None:
    nothing, all_right = reliability([], []), reliability([0.75, 1.0], [True, True])

    assert nothing.statements == 0
    assert math.isnan(nothing.calibration_error)
    assert math.isnan(all_right.auroc)
    assert (all_right.right_share, all_right.mean_confidence, all_right.calibration_error) == (1.0, 0.875, 0.125)
