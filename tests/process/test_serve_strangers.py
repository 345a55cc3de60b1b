# SPDX-License-Identifier: GPL-3.0-or-later
"""What another user of the machine, or a web page in a browser on it, can do at the port of igllm serve: nothing."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from runner_driver import answer_of, predict
from serve_driver import Served, heard_by_a_stranger, served, stranger

from igllm_addon.bridge.link import ServedRunner
from igllm_addon.core.errors import RunnerError
from igllm_addon.core.protocol import PROTOCOL_VERSION, Authenticate, Authenticated, Initialize, Prediction, encode_message
from igllm_addon.core.rendezvous import HOST, Address, address_to_json


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("serve")) as running:
        yield running


def authenticate(token: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "authenticate", "params": {"token": token}}).encode() + b"\n"


GREETING = encode_message(Initialize(PROTOCOL_VERSION, "stranger", 1))
POST = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: rebound.example\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        POST % len(GREETING) + GREETING,
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\n",
        b" " + authenticate("x"),
        b"\x00" * 100_000,
        b"{" * 100_000,
        b"{" + b" " * 1024,
        b'{"a":' * 150 + b"1" + b"}" * 150 + b"\n",
        b"{}\n",
        GREETING,
        encode_message(predict()),
        authenticate(""),
        authenticate("x" * 43),
        authenticate("x" * 900),
        authenticate(None),
        authenticate(["x"]),
        authenticate("\ud800" * 43),
        authenticate("\u00e9" * 43),
        b'{"jsonrpc":"2.0","id":1,"method":"authenticate"}\n',
        b'{"jsonrpc":"2.0","method":"authenticate","params":{"token":"x"}}\n',
        encode_message(Authenticated(1, "x")),
        b"\x80\x04\x95(\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.\n",
    ],
)
def test_a_stranger_gets_no_answer(said: bytes, server: Served) -> None:
    assert heard_by_a_stranger(server.address, said) == b""


def test_the_token_inside_a_browsers_request_opens_nothing(server: Served) -> None:
    body = encode_message(Authenticate(server.address.token)) + GREETING

    assert heard_by_a_stranger(server.address, POST % len(body) + body) == b""


def test_the_token_opens_nothing_where_more_comes_with_it(server: Served) -> None:
    line = encode_message(Authenticate(server.address.token))

    assert heard_by_a_stranger(server.address, line + GREETING) == b""
    assert heard_by_a_stranger(server.address, b"{}\n" + line) == b""


def test_half_the_token_or_one_letter_too_many_opens_nothing(server: Served) -> None:
    token = server.address.token

    assert heard_by_a_stranger(server.address, encode_message(Authenticate(token[:-1]))) == b""
    assert heard_by_a_stranger(server.address, encode_message(Authenticate(token + "A"))) == b""
    assert heard_by_a_stranger(server.address, encode_message(Authenticate(token.swapcase()))) == b""


def test_the_token_without_the_end_of_its_line_opens_nothing(server: Served) -> None:
    line = encode_message(Authenticate(server.address.token)).rstrip()

    assert heard_by_a_stranger(server.address, line, hang_up=True) == b""


def test_silence_and_half_a_line_are_ended_by_the_runner(server: Served) -> None:
    with stranger(server.address) as silent, stranger(server.address) as slow:
        slow.sendall(b'{"jsonrpc":')

        assert silent.recv(1) == b""
        assert slow.recv(1) == b""


def test_a_stranger_who_drips_bytes_is_ended_all_the_same(server: Served) -> None:
    dripping = b'{"jsonrpc":"2.0",' + b" " * 900

    with stranger(server.address) as slow, pytest.raises(ConnectionError):
        for byte in dripping:  # at this pace the line would take three minutes
            slow.sendall(bytes([byte]))
            threading.Event().wait(0.2)


def test_a_crowd_of_silent_strangers_keeps_nobody_out(server: Served) -> None:
    with ExitStack() as crowd:
        for _ in range(300):
            crowd.enter_context(stranger(server.address))
        with server.client() as client:
            answer = answer_of(client, predict(model="success"))

    assert isinstance(answer, Prediction)


def test_a_stranger_who_hangs_up_at_once_or_resets_the_connection_harms_nobody(server: Served) -> None:
    for _ in range(50):
        with stranger(server.address) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            rude.sendall(b"{")
    with server.client() as client:
        answer = answer_of(client, predict(model="success"))

    assert isinstance(answer, Prediction)


class Impostor:
    """A program that got the port of a runner which was killed. Keeps what it is told."""

    def __init__(self, answer: bytes, folder: Path) -> None:
        self._answer = answer
        self._listener = socket.create_server((HOST, 0))
        self.path = folder / "serve.json"
        self.address = Address(1, self._listener.getsockname()[1], "the token", "the proof")
        self.path.touch(0o600)
        self.path.write_text(address_to_json(self.address))
        self.heard = b""
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        with self._listener, self._listener.accept()[0] as connection:
            self.heard += connection.recv(4096)
            with suppress(OSError):  # the client hangs up before it has read everything, or is gone already
                connection.sendall(self._answer)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(4096):
                    self.heard += more

    def wait(self) -> None:
        self._thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        encode_message(Authenticated(0, "")),
        encode_message(Authenticated(0, "the token")),
        encode_message(Authenticated(0, "the pr\u00f6f")),
        encode_message(Authenticated(0, "x" * 2000)),
        b"x" * 5000,
    ],
)
def test_a_program_that_took_over_the_port_is_told_nothing_but_the_useless_token(answer: bytes, tmp_path: Path) -> None:
    impostor = Impostor(answer, tmp_path)

    with pytest.raises(RunnerError, match="was left behind by a runner that was killed"):
        ServedRunner(impostor.path).open()
    impostor.wait()

    assert impostor.heard == encode_message(Authenticate("the token"))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_an_address_that_others_have_rights_to_is_not_used(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    path.write_text(address_to_json(Address(1, 4242, "t", "p")))
    path.chmod(mode)

    with pytest.raises(RunnerError, match="is open to others"):
        ServedRunner(path).open()


def test_an_address_behind_a_link_is_not_used(tmp_path: Path) -> None:
    os.symlink("/etc/hostname", tmp_path / "serve.json")

    with pytest.raises(RunnerError, match="cannot be read"):
        ServedRunner(tmp_path / "serve.json").open()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_an_address_that_is_no_file_is_a_sentence(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "serve.json")

    with pytest.raises(RunnerError, match="is not a file"):
        ServedRunner(tmp_path / "serve.json").open()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid":1,"port":0,"token":"t","proof":"p"}', '{"pid":1,"port":"x"}', "\udcff"])
def test_a_damaged_address_is_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    path.touch(0o600)
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(RunnerError, match="holds no address of a runner"):
        ServedRunner(path).open()


def test_no_address_at_all_says_how_to_start_a_runner(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="start one with `igllm serve`"):
        ServedRunner(tmp_path / "serve.json").open()
