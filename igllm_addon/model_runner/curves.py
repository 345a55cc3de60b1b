# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a stage as pictures: a PNG with a curve for every figure, and TensorBoard's event files.

Both are made from the log alone, so a resumed run shows every step once. Neither matplotlib nor tensorboard is needed to train.
"""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_COLUMNS = 4
_REDRAW_SECONDS = 300.0
_BESIDE_FIGURES = ("step", "seconds", "validation")

Series = dict[str, list[tuple[int, float]]]


class Curves:
    """The curves of a stage, kept up with its log."""

    def __init__(self, name: str, picture: Path, events: Path, entries: list[dict[str, Any]]) -> None:
        """`entries` is the log's own list; those that are in it already are an earlier run's."""
        self._name, self._picture, self._entries = name, picture, entries
        missing = [library for library in ("matplotlib", "tensorboard") if importlib.util.find_spec(library) is None]
        for library in missing:
            print(f"{name}: no {library} in this Python, so training goes on without its curves.", file=sys.stderr)
        self._draws = "matplotlib" not in missing
        self._drawn = time.monotonic()
        self._written = 0
        self._events: Any = None
        if "tensorboard" not in missing:
            from torch.utils.tensorboard import SummaryWriter

            shutil.rmtree(events, ignore_errors=True)
            self._events = SummaryWriter(str(events))

    def refresh(self, *, now: bool = False) -> None:
        """Write what is new in the log; draw the picture again if it is time for that, or `now`."""
        if self._events is not None:
            self._write_events()
        if self._draws and self._entries and (now or time.monotonic() - self._drawn > _REDRAW_SECONDS):
            draw(self._name, series_of(self._entries), self._picture)
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Finish both."""
        self.refresh(now=True)
        if self._events is not None:
            self._events.close()

    def _write_events(self) -> None:
        started = time.time() - (self._entries[-1]["seconds"] if self._entries else 0.0)
        for entry in self._entries[self._written :]:
            for name, points in series_of([entry]).items():
                self._events.add_scalar(f"{self._name}/{name}", points[0][1], entry["step"], walltime=started + entry["seconds"])
        self._written = len(self._entries)
        self._events.flush()


def series_of(entries: Sequence[dict[str, Any]]) -> Series:
    """Figure -> (step, value) of every line of a log that has it; figures of validations are named "validation/…"."""
    series: Series = {}
    for entry in entries:
        figures = {key: value for key, value in entry.items() if key not in _BESIDE_FIGURES}
        figures |= {f"validation/{key}": value for key, value in entry.get("validation", {}).items()}
        for key, value in figures.items():
            if value is not None and math.isfinite(value):
                series.setdefault(key, []).append((entry["step"], float(value)))
    return series


def draw(title: str, series: Series, picture: Path) -> None:
    """One panel for each figure; the losses, which fall by orders of magnitude, on a logarithmic axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = math.ceil(len(series) / _COLUMNS)
    figure = Figure(figsize=(4.0 * _COLUMNS, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (name, points) in enumerate(series.items()):
        panel = figure.add_subplot(rows, _COLUMNS, index + 1)
        steps, values = [step for step, _ in points], [value for _, value in points]
        panel.plot(steps, values, marker="." if name.startswith("validation/") else "", linewidth=1.0)
        if not name.startswith("validation/") and min(values) > 0.0:
            panel.set_yscale("log")
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
    figure.suptitle(title)
    partial = picture.with_name(picture.name + ".partial")
    figure.savefig(str(partial), format="png")
    os.replace(partial, picture)
