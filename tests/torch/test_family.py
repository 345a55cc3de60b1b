# SPDX-License-Identifier: GPL-3.0-or-later
"""Every composition that a config can ask for: it trains a step, is saved, loaded, and writes valid code with random weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import TINY, noise_pictures, noise_scenes

from igllm_addon.core.errors import WeightsError
from igllm_addon.core.graphics_code import parse, serialize
from igllm_addon.core.vocabulary import CLEVR, Vocabulary
from igllm_addon.model_runner import decoding
from igllm_addon.model_runner.checkpoint import load_checkpoint, save_checkpoint
from igllm_addon.model_runner.config import NUMERIC_HEADS, ROTATIONS, ModelConfig
from igllm_addon.model_runner.decoder_training import GlimpseSet, decoder_step_loss
from igllm_addon.model_runner.decoding import ProgramWriter
from igllm_addon.model_runner.model import Igllm
from igllm_addon.model_runner.programs import Variety


@pytest.fixture(autouse=True)
def _short_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wild weights seldom end a program by themselves."""
    monkeypatch.setattr(decoding, "_MOST_POSITIONS", 100)


def _config(**decoder: Any) -> ModelConfig:
    return replace(TINY, decoder=replace(TINY.decoder, width=16, layers=1, intermediate_width=16, **decoder))


def _wild(config: ModelConfig, seed: int) -> Igllm:
    """A model whose weights are random and large."""
    torch.manual_seed(seed)
    model = Igllm(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(0.0, 0.4)
    return model


def _codes(model: Igllm, count: int) -> list[str]:
    written = ProgramWriter(model, model.look(noise_pictures(1, count))).programs()
    return ["".join(statement.text for statement in statements) for statements in written]


def _step(config: ModelConfig) -> tuple[Igllm, dict[str, torch.Tensor]]:
    """A model after one step on scenes of two objects, and the parts of its loss."""
    torch.manual_seed(0)
    model = Igllm(config)
    model.tower.eval().requires_grad_(False)
    glimpse, scenes, peaks = GlimpseSet(model, noise_scenes(0, 4), 1, 0).batch(np.random.default_rng(0), 3)
    peaks[:, 0], peaks[:, 1] = 0, 1
    parts = decoder_step_loss(model, glimpse, scenes, peaks, Variety(np.random.default_rng(1), True, True))
    parts["loss"].backward()
    return model, parts


_COMPOSITIONS = [
    {"dialect": dialect, "numeric_head": head, "rotation": rotation, "pointer": head != "none"}
    for dialect, head, rotation in product(("compact", "text"), NUMERIC_HEADS, ROTATIONS)
]
_OPTIONS = [
    {"dialect": dialect, "visual": visual, "pointer": pointer, "number_scales": scales, "feed_numbers": feed}
    for dialect, (visual, pointer), scales, feed in product(
        ("compact", "text"), (("peaks", True), ("peaks", False), ("grid16", False)), (True, False), (True, False)
    )
]
_OTHERS = [
    {"dialect": "text", "tokenizer": "characters", "numeric_head": "none", "pointer": False},
    {"dialect": "text", "camera": False, "projector": "linear"},
    {"dialect": "compact", "camera": False, "visual": "grid8", "pointer": False},
]


@pytest.mark.parametrize("decoder", _COMPOSITIONS + _OPTIONS + _OTHERS, ids=lambda decoder: "-".join(map(str, decoder.values())))
def test_a_composition_learns_is_kept_and_writes_valid_code(tmp_path: Path, decoder: dict[str, Any]) -> None:
    config = _config(**decoder)

    learned, parts = _step(config)

    assert all(bool(torch.isfinite(part)) for part in parts.values())
    assert ("pointer" in parts) == config.decoder.pointer
    idle = [name for name, value in learned.named_parameters() if value.requires_grad and value.grad is None]
    assert idle == []
    model = _wild(config, 3)
    save_checkpoint(tmp_path, model)
    loaded = load_checkpoint(tmp_path)
    assert loaded.config == config
    for code in _codes(loaded, 2):
        result = parse(code, CLEVR)
        assert result.error is None
        assert serialize(result.scene, CLEVR) == code
        assert (result.scene.camera is not None) == config.decoder.camera


def _space_config(rotation_length: int, decoder_rotation: str) -> ModelConfig:
    """A template with rotations in space and nothing but the picture's features to tell them from."""
    vocabulary = Vocabulary(
        template="space",
        words={"size": ("large", "small"), "shape": ("arrow", "box")},
        rotation_length=rotation_length,
        yaw_symmetry_orders={"box": 4},
        object_limit=3,
        required_fields=("shape", "loc"),
    )
    return replace(
        TINY, vocabulary=vocabulary, decoder=replace(TINY.decoder, rotation=decoder_rotation, visual="grid16", pointer=False)
    )


@pytest.mark.parametrize(("rotation_length", "rotation"), list(product((3, 6), ROTATIONS)))
@pytest.mark.parametrize("numeric_head", ["none", "linear"])
def test_rotations_in_space_are_written_in_every_encoding(rotation_length: int, rotation: str, numeric_head: str) -> None:
    config = _space_config(rotation_length, rotation)
    model = _wild(replace(config, decoder=replace(config.decoder, numeric_head=numeric_head)), 5)

    codes = _codes(model, 2)

    results = [parse(code, config.vocabulary) for code in codes]
    assert [result.error for result in results] == [None, None]
    assert {len(item.rotation or ()) for result in results for item in result.scene.objects} <= {rotation_length}


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"visual": "grid16"}, "a pointer needs peaks"),
        ({"numeric_head": "none"}, "digits cannot be offsets"),
        ({"dialect": "morse"}, "'morse' for the dialect"),
        ({"rotation": "gimbal"}, "'gimbal' for the rotation encoding"),
        ({"visual": "patches", "pointer": False}, "open_clip tower gives patches"),
    ],
)
def test_compositions_that_make_no_sense_are_refused_in_one_sentence(decoder: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        _config(**decoder)


def test_a_program_that_does_not_end_is_ended_however_many_tokens_the_picture_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_MOST_POSITIONS", 12)
    model = _wild(_config(pointer=False), 0)
    model.language_model.lm_head.weight.zero_()  # so that another cube follows, whatever comes

    [statements] = ProgramWriter(model, model.look(noise_pictures(0, 1))).programs()

    # One position for the camera and seven for a cube: the limit is passed in the second.
    assert [statement.item is None for statement in statements] == [True, False, False]


def test_the_numbers_that_are_trained_are_those_that_decoding_reads() -> None:
    """Learn one scene by heart, without a pointer: what is then written must come near to its label."""
    config = _config(dialect="compact", pointer=False, feed_numbers=False, rotation="euler", visual="grid16")
    torch.manual_seed(0)
    model = Igllm(config)
    model.tower.eval().requires_grad_(False)
    scenes = noise_scenes(0, 1)
    glimpse = model.look(scenes.images.permute(0, 3, 1, 2).float() / 255.0)
    peaks = torch.full(scenes.exists.shape, -1)
    optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=0.01)

    for _ in range(150):
        optimizer.zero_grad()
        decoder_step_loss(model, glimpse, scenes, peaks)["loss"].backward()
        optimizer.step()

    [statements] = ProgramWriter(model.eval(), glimpse).programs()
    items = [statement.item for statement in statements if statement.item is not None]
    assert [item.shape for item in items] == ["cube", "sphere"]
    assert items[0].location == pytest.approx((-1.0, 1.0, 0.7), abs=0.3)
    assert items[1].location == pytest.approx((2.0, 0.5, 0.35), abs=0.3)
    assert items[0].rotation == pytest.approx((0.3,), abs=0.2)
    assert items[1].rotation is None
