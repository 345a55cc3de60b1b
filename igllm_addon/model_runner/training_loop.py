# SPDX-License-Identifier: GPL-3.0-or-later
"""What both stages of training share: steps that a kill does not lose, a log, and progress with the time left.

Every random choice of a step is drawn from (seed, step), so a resumed run goes on exactly as if it had not been stopped,
as long as the data are the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..core.errors import UsageError
from .tower_training import learning_rate_share
from .training_config import StageConfig

_LOG_EVERY = 20  # steps
_GRADIENT_NORM_LIMIT = 5.0

StepLoss = Callable[[int, np.random.Generator], dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class StageFiles:
    """Where a stage keeps its state and its log."""

    state: Path
    log: Path

    @classmethod
    def of(cls, out: Path, stage: str) -> StageFiles:
        out.mkdir(parents=True, exist_ok=True)
        return cls(out / f"{stage}.state.pt", out / f"{stage}.log.jsonl")


def train_stage(name: str, model: nn.Module, stage: StageConfig, files: StageFiles, step_loss: StepLoss, *, resume: bool) -> None:
    """Train the parameters of `model` that want gradients for `stage.steps` steps. `step_loss(step, rng)` returns the
    parts of the loss with their sum as "loss"."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=stage.learning_rate, weight_decay=stage.weight_decay, fused=True)
    first = _load_state(files, model, optimizer) if resume and files.state.exists() else 0
    if first == 0:
        files.log.unlink(missing_ok=True)
    _set_training(model)
    sums: dict[str, float] = {}
    started = time.monotonic()
    with tqdm(total=stage.steps, initial=first, desc=name, unit="step", file=sys.stderr, mininterval=5.0) as progress:
        for step in range(first, stage.steps):
            torch.manual_seed(stage.seed * 1_000_003 + step)
            rng = np.random.default_rng([stage.seed, step])
            for group in optimizer.param_groups:
                group["lr"] = stage.learning_rate * learning_rate_share(step, stage.steps, stage.warmup_steps)
            parts = step_loss(step, rng)
            optimizer.zero_grad(set_to_none=True)
            parts["loss"].backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, _GRADIENT_NORM_LIMIT)
            optimizer.step()
            for key, value in parts.items():
                sums[key] = sums.get(key, 0.0) + float(value.detach())
            progress.update()
            if (step + 1) % _LOG_EVERY == 0:
                _log(files, step + 1, sums, _LOG_EVERY, time.monotonic() - started)
                progress.set_postfix(loss=f"{sums['loss'] / _LOG_EVERY:.3f}", refresh=False)
                sums = {}
            if (step + 1) % stage.save_steps == 0 or step + 1 == stage.steps:
                _save_state(files, model, optimizer, step + 1)


def _set_training(model: nn.Module) -> None:
    """Training mode for every part that learns; a frozen part keeps its running statistics as they are."""
    for module in model.modules():
        own = list(module.parameters())
        module.training = not own or any(parameter.requires_grad for parameter in own)


def _log(files: StageFiles, step: int, sums: dict[str, float], count: int, seconds: float) -> None:
    entry = {"step": step, "seconds": round(seconds, 1)} | {key: round(value / count, 5) for key, value in sums.items()}
    with files.log.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def _save_state(files: StageFiles, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    partial = files.state.with_suffix(".partial")
    torch.save({"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, partial)
    os.replace(partial, files.state)


def _load_state(files: StageFiles, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    state = read_state(files)
    try:
        model.load_state_dict(state["model"], strict=True)
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as caught:
        raise UsageError(
            f"{files.state} belongs to another config ({caught}); move it away or train without --resume."
        ) from caught
    return int(state["step"])


def read_state(files: StageFiles) -> dict[str, Any]:
    """The last saved state of a stage; UsageError where there is none."""
    if not files.state.exists():
        raise UsageError(f"{files.state} does not exist; train that stage first.")
    state: dict[str, Any] = torch.load(files.state, weights_only=True)
    return state
