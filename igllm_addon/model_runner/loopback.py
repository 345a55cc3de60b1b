# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner that is already running: serves any number of this user's clients over 127.0.0.1, one model for all of them.

Threads: the main one works, one watches the door, and each client has one that reads and one that writes, so that a client that
does not read its answers holds up nobody else. The standard library and core only, until a model is loaded.
"""

from __future__ import annotations

import os
import queue
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ..core.protocol import PROTOCOL_VERSION, Authenticated, ErrorCode, Failure, encode_message, read_messages
from ..core.rendezvous import HOST, Address
from .address_file import only_runner, remove_address, write_address
from .gate import Gate
from .schedule import Schedule
from .serving import LEAVE_GRACE_S, Load, Worker
from .session import Session

CLIENTS_LIMIT = 16
OUTBOX_LINES_LIMIT = 4096  # about a megabyte of progress and statements that nobody reads
_WRITING_GRACE_S = 1.0  # for the last lines to a client that is connected still
_SECRET_BYTES = 32
_ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class LoopbackServer:
    """`path`: where the address is left. `model`: loaded at the start, or None for the first one that is asked for."""

    def __init__(
        self, path: Path, port: int, model: str | None, load: Load | None = None, protocol_version: int = PROTOCOL_VERSION
    ) -> None:
        self._path = path
        self._port = port
        self._model = model
        self._protocol_version = protocol_version
        self._schedule: Schedule[Session] = Schedule()
        self._worker = Worker(self._schedule, load)
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()  # guards the set, which each client's thread changes
        self._finished = threading.Event()
        self._token, self._proof = secrets.token_urlsafe(_SECRET_BYTES), secrets.token_urlsafe(_SECRET_BYTES)

    def serve(self) -> None:
        """Until Ctrl-C, SIGTERM or the end of the terminal. Only the main thread can serve, because signals come to it. A
        UsageError where another runner serves, an OSError where the port cannot be had."""
        with only_runner(self._path):
            gate = Gate(self._port, self._token, self._admit)
            for name in _ENDING_SIGNALS:
                if number := getattr(signal, name, None):
                    signal.signal(number, lambda *_: None)  # the byte that the door's thread finds is what ends the runner
            signal.set_wakeup_fd(gate.wake_descriptor)
            watcher = threading.Thread(target=self._watch, args=(gate,), name="igllm gate", daemon=True)
            watcher.start()
            try:
                if self._model is not None:
                    self._worker.load(self._model)
                write_address(self._path, Address(os.getpid(), gate.port, self._token, self._proof))
                print(
                    f"Serving on {HOST}:{gate.port}, with the token in {self._path}; Ctrl-C ends it.", file=sys.stderr, flush=True
                )
                self._worker.work(end_after_shutdown=False)
            finally:
                signal.set_wakeup_fd(-1)
                remove_address(self._path)
                self._finished.set()
                gate.wake()
                watcher.join(_WRITING_GRACE_S)
            print("Ended.", file=sys.stderr, flush=True)

    def _watch(self, gate: Gate) -> None:
        """The door's thread, and the end of all others when it ends."""
        try:
            gate.watch()
        finally:
            self._schedule.close()
            with self._lock:
                connections = tuple(self._connections)
            for connection in connections:
                connection.drop()
            if not self._finished.wait(LEAVE_GRACE_S):
                remove_address(self._path)
                os._exit(0)  # what is in hand does not end by itself, and nobody waits for it

    def _admit(self, stream: socket.socket, request_id: int) -> None:
        with self._lock:
            full = len(self._connections) >= CLIENTS_LIMIT
        if full:
            sentence = f"{CLIENTS_LIMIT} clients are connected already; close one of them."
            with stream:
                stream.send(encode_message(Failure(request_id, ErrorCode.BUSY, sentence)))
            return
        connection = _Connection(stream, self._schedule, self._protocol_version, self._forget)
        with self._lock:
            self._connections.add(connection)
        connection.start(Authenticated(request_id, self._proof))

    def _forget(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.discard(connection)


class _Connection:
    """A client that has shown the token."""

    def __init__(
        self, stream: socket.socket, schedule: Schedule[Session], protocol_version: int, on_end: Callable[[_Connection], None]
    ) -> None:
        self._stream = stream
        self._outbox: queue.Queue[bytes | None] = queue.Queue(OUTBOX_LINES_LIMIT)
        self._session = Session(self._write, schedule, protocol_version, on_leave=self._end_writing)
        self._on_end = on_end
        self._writer = threading.Thread(target=self._write_lines, name="igllm client writer", daemon=True)

    def start(self, answer: Authenticated) -> None:
        """Answer and serve, in threads of its own."""
        self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._session.send(answer)
        self._writer.start()
        threading.Thread(target=self._read, name="igllm client reader", daemon=True).start()

    def drop(self) -> None:
        """End the connection now; its threads end by that."""
        try:
            self._stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended

    def _read(self) -> None:
        try:
            with self._stream.makefile("rb") as lines:
                for item in read_messages(lines):
                    self._session.take(item)
        except OSError:
            pass  # the connection broke, which is one way to leave
        finally:
            self._session.leave()
            self._writer.join(_WRITING_GRACE_S)
            self.drop()
            self._stream.close()
            self._on_end(self)

    def _write(self, line: bytes) -> None:
        try:
            self._outbox.put_nowait(line)
        except queue.Full:
            self.drop()
            raise BrokenPipeError("the client does not read its answers") from None

    def _end_writing(self) -> None:
        try:
            self._outbox.put_nowait(None)
        except queue.Full:
            self.drop()

    def _write_lines(self) -> None:
        try:
            while (line := self._outbox.get()) is not None:
                self._stream.sendall(line)
        except OSError:
            return  # the client is gone, which its reading thread notices too
        finally:
            self.drop()
