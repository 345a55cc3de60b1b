# SPDX-License-Identifier: GPL-3.0-or-later
"""One client of the runner: what it may ask, what it waits for, and that each of its requests is answered exactly once.

The client's own thread reads and hands over what came; the working thread tells and answers. A cancel is answered by the thread
that reads it, at once, whatever the model is doing; the work learns of it before its next step.
"""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable
from reprlib import repr as repr_short

from ..core.errors import ProtocolError
from ..core.protocol import (
    PROTOCOL_VERSION,
    Authenticate,
    Cancel,
    Done,
    ErrorCode,
    Failure,
    Initialize,
    Initialized,
    Message,
    Predict,
    Prediction,
    Progress,
    Request,
    Shutdown,
    Statement,
    Unload,
    encode_message,
    version_mismatch,
)
from .schedule import QUEUE_LIMIT, Schedule


class Session:
    """`write` sends one line and raises an OSError where the client is gone; `on_leave` is called once, after the last line."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        schedule: Schedule[Session],
        protocol_version: int = PROTOCOL_VERSION,
        on_leave: Callable[[], None] = lambda: None,
    ) -> None:
        self._write = write
        self._schedule = schedule
        self._protocol_version = protocol_version
        self._on_leave = on_leave
        # Held while a line is written, so that nothing about a request can follow its answer.
        self._lock = threading.Lock()
        self._pending: set[int] = set()
        self._initialized = False
        self._gone = False
        self._left = False

    def take(self, item: Message | ProtocolError) -> None:
        """Deal with one line of the client."""
        if isinstance(item, ProtocolError):
            if item.code == ErrorCode.UNKNOWN_METHOD and item.request_id is None:
                print(f"Ignored a notification: {item}", file=sys.stderr)  # JSON-RPC answers to no notification
            else:
                self.send(Failure(item.request_id, item.code, str(item)))
        elif isinstance(item, Cancel):
            self._cancel(item.request_id)
        elif isinstance(item, Initialize):
            self.send(self._greeting(item))
        elif isinstance(item, Predict | Unload | Shutdown):
            self._queue(item)
        elif isinstance(item, Authenticate):
            sentence = "authenticate is the first line of a loopback connection and nothing else."
            self.send(Failure(item.id, ErrorCode.UNKNOWN_METHOD, sentence))
        else:
            found = type(item).__name__
            self.send(Failure(None, ErrorCode.NOT_A_MESSAGE, f"A runner takes requests and cancel, got a message {found!r}."))

    def wants(self, request_id: int) -> bool:
        """Whether the request's answer still matters to anybody."""
        with self._lock:
            return request_id in self._pending

    def tell(self, message: Progress | Statement) -> None:
        """Send a notification, unless its request has been answered already."""
        with self._lock:
            if message.request_id in self._pending:
                self._send(message)

    def answer(self, message: Prediction | Done | Failure) -> None:
        """Send a request's result or failure, unless it has been answered already."""
        with self._lock:
            if message.id in self._pending:
                self._pending.remove(message.id)
                self._send(message)

    def send(self, message: Message) -> None:
        """Send what belongs to no request that waits."""
        with self._lock:
            self._send(message)

    def leave(self) -> None:
        """The client is gone: it wants nothing any more."""
        with self._lock:
            first, self._left = not self._left, True
            self._gone = True
            self._pending.clear()
        self._schedule.drop(self)
        if first:
            self._on_leave()

    def _send(self, message: Message) -> None:
        if self._gone:
            return
        try:
            self._write(encode_message(message))
        except OSError:
            self._gone = True
            self._pending.clear()

    def _cancel(self, request_id: int) -> None:
        self._schedule.remove(self, request_id)
        self.answer(Failure(request_id, ErrorCode.CANCELLED, "The request was cancelled."))

    def _queue(self, request: Request) -> None:
        refusal = None
        with self._lock:
            if self._gone:
                return
            if not self._initialized and not isinstance(request, Shutdown):
                sentence = "The first request must be initialize, and succeed."
                refusal = Failure(request.id, ErrorCode.NOT_INITIALIZED, sentence)
            elif request.id in self._pending:
                refusal = Failure(None, ErrorCode.NOT_A_MESSAGE, f"The id {request.id} belongs to a request that still waits.")
            else:
                self._pending.add(request.id)
        if refusal is not None:
            self.send(refusal)
        elif not self._schedule.add(self, request):
            sentence = f"{QUEUE_LIMIT} requests are waiting already; wait for an answer."
            self.answer(Failure(request.id, ErrorCode.BUSY, sentence))

    def _greeting(self, request: Initialize) -> Initialized | Failure:
        if request.protocol_version != self._protocol_version:
            sentence = version_mismatch(request.protocol_version, self._protocol_version)
            return Failure(request.id, ErrorCode.VERSION_MISMATCH, sentence)
        self._initialized = True
        print(f"Serving {repr_short(request.client)}.", file=sys.stderr)
        return Initialized(request.id, self._protocol_version, f"Python {platform.python_version()}, {sys.executable}")
