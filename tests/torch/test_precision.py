# SPDX-License-Identifier: GPL-3.0-or-later
"""bfloat16: chosen where the processor has it, and both stages train in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_shards import tiny_training, write_shard

from igllm_addon.model_runner import training
from igllm_addon.model_runner.precision import uses_bf16


@pytest.mark.parametrize(
    ("precision", "avx512", "amx", "expected"),
    [
        ("auto", False, False, False),
        ("auto", True, False, True),
        ("auto", False, True, True),
        ("fp32", True, True, False),
        ("bf16", False, False, True),
    ],
)
def test_bf16_is_used_where_it_is_asked_for_or_there(
    monkeypatch: pytest.MonkeyPatch, precision: str, avx512: bool, amx: bool, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    assert uses_bf16(precision, "cpu") is expected


def test_no_other_device_is_taken_for_one_with_bf16() -> None:
    assert not uses_bf16("auto", "mps")


def test_both_stages_train_in_bf16_with_weights_in_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "data", 8)
    config = tiny_training(tmp_path / "data", tmp_path / "out", precision="bf16")
    seen: list[bool] = []
    original = training.decoder_step_loss

    def loss(*arguments: object) -> object:
        seen.append(torch.is_autocast_enabled("cpu"))
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "decoder_step_loss", loss)

    tower = training.train_tower(config, resume=False)
    model = training.train_decoder(config, resume=False)

    assert all(torch.isfinite(parameter).all() for parameter in tower.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert seen == [True] * 6
