# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an existing Python have what the model runner needs? Found out in a process, because importing takes seconds. No bpy."""

from __future__ import annotations

from .child_process import ChildProcess
from .environment import check_command, missing_or_error


class PythonCheck:
    """The question, in steps that never wait. answer: "ok", or a sentence; empty while it is not known."""

    def __init__(self, python: str) -> None:
        self.python = python
        self.answer = ""
        self.is_over = False
        self._lines: list[str] = []
        self._child: ChildProcess | None = None
        try:
            self._child = ChildProcess(check_command(python))
        except OSError as error:
            self._end(f"{python} cannot be started ({error.strerror or error}); choose another Python.")

    def step(self) -> None:
        """Note what it has said."""
        if self.is_over or self._child is None:
            return
        status = self._child.exit_status_or_none()
        self._lines += self._child.lines()
        if status is not None:
            missing = missing_or_error(self._lines)
            if isinstance(missing, str):
                self._end(missing)
            else:
                self._end(f"This Python lacks {', '.join(missing)}; install it there or choose another." if missing else "ok")

    def cancel(self) -> None:
        """Stop asking."""
        if self._child is not None:
            self._child.kill()
        self.is_over = True

    def _end(self, answer: str) -> None:
        self.answer, self.is_over = answer, True
