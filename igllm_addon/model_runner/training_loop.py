# SPDX-License-Identifier: GPL-3.0-or-later
"""What all stages of training share: steps that a kill does not lose, a log, validation, and progress with the time left.

Every random choice of a step is drawn from (seed, step), so a resumed run goes on exactly as if it had not been stopped,
as long as the data are the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from .curves import Curves
from .precision import uses_bf16
from .processes import processes
from .stop_request import stop_request
from .tower_training import learning_rate_share
from .training_config import StageConfig
from .training_log import StageLog
from .training_state import Progress, StageFiles, load_state, read_state, save_state, write_tensors
from .weight_average import WeightAverage

__all__ = ["StageFiles", "StepLoss", "Validation", "read_state", "train_stage"]

_LOG_EVERY = 20  # steps
_GRADIENT_NORM_LIMIT = 5.0

StepLoss = Callable[[int, np.random.Generator], dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Validation:
    """figures(): measure the model, as it is, on pictures that it does not learn from; the entry "score" is what is compared, and
    higher is better. keep(): called while the model has the best weights so far, beside writing them into the stage's files."""

    figures: Callable[[], dict[str, float]]
    keep: Callable[[], None] = lambda: None


def train_stage(
    name: str,
    model: nn.Module,
    stage: StageConfig,
    files: StageFiles,
    step_loss: StepLoss,
    *,
    resume: bool,
    validation: Validation | None = None,
) -> None:
    """Train the parameters of `model` that want gradients for `stage.steps` steps, and leave it with its last weights, averaged
    if the stage averages. `step_loss(step, rng)` returns the parts of the loss with their sum as "loss"."""
    run = _Run(name, model, stage, files, validation, resume=resume)
    _set_training(model)
    with (
        stop_request() as stop,
        tqdm(
            total=stage.steps, initial=run.progress.step, desc=name, unit="step", file=sys.stderr, mininterval=5.0,
            disable=not processes().is_first,
        ) as bar,
    ):  # fmt: skip
        for step in range(run.progress.step, stage.steps):
            run.take_step(step, step_loss)
            bar.update()
            run.keep_record(bar)
            if processes().any_of(stop.made) and step + 1 < stage.steps:
                run.stop()
                break
        else:
            run.finish()
    if processes().any_of(stop.made):
        print(
            f"{name}: stopped after step {run.progress.step} of {stage.steps}; the same command with --resume goes on.",
            file=sys.stderr,
        )
        raise KeyboardInterrupt


class _Run:
    """A stage on its way from one step to the next."""

    def __init__(
        self, name: str, model: nn.Module, stage: StageConfig, files: StageFiles, validation: Validation | None, *, resume: bool
    ) -> None:
        self._name, self._model, self._stage, self._files, self._validation = name, model, stage, files, validation
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            _groups(model, stage), lr=stage.learning_rate, weight_decay=stage.weight_decay, fused=True
        )
        self._average = WeightAverage(model, stage.ema_decay) if stage.ema_decay else None
        resumed = resume and files.state.exists()
        self.progress = load_state(files, model, self._optimizer, self._average) if resumed else Progress()
        self._started = time.monotonic() - self.progress.seconds
        self._device_type = self._parameters[0].device.type
        self._bf16 = uses_bf16(stage.precision, self._device_type)
        processes().wait()  # nobody may still read what the first process is about to write
        if processes().is_first:
            if not resumed:
                files.best.unlink(missing_ok=True)
            self._log = StageLog(files.log, until_step=self.progress.step)
            self._curves = Curves(name, files.curves, files.events, self._log.entries)

    def take_step(self, step: int, step_loss: StepLoss) -> None:
        """Step number `step`, from 0."""
        stage, team = self._stage, processes()
        seeds = [stage.seed, step] if team.is_first else [stage.seed, step, team.index]
        torch.manual_seed(stage.seed * 1_000_003 + step + 7_368_787 * team.index)
        for group in self._optimizer.param_groups:
            group["lr"] = group.get("highest_rate", stage.learning_rate) * learning_rate_share(
                step, stage.steps, stage.warmup_steps
            )
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._bf16):
            parts = step_loss(step, np.random.default_rng(seeds))
        self._optimizer.zero_grad(set_to_none=True)
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        team.average(self._model)
        nn.utils.clip_grad_norm_(self._parameters, _GRADIENT_NORM_LIMIT)
        self._optimizer.step()
        if self._average is not None:
            self._average.update(step)
        sums = self.progress.sums
        for key, value in parts.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        self.progress.step = step + 1

    def keep_record(self, bar: tqdm[None]) -> None:
        """After a step: a line of the log, a validation, the state, each when it is time."""
        step, stage, progress = self.progress.step, self._stage, self.progress
        progress.seconds = time.monotonic() - self._started
        if step % _LOG_EVERY == 0:
            if processes().is_first:
                self._log.losses(step, progress.seconds, progress.sums, _LOG_EVERY)
            bar.set_postfix(loss=f"{progress.sums['loss'] / _LOG_EVERY:.3f}", refresh=False)
            progress.sums = {}
        if self._validation is not None and (step % stage.validate_steps == 0 or step == stage.steps):
            self._validate(self._validation)
        if step % stage.save_steps == 0 or step == stage.steps:
            self.save()

    def save(self) -> None:
        """Write the state, so that nothing up to here can be lost."""
        if processes().is_first:
            save_state(self._files, self._model, self._optimizer, self._average, self.progress)
            self._curves.refresh()

    def stop(self) -> None:
        """Write what is not written yet."""
        self.save()
        if processes().is_first:
            self._curves.close()

    def finish(self) -> None:
        """Draw the last curves, and leave the model with the weights that the stage was trained for."""
        if processes().is_first:
            self._curves.close()
        if self._average is not None:
            self._model.load_state_dict({**self._model.state_dict(), **self._average.tensors()}, strict=True)
        processes().wait()

    def _validate(self, validation: Validation) -> None:
        if processes().is_first:
            modes = {module: module.training for module in self._model.modules()}
            self._model.eval()
            averaged = self._average.applied() if self._average is not None else nullcontext()
            with torch.no_grad(), averaged, _same_memory(self._model):
                figures = validation.figures()
                if self.progress.best is None or figures["score"] > self.progress.best:
                    self.progress.best = figures["score"]
                    value = {"step": self.progress.step, "score": figures["score"], "model": self._model.state_dict()}
                    write_tensors(self._files.best, value)
                    validation.keep()
            for module, training in modes.items():
                module.training = training
            self._log.validation(self.progress.step, self.progress.seconds, figures)
            tqdm.write(f"{self._name} {self.progress.step}: {_shown(figures)}", file=sys.stderr)
        processes().wait()


@contextmanager
def _same_memory(model: nn.Module) -> Iterator[None]:
    """Leave every parameter where it lay: decoding may move weights to where it reads them fastest, and optimiser and average,
    which know the old place, would go on with that."""
    places = {parameter: parameter.data for parameter in model.parameters()}
    try:
        yield
    finally:
        for parameter, place in places.items():
            parameter.data = place


def _groups(model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
    """What learns, in groups of one learning rate: the numeric heads may have one of their own."""
    learning = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not stage.head_learning_rate:
        return [{"params": [parameter for _, parameter in learning]}]
    heads = [parameter for name, parameter in learning if name.startswith("numeric_heads.")]
    others = [parameter for name, parameter in learning if not name.startswith("numeric_heads.")]
    rates = ((others, stage.learning_rate), (heads, stage.head_learning_rate))
    return [{"params": parameters, "highest_rate": rate} for parameters, rate in rates if parameters]


def _shown(figures: dict[str, float]) -> str:
    return "  ".join(f"{key} {value:.4g}" for key, value in figures.items())


def _set_training(model: nn.Module) -> None:
    """Training mode for every part that learns; a frozen part keeps its running statistics as they are."""
    for module in model.modules():
        own = list(module.parameters())
        module.training = not own or any(parameter.requires_grad for parameter in own)
