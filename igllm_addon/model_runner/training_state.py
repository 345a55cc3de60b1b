# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kill does not lose: the files of a stage of training, written atomically and read with care."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .weight_average import WeightAverage

_FORMAT = "igllm-training-state"


@dataclass(frozen=True, slots=True)
class StageFiles:
    """Where a stage keeps what it needs to go on (state), its best weights so far, its log, curves and TensorBoard files."""

    state: Path
    best: Path
    log: Path
    curves: Path
    events: Path

    @classmethod
    def of(cls, out: Path, stage: str) -> StageFiles:
        """The files of a stage in the folder `out`, which is made."""
        out.mkdir(parents=True, exist_ok=True)
        return cls(
            state=out / f"{stage}.state.pt",
            best=out / f"{stage}.best.pt",
            log=out / f"{stage}.log.jsonl",
            curves=out / f"{stage}.curves.png",
            events=out / "tensorboard" / stage,
        )


@dataclass(slots=True)
class Progress:
    """How far a stage is: steps done, best validation score so far, the loss sums since the last line of the log, and the
    seconds that all its runs took."""

    step: int = 0
    best: float | None = None
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def save_state(
    files: StageFiles, model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage | None, progress: Progress
) -> None:
    """Write all that the next step depends on."""
    value = {
        "format": _FORMAT,
        "step": progress.step,
        "best": progress.best,
        "sums": dict(progress.sums),
        "seconds": progress.seconds,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": None if average is None else average.tensors(),
    }
    write_tensors(files.state, value)


def load_state(files: StageFiles, model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage | None) -> Progress:
    """Put a stage back to where its state was saved; UsageError where the state does not fit."""
    state = read_state(files)
    try:
        model.load_state_dict(state["model"], strict=True)
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            # Where averaging is new to a stage that has begun, it starts from the weights as they are now.
            average.take(state.get("average") or state["model"])
    except (RuntimeError, ValueError, KeyError) as caught:
        raise UsageError(
            f"{files.state} belongs to another config ({caught}); move it away or train without --resume."
        ) from caught
    return Progress(int(state["step"]), state.get("best"), dict(state.get("sums", {})), float(state.get("seconds", 0.0)))


def read_state(files: StageFiles) -> dict[str, Any]:
    """The last saved state of a stage; UsageError where there is none."""
    if not files.state.exists():
        raise UsageError(f"{files.state} does not exist; train that stage first.")
    return _read_tensors(files.state)


def finished_weights(files: StageFiles, *, best: bool) -> dict[str, Tensor]:
    """What a stage was trained for: its best weights by validation, or else the last ones, averaged where it averages."""
    if best and files.best.exists():
        weights: dict[str, Tensor] = _read_tensors(files.best)["model"]
        return weights
    state = read_state(files)
    return {**state["model"], **(state.get("average") or {})}


def write_tensors(path: Path, value: dict[str, Any]) -> None:
    """torch.save, but a kill or a power cut leaves either the old file or the new one."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        torch.save(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)


def _read_tensors(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as caught:
        raise UsageError(
            f"{path} is damaged or no state of a training; move it away or train that stage again without --resume."
        ) from caught
    if not isinstance(state, dict) or not {"model", "step"} <= state.keys():
        raise UsageError(f"{path} is no state of a training; move it away or train that stage again without --resume.")
    return state
