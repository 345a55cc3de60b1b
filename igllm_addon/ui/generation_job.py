# SPDX-License-Identifier: GPL-3.0-or-later
"""A data set that another Blender makes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .background_job import BackgroundJob


class GenerationJob(BackgroundJob):
    """One `igllm generate`."""

    def __init__(self, command: Sequence[str], folder: Path, log_path: Path | None) -> None:
        """Raises OSError where the process cannot be started."""
        super().__init__(command, log_path)
        self.folder = folder

    def _hear(self, line: str) -> None:
        if counted := re.search(r"\| (\d+)/(\d+)(.*)", line):
            self.fraction = int(counted[1]) / max(int(counted[2]), 1)
            self.line = f"{counted[1]} of {counted[2]}{counted[3]}"
        elif line.startswith("igllm generate: ") or " samples in " in line:
            self.sentence = line.removeprefix("igllm generate: ")

    def _end(self, status: int) -> None:
        if self._cancelled_at is not None:
            self.sentence = "Cancelled; the button goes on from there."
        elif status != 0:
            self.failed = True
            self.sentence = self.sentence or f"Blender ended with exit status {status} while it made the data set."
