# SPDX-License-Identifier: GPL-3.0-or-later
"""A progress bar on a terminal, a line now and then elsewhere. Standard library only, because Blender brings no tqdm."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

_BAR = 24
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_REDRAWS = 0.2


class Progress:
    """Counts samples and shows share, rate and time left. `already` samples were there before and do not count for the rate."""

    def __init__(self, what: str, total: int, already: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._total, self._already = what, total, already
        self._stream, self._clock = stream, clock
        self._live = stream.isatty()
        self._started = clock()
        self._shown = self._started
        self.done = already

    def step(self) -> None:
        """One more sample is done."""
        self.done += 1
        pause = _SECONDS_BETWEEN_REDRAWS if self._live else _SECONDS_BETWEEN_LINES
        if self._clock() - self._shown >= pause or self.done == self._total:
            self.show()

    def show(self) -> None:
        """Write the present state."""
        self._shown = self._clock()
        if self._live:
            self._stream.write(f"\r\x1b[K{self.line()}")
        else:
            self._stream.write(self.line() + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the bar, so that what follows starts on a line of its own."""
        if self._live:
            self._stream.write("\n")
            self._stream.flush()

    def line(self) -> str:
        """Such as "train  45%|###########             | 45/100  2.31 images/s, 0:24 left"."""
        share = self.done / self._total
        bar = ("#" * round(share * _BAR)).ljust(_BAR)
        made, seconds = self.done - self._already, self._clock() - self._started
        if made == 0 or seconds <= 0.0:
            return f"{self._what} {share:4.0%}|{bar}| {self.done}/{self._total}"
        rate = made / seconds
        left = clock_text((self._total - self.done) / rate)
        return f"{self._what} {share:4.0%}|{bar}| {self.done}/{self._total}  {rate:.2f} images/s, {left} left"


def clock_text(seconds: float) -> str:
    """1:05 or 2:01:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
