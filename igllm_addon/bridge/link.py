# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to a model runner: a child process of one's own, or one that `igllm serve` has running. Standard library and core.

Both open streams of bytes (`reader`, `writer`, and `log` where the runner's log is to be had), tell how they came to their
end, and close them. RunnerClient does the rest.
"""

from __future__ import annotations

import hmac
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, cast

from ..core.errors import ProtocolError, RunnerError
from ..core.protocol import Authenticate, Authenticated, Failure, decode_message, encode_message
from ..core.rendezvous import (
    ADDRESS_BYTES_LIMIT,
    FIRST_LINE_BYTES_LIMIT,
    FIRST_LINE_SECONDS_LIMIT,
    HOST,
    Address,
    address_from_json,
    address_path,
)
from .launch import start_process

_READ_BYTES = 1024 * 1024
_START_AGAIN = "start `igllm serve` again"


class ChildRunner:
    """A runner that is started for its one client. `command` is what runner_command() returns."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)

    def open(self) -> None:
        """Start the process."""
        try:
            self.process = start_process(self._command)
        except OSError as error:
            raise RunnerError(
                f"The model runner {self._command[0]!r} cannot be started ({error}); choose another Python."
            ) from error
        self.reader = BufferedReader(cast("RawIOBase", self.process.stdout), _READ_BYTES)
        self.writer = cast("IO[bytes]", self.process.stdin)
        self.log: BufferedReader | None = BufferedReader(cast("RawIOBase", self.process.stderr), _READ_BYTES)

    def has_ended(self) -> bool:
        """A process that inherited the runner's output could hold it open for ever."""
        return self.process.poll() is not None

    def how_it_ended(self) -> str:
        """By which status or signal."""
        try:
            status = self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "The model runner closed its output without ending; restart it."
        how = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        return f"The model runner ended before it answered ({how}); start it again."

    def close(self, grace_s: float) -> None:
        """Kill the process if it does not end by itself."""
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class ServedRunner:
    """The runner that `igllm serve` has running. `path`: its address file, where it is not in its usual place."""

    log: BufferedReader | None = None  # is where that runner was started

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or address_path(os.environ, Path.home(), sys.platform)

    def open(self) -> None:
        """Connect and show the token. What listens has to show that it is the runner before it is told anything else."""
        address = _read_address(self._path)
        self._port = address.port
        left_behind = f"{self._path} was left behind by a runner that was killed; {_START_AGAIN}."
        try:
            stream = socket.create_connection((HOST, address.port), FIRST_LINE_SECONDS_LIMIT)
        except OSError as error:
            raise RunnerError(f"Nobody listens at port {address.port}: {left_behind}") from error
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.sendall(encode_message(Authenticate(address.token)))
            answer = decode_message(_first_line(stream))
        except (OSError, ProtocolError) as error:
            stream.close()
            raise RunnerError(f"It is no model runner that listens at port {address.port}: {left_behind}") from error
        if not (isinstance(answer, Authenticated) and _same(answer.proof, address.proof)):
            stream.close()
            busy = (
                f"refuses: {answer.message}"
                if isinstance(answer, Failure)
                else f"is not the one that it should be: {left_behind}"
            )
            raise RunnerError(f"The model runner at port {address.port} {busy}")
        stream.settimeout(None)
        self._stream = stream
        self.reader = cast("BufferedReader", stream.makefile("rb", buffering=_READ_BYTES))
        self.writer = cast("IO[bytes]", stream.makefile("wb", buffering=0))

    def has_ended(self) -> bool:
        """The end of a connection always shows in its stream."""
        return False

    def how_it_ended(self) -> str:
        """Why is not known here, because that runner's log is where it was started."""
        return f"The model runner at port {self._port} closed the connection; look at what it says, or {_START_AGAIN}."

    def close(self, grace_s: float) -> None:
        """Hang up, which is all that this client's requests need to be given up; that runner goes on."""
        with suppress(OSError):  # the runner has hung up already
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()


def _first_line(stream: socket.socket) -> bytes:
    """One short line within a short time, however slowly its bytes come."""
    until = time.monotonic() + FIRST_LINE_SECONDS_LIMIT
    line = b""
    while not line.endswith(b"\n"):
        stream.settimeout(max(until - time.monotonic(), 0.001))
        more = stream.recv(FIRST_LINE_BYTES_LIMIT - len(line))
        if not more:  # hung up, or the line is too long
            raise ConnectionResetError("no answer")
        line += more
    return line


def _same(shown: str, expected: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="replace"), expected.encode())


def _read_address(path: Path) -> Address:
    """The address in the file, which nobody else may have written or may read."""
    try:
        # Neither a link nor a pipe that nobody writes to may lead this process astray.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise RunnerError(f"No model runner of yours is serving ({path} is not there); start one with `igllm serve`.") from None
    except OSError as error:
        raise RunnerError(f"{path} cannot be read ({error.strerror}); end the runner and {_START_AGAIN}.") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise RunnerError(f"{path} is not a file; remove it and {_START_AGAIN}.")
    with os.fdopen(descriptor, "rb") as file:
        if sys.platform != "win32" and (found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)):
            raise RunnerError(f"{path} belongs to another user or is open to others; end the runner and {_START_AGAIN}.")
        text = file.read(ADDRESS_BYTES_LIMIT)
    try:
        return address_from_json(text.decode())
    except ValueError as error:
        raise RunnerError(f"{path} holds no address of a runner ({error}); end the runner and {_START_AGAIN}.") from None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
