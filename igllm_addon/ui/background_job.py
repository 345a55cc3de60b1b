# SPDX-License-Identifier: GPL-3.0-or-later
"""A long command in a process of its own, watched in steps that never wait. The open file is not touched. No bpy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .child_process import ChildProcess

_GRACE_S = 12.0  # to leave its folder so that a later run goes on from it; then it is killed


class BackgroundJob:
    """One command. sentence: how it ended; failed: whether that was not as wished; line and fraction: how far it is."""

    def __init__(self, command: Sequence[str], log_path: Path | None, environment: Mapping[str, str] | None = None) -> None:
        """Raises OSError where the process cannot be started."""
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

    def step(self) -> None:
        """Note what it has said."""
        if self.is_over:
            return
        status = self._child.exit_status_or_none()
        for line in self._child.lines():
            self._hear(line)
        if status is not None:
            self.is_over = True
            self._end(status)
        elif self._cancelled_at is not None and time.monotonic() - self._cancelled_at > _GRACE_S:
            self._child.kill()

    def ask_to_stop(self) -> None:
        """The artist cancels: it keeps how far it has come, and can go on later."""
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

    def _hear(self, line: str) -> None:
        """A line that it wrote."""
        raise NotImplementedError

    def _end(self, status: int) -> None:
        """It has ended with this exit status."""
        raise NotImplementedError
