# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of `igllm serve` share: a server with fake models, and connections to it without RunnerClient."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from runner_driver import PATIENCE_S

from igllm_addon.bridge.client import RunnerClient
from igllm_addon.bridge.link import ServedRunner
from igllm_addon.core.protocol import (
    PROTOCOL_VERSION,
    Authenticate,
    Authenticated,
    Initialize,
    Message,
    decode_message,
    encode_message,
)
from igllm_addon.core.rendezvous import HOST, RUNTIME_VARIABLE, Address, address_from_json

ROOT = Path(__file__).resolve().parents[2]


def serve_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "igllm_addon", "serve", *map(str, arguments)]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {RUNTIME_VARIABLE: str(folder)}


@dataclass
class Served:
    """A running server. The model that a request names is the fake that it plays."""

    process: subprocess.Popen[str]
    path: Path
    announcement: str

    @property
    def address(self) -> Address:
        return address_from_json(self.path.read_text())

    def client(self) -> RunnerClient:
        return RunnerClient(ServedRunner(self.path))


@contextmanager
def served(folder: Path, *arguments: object) -> Iterator[Served]:
    """A server of its own, which is killed if the test has not ended it."""
    with subprocess.Popen(
        serve_command("--fake", *arguments), cwd=ROOT, env=environment(folder), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            yield Served(process, folder / "serve.json", process.stderr.readline())
        finally:
            process.kill()


@contextmanager
def stranger(address: Address) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, address.port), PATIENCE_S) as connection:
        yield connection


def heard_by_a_stranger(address: Address, said: bytes, *, hang_up: bool = False) -> bytes:
    """All that the server answers before it closes the connection."""
    with stranger(address) as connection:
        try:
            connection.sendall(said)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(4096), b""))
        except ConnectionError:  # closed while something of ours was still on its way
            return b""


class RawClient:
    """A client that has the token and does as it likes."""

    def __init__(self, address: Address, version: int = PROTOCOL_VERSION) -> None:
        self.connection = socket.create_connection((HOST, address.port), PATIENCE_S)
        self.lines: BinaryIO = self.connection.makefile("rb")
        self.say(encode_message(Authenticate(address.token)))
        self.first = self.hear()
        if isinstance(self.first, Authenticated):
            self.say(encode_message(Initialize(version, "raw", 1)))
            self.greeting = self.hear()

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def hear(self) -> Message:
        return decode_message(self.lines.readline())

    def close(self) -> None:
        self.lines.close()
        self.connection.close()
