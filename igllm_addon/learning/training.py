# SPDX-License-Identifier: GPL-3.0-or-later
"""The tower's and the decoder's phases of `igllm learn`: stages of `igllm train` whose steps are fitted to the time. No torch
here; who trains is given.

A stage's learning rate falls along its steps, so their number is set early, after the first few were measured, and corrected
later only where the machine has become slower or faster. To set it anew, the stage is asked to stop, as by Ctrl-C, and resumed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TextIO, cast

from ..core.scene import Camera
from .plan import TOWER, Plan, first_looks, least_steps, no_dear_steps, steps_in_time, training_config, work
from .progress import BarReader, BudgetClock, Teller

_MEASURED_STEPS, _MEASURED_S = 8, 3.0  # before the first fitting
_LATER = 0.3  # of the time that is left, until the next look at the pace
_REST_S = 10.0  # at least, since going on again takes seconds
_LAST_LOOK = 0.8  # of the steps: the last chance to see that the end comes too early
CONFIG_NAME = "training.json"


class Trainer(Protocol):
    """Who has torch."""

    def train(self, config: Path, stage: str) -> None:
        """Train the stage "tower" or "decoder" of a config, from where it was stopped. KeyboardInterrupt after a Ctrl-C, by when
        its state is saved."""

    def measure(self, checkpoint: Path, labels: Path, train: Path) -> dict[str, Any]:
        """Answerer -> figures as JSON, for "model", and "constant" and "nearest", which need no learning."""


def train_in_time(
    plan: Plan,
    phase: str,
    trainer: Trainer,
    clock: BudgetClock,
    teller: Teller,
    config: Callable[[Plan], Path],
    log: TextIO,
) -> Plan:
    """Train a stage until its end in the plan; the plan with the steps that it took."""
    rest_s = 0.0
    with _noted_ctrl_c() as ctrl_c:
        while True:
            pace = _Pace(plan, phase, clock, teller, rest_s, signal.raise_signal)
            try:
                with contextlib.redirect_stderr(cast(TextIO, BarReader(pace.heard, log))):
                    trainer.train(config(plan), phase)
                return plan
            except KeyboardInterrupt:
                if pace.wanted is None or ctrl_c.came:
                    raise
                plan = plan.with_steps(phase, pace.wanted)
                rest_s = max(_LATER * (plan.end_s(phase) - clock.elapsed_s()), _REST_S)


class _CtrlC:
    """Whether one came that nobody else took."""

    came = False


@contextlib.contextmanager
def _noted_ctrl_c() -> Iterator[_CtrlC]:
    """A stage takes one request to stop, and that may be the one that fits its steps. A Ctrl-C that comes then, while it is
    stopping, must not be taken for the same: it is noted. The next one ends at once."""
    noted = _CtrlC()
    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield noted
        return

    def take_note(number: int, frame: FrameType | None) -> None:
        if noted.came:
            raise KeyboardInterrupt
        noted.came = True

    before = signal.signal(signal.SIGINT, take_note)
    try:
        yield noted
        if noted.came:  # after the last step
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


class _Pace:
    """Watches steps go by. wanted: another number of steps, for which the stage has been interrupted."""

    def __init__(
        self, plan: Plan, phase: str, clock: BudgetClock, teller: Teller, rest_s: float, interrupt: Callable[[int], None]
    ) -> None:
        self._phase, self._clock, self._teller, self._interrupt = phase, clock, teller, interrupt
        self._end_s, self._least = plan.end_s(phase), least_steps(plan.minutes)
        self._dear = functools.partial(first_looks, plan.template) if phase == TOWER else no_dear_steps
        self._rest_s = max(rest_s, _MEASURED_S)
        self._begin_s, self._restart_s = clock.elapsed_s(), 0.0
        self._first: tuple[int, float] | None = None
        self._look_at_s = 0.0
        self.wanted: int | None = None

    def heard(self, name: str, done: int, total: int) -> None:
        """A count of a progress bar: of the stage's steps, or of something before them."""
        now = self._clock.elapsed_s()
        if name != self._phase:
            self._teller.tell(f"{self._phase}: looking at the pictures, {done} of {total}")
            return
        self._teller.tell(f"{self._phase}: step {done:,} of {total:,}")
        if self._first is None:
            self._first, self._look_at_s = (done, now), now + self._rest_s
            self._restart_s = now - self._begin_s
        if self.wanted is not None or done >= total or done - self._first[0] < _MEASURED_STEPS:
            return
        last_look = now < self._look_at_s
        if now < self._first[1] + _MEASURED_S or (last_look and done < _LAST_LOOK * total):
            return
        dear = self._dear(total)
        step_s = (now - self._first[1]) / (work(done, dear) - work(self._first[0], dear))
        left_s = self._end_s - now
        wanted = steps_in_time(done, total, step_s, left_s, self._least, restart_s=self._restart_s, dear=self._dear)
        if last_look and _LAST_LOOK * wanted < total:
            return
        self._look_at_s = now + max(_LATER * left_s, _REST_S)
        if wanted != total:
            self.wanted = wanted
            self._interrupt(signal.SIGINT)


def write_config(plan: Plan, name: str, camera: Camera, train: Path, work: Path) -> Path:
    """The file that `igllm train` reads, so that the training can be looked at and gone on with by hand."""
    path = work / CONFIG_NAME
    value = training_config(plan, name, camera, {"train": train.as_posix(), "out": work.as_posix()})
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return path
