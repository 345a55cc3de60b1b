# SPDX-License-Identifier: GPL-3.0-or-later
"""What turns features of a picture into embeddings of the language model, and LLaVA's file format for it.

mm_projector.bin is what haotian-liu/LLaVA's feature-alignment pretraining leaves (llava/train/train.py,
safe_save_model_for_hf_trainer): torch's format with model.mm_projector.weight and .bias of a linear projector,
or model.mm_projector.0.weight and so on of an MLP.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from torch import nn

from ..core.errors import WeightsError

FILE_NAME = "mm_projector.bin"
_PREFIX = "model.mm_projector."


def make_projector(kind: str, inputs: int, width: int) -> nn.Module:
    """A linear layer, or two with a GELU between them: LLaVA's `linear` and `mlp2x_gelu`."""
    return nn.Linear(inputs, width) if kind == "linear" else mlp(inputs, width)


def mlp(inputs: int, width: int) -> nn.Sequential:
    """Two layers with a GELU between them."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))


def load_mm_projector(projector: nn.Module, path: Path) -> None:
    """Take the projector's weights from a file in LLaVA's format. Unpickles nothing but tensors."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as caught:
        raise WeightsError(f"the projector {path} cannot be read ({caught.strerror})") from caught
    except (pickle.UnpicklingError, RuntimeError, EOFError) as caught:
        raise WeightsError(f"{path} is not a projector as LLaVA saves it ({str(caught).splitlines()[0]})") from caught
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise WeightsError(f"{path} is not a projector as LLaVA saves it; it holds no tensors by name")
    tensors = {name.removeprefix(_PREFIX): value.float() for name, value in found.items() if name.startswith(_PREFIX)}
    wanted = {name: tuple(value.shape) for name, value in projector.state_dict().items()}
    if (given := {name: tuple(value.shape) for name, value in tensors.items()}) != wanted:
        raise WeightsError(f"the projector {path} has {given}, this model needs {wanted}")
    projector.load_state_dict(tensors, strict=True)


def save_mm_projector(projector: nn.Module, path: Path) -> None:
    """Write the projector in LLaVA's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save({f"{_PREFIX}{name}": value.detach().cpu().clone() for name, value in projector.state_dict().items()}, partial)
    os.replace(partial, path)
