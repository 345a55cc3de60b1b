# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: shards in, a checkpoint out, and a run that was stopped ends exactly where an unbroken one does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import TINY, noise_scenes, tiny_model
from tiny_shards import tiny_training, write_shard

from igllm_addon.core.errors import UsageError
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner import training
from igllm_addon.model_runner.augmentation import augmented, band
from igllm_addon.model_runner.checkpoint import load_checkpoint, save_checkpoint
from igllm_addon.model_runner.data import load_shard
from igllm_addon.model_runner.tower_training import climbed_cells, tower_step_loss
from igllm_addon.model_runner.training_config import read_training_config


def _stopping_after(steps: int, original: Callable[..., object]) -> Callable[..., object]:
    calls = iter(range(steps))

    def loss(*arguments: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return original(*arguments)

    return loss


def test_a_shard_is_read_at_the_towers_width(tmp_path: Path) -> None:
    scenes = load_shard(write_shard(tmp_path / "data", 2), 64, CLEVR)

    assert scenes.images.shape == (2, 48, 64, 3)
    assert scenes.exists.sum(dim=1).tolist() == [2, 2]
    assert scenes.uv[0, :2].tolist() == [[16.0, 20.0], [44.0, 30.0]]
    assert scenes.bbox[0, 0].tolist() == [10.0, 14.0, 22.0, 26.0]
    assert scenes.words[0, :2].tolist() == [[3, 0, 0, 0], [0, 1, 1, 1]]
    assert scenes.yaw[0, 0].item() == pytest.approx(0.3)
    assert math.isnan(scenes.yaw[0, 1])
    assert scenes.camera[0].tolist() == pytest.approx([11.26370, 0.494303], abs=1e-4)


def test_a_stage_learns_from_its_first_scenes_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "a", 3)
    write_shard(tmp_path / "b", 3)
    stage = replace(tiny_training(tmp_path / "a", tmp_path / "out").tower, data=(str(tmp_path / "a"), str(tmp_path / "b")))

    few = training.GrowingShards(replace(stage, scenes=4), 64, CLEVR).scenes
    every = training.GrowingShards(stage, 64, CLEVR).scenes

    assert few is not None and every is not None
    assert (len(few), len(every)) == (4, 6)
    assert torch.equal(few.images, every.images[:4])


def test_a_set_that_is_smaller_than_a_stage_wants_is_refused_unless_it_may_grow(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 3)
    stage = tiny_training(tmp_path / "data", tmp_path / "out", scenes=4).tower

    with pytest.raises(UsageError, match="3 scenes are there, and the training wants 4; make more"):
        training.GrowingShards(stage, 64, CLEVR)
    assert training.GrowingShards(replace(stage, rescan_steps=2), 64, CLEVR).scenes is not None


@pytest.mark.parametrize("stage", ["tower", "decoder"])
def test_a_stopped_training_ends_like_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    write_shard(tmp_path / "data", 8)
    keys = {"ema_decay": 0.9, "validation": (str(tmp_path / "data"),), "validate_steps": 2}
    unbroken, broken = (tiny_training(tmp_path / "data", tmp_path / name, **keys) for name in ("unbroken", "broken"))
    run = {"tower": training.train_tower, "decoder": training.train_decoder}[stage]
    for config in (unbroken, broken)[: 2 * (stage == "decoder")]:
        training.train_tower(config, resume=False)

    expected = run(unbroken, resume=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, f"{stage}_step_loss", _stopping_after(5, getattr(training, f"{stage}_step_loss")))
        run(broken, resume=False)
    found = run(broken, resume=True)

    different = [name for name, value in expected.state_dict().items() if not torch.equal(value, found.state_dict()[name])]
    assert different == []


def test_training_ends_with_a_checkpoint_that_loads(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    config = tiny_training(tmp_path / "data", tmp_path / "out")

    training.train_tower(config, resume=False)
    model = training.train_decoder(config, resume=False)

    loaded = load_checkpoint(tmp_path / "out" / "checkpoint")
    assert loaded.config == TINY
    assert torch.allclose(loaded.pointer_query.weight, model.pointer_query.weight, atol=1e-3)


def test_the_decoder_stage_leaves_the_tower_as_it_was(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    config = tiny_training(tmp_path / "data", tmp_path / "out")

    tower = training.train_tower(config, resume=False)
    model = training.train_decoder(config, resume=False)

    assert all(torch.equal(value, model.tower.state_dict()[name]) for name, value in tower.state_dict().items())


def test_only_the_named_parts_of_a_tower_learn(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    save_checkpoint(tmp_path / "start", tiny_model(1))
    plain = tiny_training(tmp_path / "data", tmp_path / "out", start=str(tmp_path / "start"), learns=("second_look",))
    config = replace(plain, model=replace(TINY, vision=replace(TINY.vision, second_look_px=16)))
    before = tiny_model(1).tower.state_dict()

    after = training.train_tower(config, resume=False).state_dict()

    assert {name for name in before if not torch.equal(before[name].half().float(), after[name])} == set()
    assert float(after["second_look.corrections.shape.weight"].abs().max()) > 0.0


def test_a_part_that_a_tower_does_not_have_is_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    config = tiny_training(tmp_path / "data", tmp_path / "out", learns=("second_look",))

    with pytest.raises(UsageError, match="learns names 'second_look'; this tower's parts are stem, "):
        training.train_tower(config, resume=False)


def test_objects_are_described_at_the_highest_cell_nearby() -> None:
    heat = torch.zeros(2, 5, 6)
    heat[1, 3, 4], heat[0, 0, 0] = 2.0, 1.0
    picture, row, column = torch.tensor([1, 0, 1]), torch.tensor([2, 1, 0]), torch.tensor([3, 1, 5])

    climbed = climbed_cells(heat, picture, row, column)

    assert [cells.tolist() for cells in climbed] == [[3, 0, 0], [4, 0, 4]]


def test_a_part_of_the_loss_can_weigh_more() -> None:
    batch, tower = noise_scenes(1, 2), tiny_model(1).tower

    usual = tower_step_loss(tower, batch, np.random.default_rng(1))
    more = tower_step_loss(tower, batch, np.random.default_rng(1), {"shape": 3.0})

    assert float(more["loss"]) == pytest.approx(float(usual["loss"] + 2.0 * usual["shape"]), rel=1e-5)


def test_a_part_that_a_loss_does_not_have_is_named() -> None:
    with pytest.raises(UsageError, match="loss_weights names 'form'; the parts of this loss are heat, offset, "):
        tower_step_loss(tiny_model(1).tower, noise_scenes(1, 2), np.random.default_rng(1), {"form": 3.0})


def test_a_state_of_another_architecture_is_not_resumed(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    config = tiny_training(tmp_path / "data", tmp_path / "out")
    training.train_tower(config, resume=False)
    wider = replace(TINY, vision=replace(TINY.vision, fine_channels=12))

    with pytest.raises(UsageError, match="belongs to another config"):
        training.train_tower(replace(config, model=wider), resume=True)


def test_the_band_of_a_picture_keeps_the_objects_that_it_shows() -> None:
    scenes = noise_scenes(0, 1)
    scenes.uv[0, 0, 1], scenes.bbox[0, 0, 1], scenes.bbox[0, 0, 3] = 1.0, 0.0, 5.0

    cropped = band(scenes)

    assert cropped.images.shape == (1, 43, 64, 3)
    assert torch.equal(cropped.images, scenes.images[:, 2:45])
    assert cropped.exists[0, :3].tolist() == [False, True, False]
    assert cropped.uv[0, 1].tolist() == [44.0, 28.0]


def test_variety_keeps_pictures_in_range_and_depends_on_the_generator_alone() -> None:
    scenes = noise_scenes(0, 6)

    first, _ = augmented(scenes, np.random.default_rng(4))
    again, _ = augmented(scenes, np.random.default_rng(4))

    assert torch.equal(first, again)
    assert float(first.min()) >= 0.0 and float(first.max()) <= 1.0
    assert not torch.allclose(first[0], scenes.images[0, : first.shape[2]].permute(2, 0, 1) / 255.0, atol=1e-3)


@pytest.mark.parametrize(("name", "width_px"), [("clevr-small", 240), ("clevr-cogent", 160)])
def test_the_configs_in_the_repository_can_be_read(name: str, width_px: int) -> None:
    config = read_training_config(Path(__file__).parents[2] / "configs" / f"{name}.json")

    assert config.model.name == name
    assert config.model.vision.input_width_px == width_px


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ("{}", "has no 'vision'"), ('{"vision": {"depth": 3}, "name": "x", "template": "clevr"}', "config")],
)
def test_a_config_that_does_not_fit_is_refused_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.json").write_text(text)

    with pytest.raises(UsageError, match=rf"mine\.json.*{message}"):
        read_training_config(tmp_path / "mine.json")
