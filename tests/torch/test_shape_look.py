# SPDX-License-Identifier: GPL-3.0-or-later
"""The look at shapes alone: what it sees, what it may not depend on, how it learns, and that its training survives a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import GEOMETRY, TINY, noise_pictures, noise_scenes
from tiny_shards import tiny_training, write_shard
from torch import Tensor

from igllm_addon.core.errors import UsageError, WeightsError
from igllm_addon.model_runner import training
from igllm_addon.model_runner.checkpoint import load_checkpoint
from igllm_addon.model_runner.several_looks import described
from igllm_addon.model_runner.shape_look import ShapeLook
from igllm_addon.model_runner.shape_look_training import ShapeLookStage, ShapeWindows, shape_figures, varied
from igllm_addon.model_runner.training_config import StageConfig, TrainingConfig
from igllm_addon.model_runner.vision import VisionTower
from igllm_addon.model_runner.vision_config import VisionConfig

_LOOKING = VisionConfig(64, (8, 8, 8), (1, 1), fine_channels=8, shape_look_px=16)
_PLACES = torch.tensor([0, 1, 1]), torch.tensor([2, 3, 7]), torch.tensor([4, 5, 9])


def _tower(spread: float = 0.0) -> VisionTower:
    """With random weights, those of the look at shapes multiplied by `spread` if it is not zero."""
    torch.manual_seed(1)
    tower = VisionTower(_LOOKING, GEOMETRY, TINY.vocabulary).eval().requires_grad_(False)
    if spread:
        for parameter in tower.shape_look.parameters():
            parameter.normal_(0.0, spread)
    return tower


def _drawn_shapes(count: int, seed: int, colour_of_shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Kept windows (count, 3, 22, 22) of squares, discs and upright bars on gray, and which it is. colour_of_shape: the channel
    that is bright in each of them."""
    generator = torch.Generator().manual_seed(seed)
    shapes = torch.arange(count) % 3
    steps = torch.linspace(-1.0, 1.0, 22)
    across, down = steps.expand(22, 22), steps[:, None].expand(22, 22)
    masks = torch.stack(
        [(across.abs() < 0.4) & (down.abs() < 0.4), across**2 + down**2 < 0.2, (across.abs() < 0.15) & (down.abs() < 0.5)]
    )
    bright = torch.tensor(colour_of_shape)[shapes]
    colours = torch.randint(0, 60, (count, 3, 1, 1), generator=generator, dtype=torch.uint8)
    colours[torch.arange(count), bright] += 190
    grounds = torch.randint(90, 160, (count, 1, 1, 1), generator=generator, dtype=torch.uint8).expand(-1, 3, -1, -1)
    return torch.where(masks[shapes][:, None], colours, grounds), shapes


class _Drawn(ShapeWindows):
    def __init__(self, count: int, seed: int, colour_of_shape: tuple[int, int, int]) -> None:
        self.images, self.shapes = _drawn_shapes(count, seed, colour_of_shape)


def test_before_it_is_trained_it_changes_no_opinion() -> None:
    tower = _tower()
    maps = tower(noise_pictures(1, 2))

    found, first = described(tower, maps, *_PLACES, torch.ones(3)), tower.describe(maps, *_PLACES, torch.ones(3))

    assert torch.allclose(torch.softmax(found.words["shape"], 1), torch.softmax(first.words["shape"], 1), atol=1e-6)


def test_what_it_saw_counts_for_shapes_and_for_nothing_else() -> None:
    tower = _tower(spread=0.3)
    maps = tower(noise_pictures(1, 2))

    found, first = described(tower, maps, *_PLACES, torch.ones(3)), tower.describe(maps, *_PLACES, torch.ones(3))

    moved = (torch.softmax(found.words["shape"], 1) - torch.softmax(first.words["shape"], 1)).abs().amax(1)
    assert float(moved.min()) > 1e-4
    assert all(torch.equal(found.words[name], first.words[name]) for name in ("size", "color", "material"))
    assert torch.equal(found.xy, first.xy)


def test_where_hardly_anything_is_it_does_not_look() -> None:
    tower = _tower(spread=0.3)
    maps = tower(noise_pictures(1, 2))
    trust = torch.tensor([1.0, 0.001, 0.001])

    found, first = described(tower, maps, *_PLACES, trust), tower.describe(maps, *_PLACES, trust)

    assert torch.allclose(torch.softmax(found.words["shape"], 1)[1:], torch.softmax(first.words["shape"], 1)[1:], atol=1e-6)


def test_a_shape_is_the_same_in_the_mirror() -> None:
    look, pictures = _tower(spread=0.3).shape_look, noise_pictures(1, 1)
    centre, half = torch.tensor([[20.0, 18.0]]), torch.tensor([6.0])

    found = look.chances(pictures, torch.tensor([0]), centre, half)
    mirrored = look.chances(pictures.flip(3), torch.tensor([0]), torch.tensor([[44.0, 18.0]]), half)

    assert torch.allclose(found, mirrored, atol=1e-4)
    assert float(found.exp().amax()) > 0.34


def test_windows_show_objects_as_large_as_each_other() -> None:
    scenes = noise_scenes(1, 1)
    scenes.images.zero_()
    scenes.images[0, 15:26, 11:22] = 255  # about the first centre, (16, 20)

    data = ShapeWindows(_tower(), scenes)

    assert data.images.shape == (2, 3, 21, 21)
    assert data.shapes.tolist() == [0, 1]
    assert data.images[0, :, 10, 10].tolist() == [255, 255, 255]
    # Half a window is 2.2 * 4/3 half extents of 0.7 m at about 11.5 m, through a lens of 70 pixels: 12.5; the square has 5.5.
    assert int((data.images[0, 0, 10] > 127).sum()) == pytest.approx(21 * 5.5 / 12.5, abs=1.5)
    assert int(data.images[1].max()) == 0


def test_variety_keeps_windows_windows_and_follows_the_seed() -> None:
    kept = _drawn_shapes(64, 1, (0, 1, 2))[0].float() / 255.0

    torch.manual_seed(3)
    one = varied(kept, 16)
    torch.manual_seed(3)
    again = varied(kept, 16)
    other = varied(kept, 16)

    assert one.shape == (64, 3, 16, 16)
    assert float(one.min()) >= -0.5 and float(one.max()) <= 0.5
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_hard_windows_are_drawn_more_often() -> None:
    stage = ShapeLookStage(ShapeLook(16, 3), 100)
    stage.difficulty[:90] = 0.0
    stage.difficulty[90:] = 5.0

    drawn = stage.drawn(4000, np.random.default_rng(1))

    assert 0.6 < float((drawn >= 90).float().mean()) < 0.8  # ten of weight 1 against ninety of 0.05
    assert len(set(drawn.tolist())) > 90


def test_it_learns_shapes_and_not_the_colours_that_came_with_them() -> None:
    torch.manual_seed(1)
    stage = ShapeLookStage(ShapeLook(16, 3), 300)
    data, held_out = _Drawn(300, 1, (0, 1, 2)), _Drawn(150, 2, (1, 2, 0))
    optimizer = torch.optim.AdamW(stage.parameters(), lr=3e-3)

    for step in range(150):
        parts = stage.train().step_loss(data, 48, np.random.default_rng(step))
        optimizer.zero_grad()
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    with torch.no_grad():
        figures = shape_figures(stage.eval().look, held_out)
    assert figures["right"] > 0.9
    assert figures["right"] - 1 / 150 < figures["score"] < figures["right"]
    assert figures["cross_entropy"] < 0.4


def _training(data: Path, out: Path) -> TrainingConfig:
    keys = {"ema_decay": 0.9, "validation": (str(data),), "validate_steps": 2}
    stage = StageConfig((str(data),), steps=6, batch=8, learning_rate=0.01, warmup_steps=2, save_steps=2, **keys)  # type: ignore[arg-type]
    config = tiny_training(data, out)
    return replace(config, model=replace(TINY, vision=_LOOKING), shape_look=stage)


def test_a_stopped_stage_ends_like_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "data", 8)
    unbroken, broken = (_training(tmp_path / "data", tmp_path / name) for name in ("unbroken", "broken"))
    original, calls = ShapeLookStage.step_loss, iter(range(5))

    def stopping(*arguments: object) -> dict[str, Tensor]:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return original(*arguments)  # type: ignore[arg-type]

    expected = training.train_shape_look(unbroken, resume=False).state_dict()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ShapeLookStage, "step_loss", stopping)
        training.train_shape_look(broken, resume=False)
    found = training.train_shape_look(broken, resume=True).state_dict()

    assert [name for name, value in expected.items() if not torch.equal(value, found[name])] == []


def test_the_checkpoint_holds_what_each_stage_learnt(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    config = _training(tmp_path / "data", tmp_path / "out")

    tower = training.train_tower(config, resume=False).state_dict()
    training.train_shape_look(config, resume=False)
    model = training.train_decoder(config, resume=False)

    best = torch.load(tmp_path / "out" / "shape_look.best.pt", weights_only=True)["model"]
    kept = load_checkpoint(tmp_path / "out" / "checkpoint").tower.state_dict()
    look = {name: value for name, value in kept.items() if name.startswith("shape_look.")}
    assert all(torch.allclose(value, best[f"look.{name.removeprefix('shape_look.')}"], atol=1e-3) for name, value in look.items())
    assert float(look["shape_look.shape.3.weight"].abs().max()) > 0.0
    others = [name for name in tower if not name.startswith("shape_look.")]
    assert all(torch.equal(tower[name], model.tower.state_dict()[name]) for name in others)


def test_a_stage_can_start_from_a_checkpoint(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 4)
    config = _training(tmp_path / "data", tmp_path / "out")
    for stage in (training.train_tower, training.train_shape_look, training.train_decoder):
        stage(config, resume=False)
    before = load_checkpoint(tmp_path / "out" / "checkpoint").tower.state_dict()

    assert config.shape_look is not None
    still = replace(
        config.shape_look, start=str(tmp_path / "out" / "checkpoint"), learning_rate=0.0, validation=(), ema_decay=0.0
    )
    after = training.train_shape_look(replace(config, out=tmp_path / "next", shape_look=still), resume=False)

    parameters = {f"shape_look.{name}": value for name, value in after.named_parameters()}
    assert all(torch.equal(value, before[name]) for name, value in parameters.items())


def test_a_tower_without_the_look_has_no_such_stage(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 2)
    config = _training(tmp_path / "data", tmp_path / "out")

    with pytest.raises(UsageError, match=r"'tiny' has no look at shapes; set vision\.shape_look_px"):
        training.train_shape_look(replace(config, model=TINY), resume=False)
    with pytest.raises(UsageError, match="'tiny' has no stage \"shape_look\""):
        training.train_shape_look(replace(config, shape_look=None), resume=False)


def test_a_side_that_cannot_be_halved_often_enough_is_refused() -> None:
    with pytest.raises(WeightsError, match="the shape look's side 40; expected a multiple of 16"):
        replace(_LOOKING, shape_look_px=40)
