# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that works beside Blender: its lines come without waiting, and it does not outlive Blender. No bpy.

Its standard input is a pipe that nothing is written to. When Blender closes it, on purpose or by dying, guarded.py inside of the
child ends the child.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

GUARD = Path(__file__).resolve().with_name("guarded.py")

_LINES_KEPT = 400
_LINES_WAITING = 4096


class ChildProcess:
    """One process. Its stdout and stderr are one stream of lines, which also goes into the file `log_path`."""

    def __init__(
        self, command: Sequence[str], log_path: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it; raises OSError where that is not possible."""
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        self._log = log_path.open("ab") if log_path is not None else None
        self._tail: deque[str] = deque(maxlen=_LINES_KEPT)
        self._lines: queue.Queue[str] = queue.Queue(_LINES_WAITING)
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if environment is None else {**os.environ, **environment},
            **options,
        )
        self._reader = threading.Thread(target=self._read, name="igllm child process", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def lines(self) -> list[str]:
        """What came since the last call; never waits."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._lines.get_nowait())
        return found

    def exit_status_or_none(self) -> int | None:
        """None while the process runs or its last lines are still on the way."""
        return None if self._reader.is_alive() else self._process.poll()

    def log_tail(self, count: int = 20) -> str:
        """Its last lines."""
        return "\n".join(list(self._tail)[-count:])

    def ask_to_end(self) -> None:
        """Close its input, upon which the guard ends it; returns at once."""
        with contextlib.suppress(OSError):
            cast("IO[bytes]", self._process.stdin).close()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        self.ask_to_end()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _read(self) -> None:
        """Runs in the thread. Lines beyond what can wait are dropped: they are in the log, and progress comes again."""
        with cast("IO[bytes]", self._process.stdout) as stdout, self._log or contextlib.nullcontext() as log:
            for raw in stdout:
                if log is not None:
                    log.write(raw)
                    log.flush()
                line = raw.decode("utf-8", "replace").rstrip()
                self._tail.append(line)
                with contextlib.suppress(queue.Full):
                    self._lines.put_nowait(line)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
            self.ask_to_end()  # it has ended; only our end of its input is still open
