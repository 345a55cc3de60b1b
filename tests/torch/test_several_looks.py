# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture looked at several times: what is averaged, what is not, and that a shift moves nothing in the picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import TINY, noise_pictures

from igllm_addon.core.errors import WeightsError
from igllm_addon.model_runner.geometry import focal_length_px
from igllm_addon.model_runner.several_looks import described
from igllm_addon.model_runner.vision import VisionTower
from igllm_addon.model_runner.vision_config import VisionConfig

_VISION = VisionConfig(input_width_px=64, channels=(8, 8, 8), blocks=(1, 1), fine_channels=8, second_look_px=16)
_PLACES = torch.tensor([0, 1, 1]), torch.tensor([2, 3, 7]), torch.tensor([4, 5, 9])


def _tower(looks: int) -> VisionTower:
    torch.manual_seed(1)
    tower = VisionTower(replace(_VISION, looks=looks), TINY.geometry, TINY.vocabulary).eval().requires_grad_(False)
    for parameter in tower.parameters():
        parameter.normal_(0.0, 0.2)
    return tower


def test_one_look_is_what_the_tower_describes() -> None:
    tower = _tower(1)
    maps = tower(noise_pictures(1, 2))

    found, expected = described(tower, maps, *_PLACES, torch.ones(3)), tower.describe(maps, *_PLACES, torch.ones(3))

    assert torch.equal(found.words["shape"], expected.words["shape"])
    assert torch.equal(found.xy, expected.xy)


def test_several_looks_change_what_is_said_but_not_where_it_is() -> None:
    tower = _tower(4)
    maps = tower(noise_pictures(1, 2))

    found, first = described(tower, maps, *_PLACES, torch.ones(3)), tower.describe(maps, *_PLACES, torch.ones(3))

    assert torch.equal(found.xy, first.xy)
    assert torch.equal(found.camera, first.camera)
    assert float((found.yaw - first.yaw).abs().min()) > 0.0
    assert float((torch.softmax(found.words["color"], 1) - torch.softmax(first.words["color"], 1)).abs().amax(1).min()) > 0.0


def test_two_looks_say_the_mean_of_both() -> None:
    tower = _tower(2)
    torch.nn.init.zeros_(tower.offset[2].weight)  # so that a place is the middle of its cell
    torch.nn.init.zeros_(tower.offset[2].bias)
    torch.nn.init.zeros_(tower.second_look.corrections["offset"].weight)
    torch.nn.init.zeros_(tower.second_look.corrections["offset"].bias)
    pictures = noise_pictures(1, 2)
    maps = tower(pictures)

    found = described(tower, maps, *_PLACES, torch.ones(3))

    first = tower.describe(maps, *_PLACES, torch.ones(3))
    # The middle of a cell is the corner of four when the picture lies half a cell further.
    second = tower.describe(tower(pictures, (2, 2)), _PLACES[0], _PLACES[1] + 1, _PLACES[2] + 1, torch.ones(3))
    assert torch.allclose(found.doubt, (first.doubt + second.doubt) / 2, atol=1e-5)
    chances = [torch.log_softmax(seen.words["shape"], 1) for seen in (first, second)]
    assert torch.allclose(found.words["shape"], (chances[0] + chances[1]) / 2, atol=1e-5)


def test_a_shifted_picture_is_described_in_its_own_pixels() -> None:
    tower = _tower(1)
    torch.nn.init.zeros_(tower.offset[2].weight)
    torch.nn.init.zeros_(tower.offset[2].bias)
    torch.nn.init.zeros_(tower.second_look.corrections["offset"].weight)
    torch.nn.init.zeros_(tower.second_look.corrections["offset"].bias)

    seen = tower.describe(tower(noise_pictures(1, 2), (2, 1)), *_PLACES, torch.ones(3))

    focal = focal_length_px(TINY.geometry, 64)
    u, v = 32.0 + seen.place[:, 0] * focal, 24.0 - seen.place[:, 1] * focal
    assert torch.allclose(u, torch.tensor([16.0, 20.0, 36.0]), atol=1e-3)  # 4 (column + 1/2) - 2
    assert torch.allclose(v, torch.tensor([9.0, 13.0, 29.0]), atol=1e-3)  # 4 (row + 1/2) - 1


def test_a_place_where_hardly_anything_is_is_looked_at_once() -> None:
    tower = _tower(4)
    maps = tower(noise_pictures(1, 2))
    trust = torch.tensor([1.0, 0.001, 0.001])

    found, first = described(tower, maps, *_PLACES, trust), tower.describe(maps, *_PLACES, trust)

    assert torch.equal(found.yaw[1:], first.yaw[1:])
    assert not torch.equal(found.yaw[:1], first.yaw[:1])


def test_other_numbers_of_looks_are_refused() -> None:
    with pytest.raises(WeightsError, match="3 looks; expected 1, 2 or 4"):
        replace(_VISION, looks=3)
