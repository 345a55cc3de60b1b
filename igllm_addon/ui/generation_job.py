# SPDX-License-Identifier: GPL-3.0-or-later
"""A data set that another Blender makes, in steps that never wait. The open file is not touched."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from .child_process import ChildProcess

_GRACE_S = 10.0  # to leave the folder so that a later run goes on from it; then it is killed


class GenerationJob:
    """One `igllm generate`. sentence: how it ended; failed: whether that was not as wished."""

    def __init__(self, command: Sequence[str], folder: Path, log_path: Path | None) -> None:
        """Raises OSError where the process cannot be started."""
        self.folder = folder
        self.is_over = False
        self.failed = False
        self.sentence = ""
        self.line = "Starting"
        self.fraction = 0.0
        self._cancelled_at: float | None = None
        self._child = ChildProcess(command, log_path)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    @property
    def is_cancelling(self) -> bool:
        """Whether it has been asked to end and has not yet."""
        return self._cancelled_at is not None and not self.is_over

    def step(self) -> None:
        """Note what it has said."""
        if self.is_over:
            return
        status = self._child.exit_status_or_none()
        for line in self._child.lines():
            if counted := re.search(r"\| (\d+)/(\d+)(.*)", line):
                self.fraction = int(counted[1]) / max(int(counted[2]), 1)
                self.line = f"{counted[1]} of {counted[2]}{counted[3]}"
            elif line.startswith("igllm generate: ") or " samples in " in line:
                self.sentence = line.removeprefix("igllm generate: ")
        if status is not None:
            self._end(status)
        elif self._cancelled_at is not None and time.monotonic() - self._cancelled_at > _GRACE_S:
            self._child.kill()

    def ask_to_stop(self) -> None:
        """The artist cancels: it ends after the pictures in hand, and can go on later."""
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
        if self._cancelled_at is not None:
            self.sentence = "Cancelled; the button goes on from there."
        elif status != 0:
            self.failed = True
            self.sentence = self.sentence or f"Blender ended with exit status {status} while it made the data set."
