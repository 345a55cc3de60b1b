# SPDX-License-Identifier: GPL-3.0-or-later
"""The closer look at places of a picture: which pixels it sees, and that it starts by changing nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import TINY, noise_pictures, tiny_model

from igllm_addon.core.errors import WeightsError
from igllm_addon.model_runner.checkpoint import load_checkpoint, save_checkpoint
from igllm_addon.model_runner.data import MOST_OBJECTS, SceneTensors
from igllm_addon.model_runner.second_look import SecondLook, windows
from igllm_addon.model_runner.shipped import model_directory
from igllm_addon.model_runner.starting_weights import start_tower
from igllm_addon.model_runner.tower_training import tower_step_loss
from igllm_addon.model_runner.vision import VisionTower
from igllm_addon.model_runner.vision_config import VisionConfig

_PLAIN = VisionConfig(input_width_px=64, channels=(8, 8, 8), blocks=(1, 1), fine_channels=8)
_LOOKING = replace(_PLAIN, second_look_px=16)


def test_a_window_shows_the_pixels_about_its_centre() -> None:
    pictures = torch.arange(2 * 3 * 40 * 60, dtype=torch.float32).reshape(2, 3, 40, 60)

    seen = windows(pictures, torch.tensor([1]), torch.tensor([[30.0, 20.0]]), torch.tensor([8.0]), 16)

    assert torch.allclose(seen[0], pictures[1, :, 12:28, 22:38] - 0.5)


def test_what_lies_outside_of_a_picture_is_zero() -> None:
    seen = windows(torch.ones(1, 3, 40, 60), torch.tensor([0]), torch.tensor([[0.0, 0.0]]), torch.tensor([8.0]), 16)

    assert torch.equal(seen[0, :, :7, :], torch.zeros(3, 7, 16))
    assert torch.allclose(seen[0, :, 9:, 9:], torch.full((3, 7, 7), 0.5))


def test_each_place_looks_at_its_own_picture_in_any_order() -> None:
    pictures = torch.stack([torch.full((3, 40, 60), 0.1), torch.full((3, 40, 60), 0.9)])
    centres = torch.tensor([[30.0, 20.0]]).expand(3, 2)

    seen = windows(pictures, torch.tensor([1, 0, 1]), centres, torch.full((3,), 8.0), 16)

    assert torch.allclose(seen.mean(dim=(1, 2, 3)), torch.tensor([0.4, -0.4, 0.4]))


def test_a_tower_that_gets_a_second_look_goes_on_where_it_was(tmp_path: Path) -> None:
    model = tiny_model(1)
    save_checkpoint(tmp_path, model)
    old, new = (VisionTower(vision, TINY.geometry, TINY.vocabulary) for vision in (_PLAIN, _LOOKING))
    places = torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([4, 5])

    for tower in (old, new):
        start_tower(tower.eval(), tmp_path)
    pictures = noise_pictures(1, 2, 48)
    before = old.describe(old(pictures), *places, torch.ones(2))
    after = new.describe(new(pictures), *places, torch.ones(2))

    assert torch.allclose(before.xy, after.xy)
    assert torch.allclose(before.words["shape"], after.words["shape"])
    assert torch.equal(after.doubt, torch.zeros(2))


def test_places_where_surely_nothing_is_are_not_looked_at_again() -> None:
    tower = VisionTower(_LOOKING, TINY.geometry, TINY.vocabulary).eval()
    places = torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([4, 5])

    seen = tower.describe(tower(noise_pictures(1, 2, 48)), *places, torch.zeros(2))

    assert torch.equal(seen.doubt, torch.zeros(2))


def test_a_training_step_teaches_every_correction() -> None:
    tower = VisionTower(_LOOKING, TINY.geometry, TINY.vocabulary)
    parts = tower_step_loss(tower, _one_cube(), np.random.default_rng(1))

    parts["loss"].backward()  # type: ignore[no-untyped-call]

    weights = {name: weight for name, weight in tower.second_look.corrections.named_parameters() if name.endswith("weight")}
    taught = {name for name, weight in weights.items() if weight.grad is not None and float(weight.grad.abs().sum()) > 0.0}
    assert len(weights) == 9
    assert taught == set(weights)


def test_a_push_that_all_sums_get_alike_leaves_a_look_that_still_sees() -> None:
    """Everything that is summed up is positive, and the first strides of an optimiser all go one way: rectified sums all ended
    below zero, and a look that saw nothing went unnoticed behind a tower that was good by itself."""
    torch.manual_seed(1)
    look = SecondLook(48, 4, {"shape": 3})
    with torch.no_grad():
        for layer in look.summary:
            if isinstance(layer, torch.nn.Linear):
                layer.weight -= 0.03
        look.corrections["shape"].weight.fill_(1.0)

        told = look(
            torch.rand(2, 3, 60, 80), torch.tensor([0, 1]), torch.full((2, 2), 30.0), torch.full((2,), 9.0), torch.zeros(2, 4)
        )

    assert float((told["shape"][0] - told["shape"][1]).abs().max()) > 1e-3


def test_the_shipped_models_second_look_answers_to_what_it_sees() -> None:
    tower = load_checkpoint(model_directory("clevr-small")).tower
    picture, place = torch.zeros(2, dtype=torch.long), torch.tensor([[120.0, 90.0], [40.0, 30.0]])
    known = torch.zeros(2, tower.config.feature_width + 2)

    with torch.no_grad():
        told = tower.second_look(noise_pictures(1, 1, 180), picture, place, torch.full((2,), 9.0), known)

    still = [name for name, values in told.items() if float((values[0] - values[1]).abs().max()) < 1e-2]
    assert still == []


def test_in_training_a_second_look_has_to_do_without_the_first_at_some_places() -> None:
    torch.manual_seed(1)
    tower = VisionTower(_LOOKING, TINY.geometry, TINY.vocabulary).train()
    maps = tower(noise_pictures(1, 1, 48))
    places = torch.zeros(40, dtype=torch.long), torch.full((40,), 3), torch.full((40,), 5)

    alone = tower.describe(maps, *places, torch.ones(40)).words["shape"].abs().sum(dim=1) == 0.0
    heard = tower.eval().describe(maps, *places, torch.ones(40)).words["shape"]

    assert 8 < int(alone.sum()) < 32
    assert torch.equal(heard, heard[:1].expand(40, -1))


def test_a_side_that_cannot_be_halved_often_enough_is_refused() -> None:
    with pytest.raises(WeightsError, match="multiple of 16"):
        replace(_PLAIN, second_look_px=20)


def _one_cube() -> SceneTensors:
    exists = torch.zeros(1, MOST_OBJECTS, dtype=torch.bool)
    exists[0, 0] = True
    location = torch.zeros(1, MOST_OBJECTS, 3)
    location[..., 2] = 0.7
    return SceneTensors(
        images=torch.randint(0, 255, (1, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)),
        camera=torch.tensor([[11.0, 0.5]]),
        exists=exists,
        uv=torch.full((1, MOST_OBJECTS, 2), 24.0),
        bbox=torch.tensor([14.0, 14.0, 34.0, 34.0]).expand(1, MOST_OBJECTS, 4).clone(),
        location=location,
        words=torch.zeros(1, MOST_OBJECTS, 4, dtype=torch.long),
        yaw=torch.full((1, MOST_OBJECTS), 0.3),
        rotation=torch.zeros(1, MOST_OBJECTS, 0),
    )
