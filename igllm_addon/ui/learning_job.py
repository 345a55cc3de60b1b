# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that another process learns, in steps that never wait. The open file is not touched. No bpy."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .child_process import GUARD, ChildProcess

_GRACE_S = 12.0  # to leave its folder so that a later run goes on from it; then it is killed
_LINE = re.compile(r"^learn +(\d+)%\|[# ]*\| (.*)$")


def learn_command(python: Path, blender: str, library: Path, model: Path, options: Sequence[str]) -> list[str]:
    """`igllm learn` in the model runner's Python, with `blender` to render; options: the further ones."""
    start = [str(python), "-I", "-X", "utf8", str(GUARD), "--", "learn"]
    return [*start, str(library), "--out", str(model), "--blender", blender, *options]


class LearningJob:
    """One `igllm learn`. sentence: how it ended; failed: whether that was not as wished."""

    def __init__(
        self, command: Sequence[str], model: Path, log_path: Path | None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Raises OSError where the process cannot be started."""
        self.model = model
        self.is_over = False
        self.failed = False
        self.sentence = ""
        self.line = "Starting"
        self.fraction = 0.0
        self._cancelled_at: float | None = None
        self._child = ChildProcess(command, log_path, environment)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    @property
    def is_cancelling(self) -> bool:
        """Whether it has been asked to end and has not yet."""
        return self._cancelled_at is not None and not self.is_over

    @property
    def is_learnt(self) -> bool:
        """Whether there is a finished model."""
        return self.is_over and not self.failed and self._cancelled_at is None

    def step(self) -> None:
        """Note what it has said."""
        if self.is_over:
            return
        status = self._child.exit_status_or_none()
        for line in self._child.lines():
            if told := _LINE.match(line):
                self.fraction, self.line = int(told[1]) / 100.0, told[2][:1].upper() + told[2][1:]
            elif line.startswith("igllm learn: "):
                self.sentence = line.removeprefix("igllm learn: ")
            elif " minutes: " in line and str(self.model) in line:
                self.sentence = f"“{self.model.name}” is in the list of models: {line.partition(' minutes: ')[2]}"
        if status is not None:
            self._end(status)
        elif self._cancelled_at is not None and time.monotonic() - self._cancelled_at > _GRACE_S:
            self._child.kill()

    def ask_to_stop(self) -> None:
        """The artist cancels: it saves how far it has come, and can go on later."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            self._child.ask_to_end()

    def cancel(self) -> None:
        """Blender quits: end it now."""
        self._child.kill()
        self.is_over = True

    def details(self) -> str:
        """The end of what it wrote."""
        return f"{self.sentence}\n\n{self._child.log_tail()}"

    def _end(self, status: int) -> None:
        self.is_over = True
        if status == 0:
            self._cancelled_at = None  # it was done before it heard
        elif self._cancelled_at is not None:
            self.sentence = "Cancelled; Go On takes it up from there."
        else:
            self.failed = True
            self.sentence = self.sentence or f"Learning ended with exit status {status}: {self._child.log_tail(1)}"
