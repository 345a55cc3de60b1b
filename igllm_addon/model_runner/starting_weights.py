# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of another checkpoint to start a stage of training from: the vision tower's, or everybody else's."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..core.errors import UsageError
from .checkpoint import WEIGHTS_NAME

_TOWER = "tower."
_CLOSER_LOOKS = ("second_look.", "shape_look.")
_OF_WORDS = ("words.", "turn.")  # what answers for each word of the vocabulary


def start_tower(tower: nn.Module, checkpoint: Path) -> None:
    """Give a vision tower the weights of the tower in a checkpoint's folder; UsageError where it is of another architecture.

    A closer look that the checkpoint's tower does not have begins as it is, correcting nothing. What answers for each word begins
    as it is where the vocabularies have different numbers of words.
    """
    weights = {name.removeprefix(_TOWER): value for name, value in _read(checkpoint).items() if name.startswith(_TOWER)}
    own = tower.state_dict()
    for look in _CLOSER_LOOKS:
        if not any(name.startswith(look) for name in weights):
            weights |= {name: value for name, value in own.items() if name.startswith(look)}
    answering = [name for name in weights if name in own and name.startswith(_OF_WORDS)]
    weights |= {name: own[name] for name in answering if own[name].shape != weights[name].shape}
    _load(tower, weights, checkpoint)


def start_shape_look(look: nn.Module, checkpoint: Path) -> None:
    """Give a look at shapes the weights of the one in a checkpoint's folder."""
    prefix = f"{_TOWER}shape_look."
    weights = {name.removeprefix(prefix): value for name, value in _read(checkpoint).items() if name.startswith(prefix)}
    _load(look, weights, checkpoint)


def start_decoder(model: nn.Module, checkpoint: Path) -> None:
    """Give a model everything but the tower from a checkpoint's folder; the tower's weights stay what they are."""
    weights = {name: value for name, value in _read(checkpoint).items() if not name.startswith(_TOWER)}
    kept = {name: value for name, value in model.state_dict().items() if name.startswith(_TOWER)}
    _load(model, weights | kept, checkpoint)


def _read(checkpoint: Path) -> dict[str, torch.Tensor]:
    path = checkpoint / WEIGHTS_NAME
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as caught:
        raise UsageError(f"{path}, from which the training is to start, cannot be read ({caught}).") from caught
    return tensors


def _load(module: nn.Module, weights: dict[str, torch.Tensor], checkpoint: Path) -> None:
    try:
        module.load_state_dict(weights, strict=True)
    except RuntimeError as caught:
        raise UsageError(
            f"{checkpoint} is of another architecture than this training; start from a fitting one, or from none ({caught})."
        ) from caught
