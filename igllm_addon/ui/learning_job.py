# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that another process learns. No bpy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .background_job import BackgroundJob
from .child_process import GUARD

_LINE = re.compile(r"^learn +(\d+)%\|[# ]*\| (.*)$")


def learn_command(python: Path, blender: str, library: Path, model: Path, options: Sequence[str]) -> list[str]:
    """`igllm learn` in the model runner's Python, with `blender` to render; options: the further ones."""
    start = [str(python), "-I", "-X", "utf8", str(GUARD), "--", "learn"]
    return [*start, str(library), "--out", str(model), "--blender", blender, *options]


class LearningJob(BackgroundJob):
    """One `igllm learn`."""

    def __init__(
        self, command: Sequence[str], model: Path, log_path: Path | None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Raises OSError where the process cannot be started."""
        super().__init__(command, log_path, environment)
        self.model = model

    @property
    def is_learnt(self) -> bool:
        """Whether there is a finished model."""
        return self.is_over and not self.failed and self._cancelled_at is None

    def _hear(self, line: str) -> None:
        if told := _LINE.match(line):
            self.fraction, self.line = int(told[1]) / 100.0, told[2][:1].upper() + told[2][1:]
        elif line.startswith("igllm learn: "):
            self.sentence = line.removeprefix("igllm learn: ")
        elif " minutes: " in line and str(self.model) in line:
            self.sentence = f"“{self.model.name}” is in the list of models: {line.partition(' minutes: ')[2]}"

    def _end(self, status: int) -> None:
        if status == 0:
            self._cancelled_at = None  # it was done before it heard
        elif self._cancelled_at is not None:
            self.sentence = "Cancelled; Go On takes it up from there."
        else:
            self.failed = True
            self.sentence = self.sentence or f"Learning ended with exit status {status}: {self._child.log_tail(1)}"
