# SPDX-License-Identifier: GPL-3.0-or-later
"""Each request of a client is answered once, and nothing about it follows its answer."""

from __future__ import annotations

import pytest

from igllm_addon.core.protocol import (
    PROTOCOL_VERSION,
    Authenticate,
    Cancel,
    Done,
    ErrorCode,
    Failure,
    Initialize,
    Message,
    Predict,
    Progress,
    Statement,
    Unload,
    decode_message,
)
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.schedule import QUEUE_LIMIT, Schedule
from igllm_addon.model_runner.session import Session


class Client:
    """A session, its schedule, and what was sent."""

    def __init__(self) -> None:
        self.schedule: Schedule[Session] = Schedule()
        self.sent: list[Message] = []
        self.session = Session(lambda line: self.sent.append(decode_message(line)), self.schedule)
        self.session.take(Initialize(PROTOCOL_VERSION, "test", 1))
        self.sent.clear()


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_cancelled_request_in_hand_is_answered_at_once_and_nothing_about_it_follows(client: Client) -> None:
    client.session.take(Predict(b"", "m", CLEVR, 2))
    client.schedule.next_or_none()
    client.session.tell(Progress(2, "looking", 0.0))

    client.session.take(Cancel(2))
    wanted = client.session.wants(2)
    client.session.tell(Statement(2, 0, "add()\n", 0.5))
    client.session.answer(Done(2))

    assert not wanted
    assert client.sent[0] == Progress(2, "looking", 0.0)
    assert [(type(item), item.code) for item in client.sent[1:] if isinstance(item, Failure)] == [(Failure, ErrorCode.CANCELLED)]
    assert len(client.sent) == 2


def test_a_cancelled_request_that_waits_is_answered_at_once_and_never_given_out(client: Client) -> None:
    client.session.take(Unload(2))
    client.session.take(Unload(3))

    client.session.take(Cancel(2))
    given_out = client.schedule.next_or_none()

    assert [item.id for item in client.sent if isinstance(item, Failure)] == [2]
    assert given_out == (client.session, Unload(3))


def test_a_request_is_cancelled_once(client: Client) -> None:
    client.session.take(Unload(2))

    client.session.take(Cancel(2))
    client.session.take(Cancel(2))
    client.session.take(Cancel(77))

    assert len(client.sent) == 1


def test_an_id_that_is_in_use_is_refused_without_an_answer_to_the_first_request(client: Client) -> None:
    client.session.take(Unload(2))
    client.session.take(Unload(2))
    client.session.answer(Done(2))

    refusal, done = client.sent
    assert isinstance(refusal, Failure)
    assert (refusal.id, refusal.code) == (None, ErrorCode.NOT_A_MESSAGE)
    assert done == Done(2)


def test_a_client_that_is_gone_is_told_nothing_more(client: Client) -> None:
    client.session.take(Unload(2))

    client.session.leave()
    client.session.answer(Done(2))
    client.session.take(Unload(3))
    client.schedule.add(client.session, Unload(4))

    assert client.sent == []
    assert client.schedule.next_or_none() == (client.session, Unload(4))


def test_a_line_that_cannot_be_written_ends_the_interest_in_every_request() -> None:
    def broken(line: bytes) -> None:
        if b"progress" in line:
            raise BrokenPipeError

    schedule: Schedule[Session] = Schedule()
    session = Session(broken, schedule)
    session.take(Initialize(PROTOCOL_VERSION, "test", 1))
    session.take(Unload(2))
    session.tell(Progress(2, "looking", 0.0))

    assert not session.wants(2)


def test_more_requests_than_can_wait_are_refused_one_by_one(client: Client) -> None:
    for number in range(2, QUEUE_LIMIT + 4):
        client.session.take(Unload(number))

    assert [(item.id, item.code) for item in client.sent if isinstance(item, Failure)] == [
        (QUEUE_LIMIT + 2, ErrorCode.BUSY),
        (QUEUE_LIMIT + 3, ErrorCode.BUSY),
    ]


def test_authenticate_is_no_request_of_a_client_that_is_let_in(client: Client) -> None:
    client.session.take(Authenticate("token", 2))

    (refusal,) = client.sent
    assert isinstance(refusal, Failure)
    assert (refusal.id, refusal.code) == (2, ErrorCode.UNKNOWN_METHOD)


def test_the_name_of_a_client_cannot_forge_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    Client().session.take(Initialize(PROTOCOL_VERSION, "x\nServing root.\x1b[2J", 1))

    assert capsys.readouterr().err == "Serving 'test'.\nServing 'x\\nServing root.\\x1b[2J'.\n"
