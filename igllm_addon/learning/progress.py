# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said while `igllm learn` works, and the pace of its parts: streams that read other progress bars. Pure.

A line such as "learn  37%|#########               | tower: step 120 of 900, 4:10 left". The share is that of the minutes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TextIO

from .plan import Plan

_BAR = 24
_SECONDS_BETWEEN_LINES = 3.0
_SECONDS_BETWEEN_REDRAWS = 0.5
_COUNTED = re.compile(r"^\s*(\w+)[: ].*\| *(\d+)/(\d+)")


class BudgetClock:
    """Seconds of the budget that are gone. `already`: what earlier runs took."""

    def __init__(self, already: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock() - already

    def elapsed_s(self) -> float:
        """Since the beginning, pauses between runs left out."""
        return self._clock() - self._started


class Teller:
    """Writes the one line, again and again on a terminal, now and then elsewhere. told: called after each."""

    def __init__(self, plan: Plan, clock: BudgetClock, stream: TextIO, told: Callable[[], None] = lambda: None) -> None:
        self._plan, self._clock, self._stream, self._told = plan, clock, stream, told
        self._live = stream.isatty()
        self._shown = -1e9

    def tell(self, what: str, *, at_once: bool = False) -> None:
        """Say what goes on, unless something was said just now."""
        elapsed = self._clock.elapsed_s()
        if not at_once and elapsed - self._shown < (_SECONDS_BETWEEN_REDRAWS if self._live else _SECONDS_BETWEEN_LINES):
            return
        self._shown = elapsed
        share = min(elapsed / self._plan.seconds, 1.0)
        left = max(self._plan.seconds - elapsed, 0.0)
        line = f"learn {share:4.0%}|{('#' * round(share * _BAR)).ljust(_BAR)}| {what}, {_clock_text(left)} left"
        self._stream.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        self._stream.flush()
        self._told()

    def end_line(self) -> None:
        """So that what follows starts on a line of its own."""
        if self._live:
            self._stream.write("\n")
            self._stream.flush()


class BarReader:
    """A text stream for a progress bar of somebody else's: `heard(name, done, total)` is called for each count that it writes.
    Everything goes into the log as well."""

    def __init__(self, heard: Callable[[str, int, int], None], log: TextIO) -> None:
        self._heard, self._log = heard, log

    def write(self, text: str) -> int:
        """Take in a bar or a sentence."""
        self._log.write(text.replace("\r", "\n").replace("\x1b[K", ""))
        self._log.flush()
        for line in re.split(r"[\r\n]+", text.replace("\x1b[K", "")):
            if counted := _COUNTED.match(line):
                self._heard(counted[1], int(counted[2]), int(counted[3]))
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        """Bars that are redrawn often are wanted."""
        return True


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
