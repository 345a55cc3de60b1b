# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that wait for the one model: a queue per client, and the clients take turns. Standard library and core."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from ..core.protocol import Request, Shutdown

QUEUE_LIMIT = 32  # requests of one client that may wait

_Client = TypeVar("_Client")


class Schedule(Generic[_Client]):
    """Any thread may call any method. A client is whatever can be the key of a dict."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[_Client, deque[Request]] = {}
        self._turns = 0
        self._last_turn: dict[_Client, int] = {}
        self._closed = False

    def add(self, client: _Client, request: Request) -> bool:
        """Queue a request, unless the client has too many there already."""
        with self._changed:
            waiting = self._waiting.setdefault(client, deque())
            if len(waiting) >= QUEUE_LIMIT and not isinstance(request, Shutdown):
                return False
            waiting.append(request)
            self._changed.notify()
            return True

    def remove(self, client: _Client, request_id: int) -> None:
        """Forget a request that is not wanted any more."""
        with self._changed:
            left = deque(request for request in self._waiting.get(client, ()) if request.id != request_id)
            if left:
                self._waiting[client] = left
            else:
                self._waiting.pop(client, None)

    def drop(self, client: _Client) -> None:
        """Forget all that a client asked for."""
        with self._changed:
            self._waiting.pop(client, None)
            self._last_turn.pop(client, None)

    def next_or_none(self) -> tuple[_Client, Request] | None:
        """Wait for a request and take it: the oldest of the client whose last turn is longest ago. None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            client = min(self._waiting, key=lambda each: self._last_turn.get(each, 0))
            request = self._waiting[client].popleft()
            if not self._waiting[client]:
                del self._waiting[client]
            self._turns += 1
            self._last_turn[client] = self._turns
            return client, request

    def close(self) -> None:
        """Nothing is given out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
