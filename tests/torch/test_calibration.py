# SPDX-License-Identifier: GPL-3.0-or-later
"""Confidences are scaled so that they mean what they say, and their order stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import noise_pictures, tiny_model

from igllm_addon.model_runner.calibration import calibrated, fit_calibration
from igllm_addon.model_runner.config import config_from_json, config_to_json
from igllm_addon.model_runner.decoding import ProgramWriter


def test_a_fit_finds_how_the_confidences_were_bent() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(0.02, 0.98, 20000)
    right = rng.random(20000) < truth
    logit = np.log(truth / (1.0 - truth))
    modest = 1.0 / (1.0 + np.exp(-(logit - 0.5) / 2.0))

    scale, shift = fit_calibration(modest.tolist(), right.tolist())

    assert (scale, shift) == pytest.approx((2.0, 0.5), abs=0.08)


@pytest.mark.parametrize("confidence", [0.0, 0.2, 1.0])
def test_confidences_stay_between_nought_and_one(confidence: float) -> None:
    assert 0.0 <= calibrated(confidence, (3.0, -1.0)) <= 1.0


def test_no_calibration_changes_nothing() -> None:
    assert calibrated(0.123456, (1.0, 0.0)) == 0.123456


def test_a_models_calibration_changes_confidences_and_nothing_else() -> None:
    model = tiny_model(4)
    glimpse = model.look(noise_pictures(4, 4))
    plain = ProgramWriter(model, glimpse).programs()
    model.config = replace(model.config, calibration=(0.5, 1.0))

    scaled = ProgramWriter(model, glimpse).programs()

    assert [[one.text for one in program] for program in scaled] == [[one.text for one in program] for program in plain]
    before = [one.confidence for program in plain for one in program if one.item is not None]
    after = [one.confidence for program in scaled for one in program if one.item is not None]
    assert after == pytest.approx([calibrated(value, (0.5, 1.0)) for value in before])
    assert before != after


def test_a_checkpoints_config_keeps_its_calibration() -> None:
    config = replace(tiny_model(0).config, calibration=(1.5, 0.25))

    assert config_from_json(config_to_json(config), "here").calibration == (1.5, 0.25)
