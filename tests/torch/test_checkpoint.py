# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: what is saved comes back, and what does not fit is refused with the name of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import TINY, noise_pictures, tiny_model

from igllm_addon.core.errors import WeightsError
from igllm_addon.model_runner.checkpoint import load_checkpoint, load_config, save_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "tiny", tiny_model(3))
    return tmp_path / "tiny"


def _edit_config(folder: Path, **changes: object) -> None:
    value = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(value | changes))


def _edit_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors")
    _edit_config(folder, weights_sha256=None)


def test_a_checkpoint_comes_back_with_its_config_and_its_weights(folder: Path) -> None:
    saved = tiny_model(3)

    loaded = load_checkpoint(folder)

    assert loaded.config == TINY
    pictures = noise_pictures(0, 1)
    assert torch.allclose(loaded.look(pictures).camera, saved.look(pictures).camera, atol=2e-3)


def test_a_loaded_model_neither_trains_nor_updates_statistics(folder: Path) -> None:
    loaded = load_checkpoint(folder)

    assert [name for name, parameter in loaded.named_parameters() if parameter.requires_grad] == []
    assert [name for name, module in loaded.named_modules() if module.training] == []


def test_a_missing_tensor_is_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["tower.heat.bias"]
    _edit_weights(folder, tensors)

    with pytest.raises(WeightsError, match=r"misses tower\.heat\.bias"):
        load_checkpoint(folder)


def test_an_unexpected_tensor_is_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    _edit_weights(folder, tensors | {"tower.second_heat.bias": torch.zeros(1)})

    with pytest.raises(WeightsError, match=r"has the unexpected tower\.second_heat\.bias"):
        load_checkpoint(folder)


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    _edit_weights(folder, tensors | {"tower.heat.bias": torch.zeros(2)})

    with pytest.raises(WeightsError, match=r"tower\.heat\.bias has the shape \(2,\), expected \(1,\)"):
        load_checkpoint(folder)


def test_another_architecture_in_the_config_does_not_fit(folder: Path) -> None:
    value = json.loads((folder / "config.json").read_text())
    _edit_config(folder, decoder=value["decoder"] | {"layers": 3})

    with pytest.raises(WeightsError, match=r"misses language_model\.model\.layers\.2"):
        load_checkpoint(folder)


def test_a_damaged_file_is_told_from_its_checksum(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)

    with pytest.raises(WeightsError, match="sha256"):
        load_checkpoint(folder)


def test_a_file_that_holds_no_tensors_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    _edit_config(folder, weights_sha256=None)

    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_checkpoint(folder)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not the config of a checkpoint"),
        ("[1, 2]", "is not the config of a checkpoint"),
        ('{"format": "igllm-checkpoint", "version": 7}', "version 7"),
        ('{"format": "igllm-checkpoint", "version": 1}', "name"),
    ],
)
def test_a_config_that_is_none_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)

    with pytest.raises(WeightsError, match=message):
        load_config(folder)


def test_an_unknown_numeric_head_is_refused(folder: Path) -> None:
    value = json.loads((folder / "config.json").read_text())
    _edit_config(folder, decoder=value["decoder"] | {"numeric_head": "psychic"})

    with pytest.raises(WeightsError, match="psychic"):
        load_config(folder)
