# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers at the door of `igllm serve`: whoever connects to the port is one until a first line with the token has come.

A stranger gets no answer, may send a short line and take a short time, and costs no thread. So a browser, a port scanner or
another user of this machine learns nothing and blocks nobody. The standard library and core only.
"""

from __future__ import annotations

import hmac
import selectors
import socket
import sys
import time
from collections.abc import Callable

from ..core.errors import ProtocolError
from ..core.protocol import Authenticate, decode_message
from ..core.rendezvous import FIRST_LINE_BYTES_LIMIT, FIRST_LINE_SECONDS_LIMIT, HOST

STRANGERS_LIMIT = 64  # beyond it whoever has waited longest has to go: a client shows its token within milliseconds

Admit = Callable[[socket.socket, int], None]


class _Stranger:
    def __init__(self) -> None:
        self.said = b""
        self.until = time.monotonic() + FIRST_LINE_SECONDS_LIMIT


class Gate:
    """Listens on `port` (0: any that is free). `admit` gets each connection that showed the token, and the id to answer to; it
    must not wait. An OSError tells that the port cannot be had."""

    def __init__(self, port: int, token: str, admit: Admit) -> None:
        self._token = token.encode()
        self._admit = admit
        self._strangers: dict[socket.socket, _Stranger] = {}  # oldest first
        self._listener = _listener(port)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for readable in (self._listener, self._woken):
            readable.setblocking(False)
            self._selector.register(readable, selectors.EVENT_READ)
        self._wake.setblocking(False)

    @property
    def port(self) -> int:
        """The one that it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def wake_descriptor(self) -> int:
        """A byte that is written here ends watch(): what signal.set_wakeup_fd takes."""
        return self._wake.fileno()

    def watch(self) -> None:
        """Let strangers in or send them away until wake() is called; afterwards nobody listens any more."""
        try:
            while self._step():
                pass
        finally:
            for stranger in (*self._strangers, self._listener):
                stranger.close()
            self._selector.close()

    def wake(self) -> None:
        """End watch(), from any thread."""
        self._wake.send(b"\0")

    def _step(self) -> bool:
        soonest = min((stranger.until for stranger in self._strangers.values()), default=None)
        for key, _ in self._selector.select(None if soonest is None else max(soonest - time.monotonic(), 0.0)):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj in self._strangers:  # which may have been sent away since select returned
                assert isinstance(key.fileobj, socket.socket)
                self._hear(key.fileobj)
        now = time.monotonic()
        for connection in [each for each, stranger in self._strangers.items() if stranger.until <= now]:
            self._send_away(connection)
        return True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            # Gone already, or no descriptor is left: the oldest stranger's is the one to give back.
            if self._strangers:
                self._send_away(next(iter(self._strangers)))
            return
        if len(self._strangers) >= STRANGERS_LIMIT:
            self._send_away(next(iter(self._strangers)))
        connection.setblocking(False)
        self._strangers[connection] = _Stranger()
        self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, connection: socket.socket) -> None:
        stranger = self._strangers[connection]
        try:
            more = connection.recv(FIRST_LINE_BYTES_LIMIT + 1 - len(stranger.said))
        except BlockingIOError:
            return
        except OSError:
            more = b""
        stranger.said += more
        if not more or len(stranger.said) > FIRST_LINE_BYTES_LIMIT or not stranger.said.startswith(b"{"):
            self._send_away(connection)
        elif b"\n" in stranger.said:
            request_id = _id_or_none(stranger.said, self._token)
            if request_id is None:
                self._send_away(connection)
            else:
                self._let_in(connection, request_id)

    def _let_in(self, connection: socket.socket, request_id: int) -> None:
        self._selector.unregister(connection)
        del self._strangers[connection]
        try:
            connection.setblocking(True)
            self._admit(connection, request_id)
        except OSError:  # gone again
            connection.close()

    def _send_away(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._strangers[connection]
        connection.close()


def _id_or_none(line: bytes, token: bytes) -> int | None:
    """The id of the authenticate request that is all of the line and has the token."""
    if line.index(b"\n") != len(line) - 1:
        return None  # an honest client waits for the answer before it says more
    try:
        message = decode_message(line)
    except ProtocolError:
        return None
    if not isinstance(message, Authenticate):
        return None
    return message.id if hmac.compare_digest(message.token.encode(errors="replace"), token) else None


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # where a port that somebody listens on can be taken away otherwise
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        elif port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier runner may linger
        listener.bind((HOST, port))
        listener.listen(STRANGERS_LIMIT)
    except OSError:
        listener.close()
        raise
    return listener
