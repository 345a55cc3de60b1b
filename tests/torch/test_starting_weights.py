# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage of training that starts from another checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import TINY, tiny_model
from tiny_poses import FIXED, TINY_POSE, TOYS

from igllm_addon.core.errors import UsageError
from igllm_addon.model_runner.checkpoint import save_checkpoint
from igllm_addon.model_runner.model import Igllm
from igllm_addon.model_runner.pose_tower import PoseTower
from igllm_addon.model_runner.starting_weights import start_decoder, start_tower
from igllm_addon.model_runner.vision import VisionTower


def test_a_tower_starts_with_the_checkpoints_tower(tmp_path: Path) -> None:
    model = tiny_model(1)
    save_checkpoint(tmp_path, model)
    tower = VisionTower(TINY.vision, TINY.geometry, TINY.vocabulary)  # type: ignore[arg-type]

    start_tower(tower, tmp_path)

    assert torch.equal(tower.stem[0].weight, model.tower.stem[0].weight.half().float())


def test_a_tower_of_more_words_starts_with_all_but_their_answers(tmp_path: Path) -> None:
    other = Igllm(TINY_POSE)
    save_checkpoint(tmp_path, other)
    words = {"shape": (*TOYS.words["shape"], "jack_bent")}
    tower = PoseTower(TINY_POSE.vision, FIXED, replace(TOYS, words=words))  # type: ignore[arg-type]
    fresh = tower.turn[2].weight.clone()  # type: ignore[index, operator, union-attr]

    start_tower(tower, tmp_path)

    assert torch.equal(tower.crop[0][0].weight, other.tower.crop[0][0].weight.half().float())  # type: ignore[index]
    assert torch.equal(tower.turn[2].weight, fresh)  # type: ignore[index, union-attr]
    assert tower.words["shape"].weight.shape[0] == 3


def test_a_decoder_starts_with_everything_but_the_checkpoints_tower(tmp_path: Path) -> None:
    other = tiny_model(1)
    save_checkpoint(tmp_path, other)
    model = tiny_model(2)
    own_tower = model.tower.stem[0].weight.clone()

    start_decoder(model, tmp_path)

    assert torch.equal(model.pointer_query.weight, other.pointer_query.weight.half().float())
    assert torch.equal(model.tower.stem[0].weight, own_tower)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny_model(1))

    with pytest.raises(UsageError, match="another architecture"):
        start_tower(torch.nn.Linear(2, 2), tmp_path)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        start_decoder(tiny_model(1), tmp_path / "nowhere")
