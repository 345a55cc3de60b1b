# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: a folder with config.json and model.safetensors. Written atomically, loaded strictly.

Parameters are stored in half precision; running statistics of normalisations keep their own. config.json names the sha256 of the
weights, so that a torn download is told from a wrong architecture. What a model builds on without changing it (a pretrained
language model, an open_clip tower) stays in its own folder: config.json names it and what it must be, and the checkpoint holds
adapters, projector and heads. Adapters are merged when a checkpoint is loaded, so that they cost nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ..core.errors import WeightsError
from .config import ModelConfig, config_from_json, config_to_json
from .language import has_adapters, merge_adapters
from .model import Igllm

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
_NAMES_SHOWN = 5


def save_checkpoint(directory: Path, model: Igllm) -> str:
    """Write a model's folder; returns the sha256 of its weights."""
    base = model.config.decoder.base
    if base is not None and base.training == "lora" and not has_adapters(model.language_model):
        raise WeightsError("a model whose adapters are merged cannot be saved; copy the folder that it was loaded from")
    directory.mkdir(parents=True, exist_ok=True)
    kept = {name for name, _ in model.named_parameters()}
    tensors = {
        name: (tensor.to(torch.float16) if name in kept else tensor).cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    data = save_tensors(tensors)
    digest = hashlib.sha256(data).hexdigest()
    config = json.loads(config_to_json(model.config)) | {"weights_sha256": digest}
    _write(directory / WEIGHTS_NAME, data)
    _write(directory / CONFIG_NAME, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode())
    return digest


def load_config(directory: Path) -> ModelConfig:
    """The config of a checkpoint's folder; WeightsError where there is none."""
    path = directory / CONFIG_NAME
    return config_from_json(_read(path).decode("utf-8", errors="replace"), str(path))


def load_checkpoint(directory: Path) -> Igllm:
    """The model in a checkpoint's folder, ready to use; WeightsError says what is missing, damaged or of another architecture."""
    config = load_config(directory)
    path = directory / WEIGHTS_NAME
    data = _read(path)
    expected = json.loads(_read(directory / CONFIG_NAME)).get("weights_sha256")
    if expected is not None and (found := hashlib.sha256(data).hexdigest()) != expected:
        raise WeightsError(f"{path} has the sha256 {found[:12]}…, expected {expected[:12]}…; it is damaged, install it again")
    try:
        tensors = load_tensors(data)
    except SafetensorError as caught:
        raise WeightsError(f"{path} is not a safetensors file ({caught}); install it again") from caught
    model = Igllm(config)
    _check_tensors(path, {name: tensor.shape for name, tensor in model.state_dict().items()}, tensors)
    model.load_state_dict(tensors, strict=True)
    merge_adapters(model.language_model)
    return model.eval().requires_grad_(False)


def _check_tensors(path: Path, wanted: dict[str, torch.Size], found: dict[str, torch.Tensor]) -> None:
    missing, unexpected = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or unexpected:
        parts = [f"misses {_shown(missing)}" if missing else "", f"has the unexpected {_shown(unexpected)}" if unexpected else ""]
        raise WeightsError(f"{path} does not fit its {CONFIG_NAME}: it {' and '.join(part for part in parts if part)}")
    for name, shape in wanted.items():
        if found[name].shape != shape:
            raise WeightsError(
                f"{path} does not fit its {CONFIG_NAME}: {name} has the shape {tuple(found[name].shape)}, expected {tuple(shape)}"
            )


def _shown(names: list[str]) -> str:
    rest = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + rest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as caught:
        raise WeightsError(
            f"{path} cannot be read ({caught.strerror}); a checkpoint needs {CONFIG_NAME} and {WEIGHTS_NAME}"
        ) from caught


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
