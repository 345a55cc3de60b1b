# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a stage: a line of JSON for every so many steps, and one for every validation. Everything drawn is drawn from it.

{"step": int, "seconds": number, "loss": number, …}                mean of each part of the loss since the line before
{"step": int, "seconds": number, "validation": {name: number}}     figures of a validation
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

_SIGNIFICANT_DIGITS = 6


class StageLog:
    """The lines of a log, in memory and in its file."""

    def __init__(self, path: Path, *, until_step: int) -> None:
        """Keep what an earlier run wrote up to `until_step`; the steps after it are taken again, and a torn line is dropped."""
        self._path = path
        self.entries = [entry for entry in _read(path) if entry["step"] <= until_step] if until_step else []
        partial = path.with_name(path.name + ".partial")
        partial.write_text("".join(_line(entry) for entry in self.entries), encoding="utf-8")
        os.replace(partial, path)

    def losses(self, step: int, seconds: float, sums: dict[str, float], count: int) -> None:
        """Write the means of `count` steps that ended with `step`."""
        self._append({"step": step, "seconds": round(seconds, 1)} | {key: _short(value / count) for key, value in sums.items()})

    def validation(self, step: int, seconds: float, figures: dict[str, float]) -> None:
        """Write the figures of a validation after `step`."""
        shown = {key: _short(value) for key, value in figures.items()}
        self._append({"step": step, "seconds": round(seconds, 1), "validation": shown})

    def _append(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(_line(entry))


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"


def _short(value: float) -> float | None:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
