# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm serve and its clients: what goes well, several at once, and the ways in which either side ends."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from runner_driver import PATIENCE_S, answer_of, messages_until_answered, poll_until_progress, predict
from serve_driver import ROOT, RawClient, Served, environment, serve_command, served

from igllm_addon.core.errors import RunnerError
from igllm_addon.core.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    Done,
    ErrorCode,
    Failure,
    Prediction,
    Progress,
    Shutdown,
    Statement,
    Unload,
    encode_message,
)
from igllm_addon.core.rendezvous import HOST


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("serve")) as running:
        yield running


def test_it_listens_on_the_loopback_interface_and_nowhere_else(server: Served) -> None:
    listening = [
        each.laddr
        for each in psutil.Process(server.process.pid).net_connections("all")
        if each.status == psutil.CONN_LISTEN or each.type == socket.SOCK_DGRAM and each.laddr
    ]

    assert listening == [(HOST, server.address.port)]


def test_the_secrets_are_in_a_file_of_its_user_and_nowhere_else(server: Served) -> None:
    process, address = psutil.Process(server.process.pid), server.address

    seen_by_others = " ".join([*process.cmdline(), *process.environ().values(), server.announcement])
    assert str(server.path) in server.announcement
    assert str(address.port) in server.announcement
    assert address.token not in seen_by_others and address.proof not in seen_by_others
    assert (len(address.token), len(address.proof)) == (43, 43)  # 256 bits each
    assert address.pid == process.pid
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


def test_a_client_gets_statements_and_the_program(server: Served) -> None:
    with server.client() as client:
        messages = messages_until_answered(client, client.send(predict(model="success")))

    statements = [item for item in messages if isinstance(item, Statement)]
    assert isinstance(messages[-1], Prediction)
    assert "".join(item.text for item in statements) == messages[-1].code


def test_clients_after_one_another_find_the_model_loaded(server: Served) -> None:
    with server.client() as first:
        answer_of(first, predict(model="chatty"))
    with server.client() as second:
        messages = messages_until_answered(second, second.send(predict(model="chatty")))

    stages = [item.stage for item in messages if isinstance(item, Progress)]
    assert stages == ["reading the picture", "looking"]


def test_clients_take_turns_and_each_gets_its_own_answers(server: Served) -> None:
    with server.client() as greedy, server.client() as modest:
        in_hand, waits = greedy.send(predict(model="slow")), greedy.send(predict(model="slow"))
        poll_until_progress(greedy, "looking slowly")
        wanted = modest.send(predict(model="success"))

        greedy.cancel(in_hand)
        answer = messages_until_answered(modest, wanted)[-1]
        greedy.cancel(waits)
        messages = messages_until_answered(greedy, waits)

    failures = {item.id: item.code for item in messages if isinstance(item, Failure)}
    assert isinstance(answer, Prediction)
    assert failures == {in_hand: ErrorCode.CANCELLED, waits: ErrorCode.CANCELLED}


def test_a_request_of_another_client_cannot_be_cancelled(server: Served) -> None:
    with server.client() as client:
        request = client.send(predict(model="slow"))
        poll_until_progress(client, "looking slowly")
        other = RawClient(server.address)

        other.say(encode_message(Cancel(request)) + b"oops\n")
        other.hear()  # the answer to the second line, so the first has been read
        messages = client.poll(PATIENCE_S)
        other.close()
        client.cancel(request)
        cancelled = messages_until_answered(client, request)[-1]

    assert all(isinstance(item, Progress) for item in messages)
    assert isinstance(cancelled, Failure)


def test_a_client_that_vanishes_takes_its_requests_with_it_and_nobody_elses(server: Served) -> None:
    vanishing = RawClient(server.address)
    vanishing.say(encode_message(predict(model="slow")) + encode_message(predict(model="slow")))
    while not (isinstance(said := vanishing.hear(), Progress) and said.stage == "looking slowly"):
        pass
    with server.client() as client:
        request = client.send(predict(model="success"))

        vanishing.close()
        answer = messages_until_answered(client, request)[-1]

    assert isinstance(answer, Prediction)


def test_shutdown_ends_the_connection_and_not_the_runner(server: Served) -> None:
    leaving = RawClient(server.address)

    leaving.say(encode_message(Shutdown(2)))
    done, rest = leaving.hear(), leaving.lines.read()
    leaving.close()
    with server.client() as client:
        answer = answer_of(client, Unload())

    assert (done, rest) == (Done(2), b"")
    assert isinstance(answer, Done)


def test_a_client_that_does_not_read_its_answers_is_hung_up_on_and_holds_up_nobody(server: Served) -> None:
    deaf = RawClient(server.address)

    with pytest.raises(ConnectionError):
        while True:
            deaf.say(b"no message\n" * 1000)
    with server.client() as client:
        answer = answer_of(client, predict(model="success"))
    deaf.close()

    assert isinstance(answer, Prediction)


def test_a_client_of_another_version_is_told_so(server: Served) -> None:
    newer = RawClient(server.address, PROTOCOL_VERSION + 1)

    newer.close()

    assert isinstance(newer.greeting, Failure)
    assert newer.greeting.code == ErrorCode.VERSION_MISMATCH


def test_a_fault_of_the_program_is_an_answer_and_the_others_are_served(server: Served) -> None:
    with server.client() as client:
        failure = answer_of(client, predict(model="faulty"))
        answer = answer_of(client, predict(model="success"))

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.INTERNAL
    assert isinstance(answer, Prediction)


def test_more_clients_than_there_is_room_for_are_told_so(server: Served) -> None:
    clients = [RawClient(server.address) for _ in range(17)]

    one_too_many = [client.first for client in clients if isinstance(client.first, Failure)]
    with pytest.raises(RunnerError, match="refuses: 16 clients are connected already"):
        server.client().start()
    for client in clients:
        client.close()

    assert [failure.code for failure in one_too_many] == [ErrorCode.BUSY]


def test_a_second_runner_is_refused_with_the_first_ones_process(server: Served) -> None:
    second = subprocess.run(
        serve_command("--fake"), cwd=ROOT, env=environment(server.path.parent), capture_output=True, text=True, check=False
    )

    assert (second.returncode, second.stdout) == (2, "")
    assert f"is serving already (process {server.process.pid}, port {server.address.port})" in second.stderr
    assert server.address.pid == server.process.pid


def test_a_port_that_is_taken_is_a_sentence(server: Served, tmp_path: Path) -> None:
    ended = subprocess.run(
        serve_command("--fake", "--port", server.address.port),
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert f"igllm serve: Port {server.address.port} cannot be listened on" in ended.stderr
    assert not (tmp_path / "serve.json").exists()


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    ended = subprocess.run(
        serve_command("--fake"), cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "a secret is not safe there" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_an_idle_runner_and_removes_its_address(tmp_path: Path) -> None:
    with served(tmp_path, "--model", "success") as server, server.client() as client:
        answer_of(client, Unload())

        server.process.send_signal(signal.SIGINT)
        status = server.process.wait(PATIENCE_S)
        with pytest.raises(RunnerError, match="closed the connection"):
            answer_of(client, Unload())

    assert status == 0
    assert not (tmp_path / "serve.json").exists()


@pytest.mark.parametrize(("model", "stage"), [("slow", "looking slowly"), ("hang", "looking")])
def test_sigterm_ends_a_runner_at_work_and_removes_its_address(model: str, stage: str, tmp_path: Path) -> None:
    with served(tmp_path) as server, server.client() as client:
        client.send(predict(model=model))
        poll_until_progress(client, stage)

        server.process.terminate()
        status = server.process.wait(PATIENCE_S)

    assert status == 0
    assert not (tmp_path / "serve.json").exists()


def test_a_runner_that_was_killed_is_recognised_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    with served(tmp_path) as killed, killed.client() as client:
        request = client.send(predict(model="slow"))
        poll_until_progress(client, "looking slowly")
        killed.process.kill()
        with pytest.raises(RunnerError, match="closed the connection"):
            messages_until_answered(client, request)
        killed.process.wait(PATIENCE_S)

        with pytest.raises(RunnerError, match="was left behind by a runner that was killed; start `igllm serve` again"):
            killed.client().start()
    with served(tmp_path) as again, again.client() as client:
        answer = answer_of(client, predict(model="success"))

    assert isinstance(answer, Prediction)
