# SPDX-License-Identifier: GPL-3.0-or-later
"""The model runner that stays between two runs, so that the second one need not load the model again. No bpy."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..bridge.client import RunnerClient

_QUIT_GRACE_S = 0.3  # Blender's window is closing; the runner has nothing to save


class RunnerSession:
    """At most one runner that is at rest. What holds a client takes it out of the session and puts it back or ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: tuple[tuple[str, ...], RunnerClient] | None = None
        self._rests_since = 0.0

    def take(self, command: tuple[str, ...], log_path: Path | None) -> RunnerClient:
        """The resting runner of this command, else a new one; greeted, but it may not have answered yet.

        Starting takes a moment, so this is for a thread that may wait. Raises RunnerError.
        """
        from ..bridge.client import RunnerClient

        with self._lock:
            resting, self._resting = self._resting, None
        if resting is not None:
            if resting[0] == command and _lives(resting[1]):
                return resting[1]
            resting[1].close(_QUIT_GRACE_S)
        client = RunnerClient(command, client_name="Blender", log_path=log_path)
        client.start()
        return client

    def put_back(self, command: tuple[str, ...], client: RunnerClient) -> None:
        """Keep a runner that has answered, for the next run."""
        with self._lock:
            previous, self._resting = self._resting, (command, client)
            self._rests_since = time.monotonic()
        if previous is not None:
            end_aside(previous[1])

    def seconds_at_rest_or_none(self) -> float | None:
        """How long the runner has had nothing to do; None where there is none."""
        return None if self._resting is None else time.monotonic() - self._rests_since

    def end(self, *, wait: bool) -> None:
        """End the resting runner, in this thread or aside."""
        with self._lock:
            resting, self._resting = self._resting, None
        if resting is not None:
            if wait:
                resting[1].close(_QUIT_GRACE_S)
            else:
                end_aside(resting[1])


def end_aside(client: RunnerClient, grace_s: float = 2.0) -> None:
    """End a runner without waiting for it."""
    thread = threading.Thread(target=client.close, args=(grace_s,), name="igllm runner end", daemon=True)
    _ending[:] = [item for item in _ending if item.is_alive()] + [thread]
    thread.start()


def wait_for_endings(limit_s: float) -> None:
    """Before Blender quits: a thread that is still at work while Python is taken down can hold what that waits for."""
    end = time.monotonic() + limit_s
    for thread in _ending:
        thread.join(max(end - time.monotonic(), 0.0))


_ending: list[threading.Thread] = []


def _lives(client: RunnerClient) -> bool:
    from ..core.errors import RunnerError

    try:
        client.poll(0.0)  # what an earlier request left behind; a runner that died says so here
    except RunnerError:
        return False
    return True
