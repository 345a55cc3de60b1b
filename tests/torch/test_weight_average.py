# SPDX-License-Identifier: GPL-3.0-or-later
"""The moving average of weights, and what becomes of running statistics in it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from igllm_addon.model_runner.weight_average import WeightAverage


def _one_weight(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    _set(layer, value)
    return layer


def _set(layer: nn.Linear, value: float) -> None:
    with torch.no_grad():
        layer.weight.fill_(value)


def test_a_young_average_forgets_the_first_weights_soon() -> None:
    layer = _one_weight(0.0)
    average = WeightAverage(layer, 0.5)

    _set(layer, 1.0)
    average.update(0)  # keeps a tenth of the average: 0.9
    _set(layer, 2.0)
    average.update(1)  # keeps two elevenths of it

    assert average.tensors()["weight"].item() == pytest.approx(0.9 * 2 / 11 + 2.0 * 9 / 11)


def test_an_old_average_keeps_what_the_decay_says() -> None:
    layer = _one_weight(4.0)
    average = WeightAverage(layer, 0.75)

    _set(layer, 8.0)
    average.update(1000)

    assert average.tensors()["weight"].item() == pytest.approx(5.0)


def test_moving_statistics_are_averaged_and_held_ones_are_taken() -> None:
    model = nn.Sequential(nn.BatchNorm1d(1), nn.BatchNorm1d(1))
    average = WeightAverage(model, 0.75)
    model[1].eval()
    model[0].running_mean.fill_(8.0)
    model[1].running_mean.fill_(8.0)

    average.update(1000)

    assert average.tensors()["0.running_mean"].item() == pytest.approx(2.0)
    assert average.tensors()["1.running_mean"].item() == 8.0


def test_a_frozen_part_is_not_averaged() -> None:
    model = nn.Sequential(_one_weight(1.0), nn.BatchNorm1d(1), _one_weight(2.0))
    model[:2].requires_grad_(False)

    average = WeightAverage(model, 0.9)

    assert average.tensors().keys() == {"2.weight"}


def test_the_model_gets_its_own_weights_back() -> None:
    layer = _one_weight(1.0)
    average = WeightAverage(layer, 0.9)
    _set(layer, 3.0)

    with pytest.raises(ZeroDivisionError), average.applied():
        inside = layer.weight.item()
        raise ZeroDivisionError

    assert (inside, layer.weight.item()) == (1.0, 3.0)
