# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner process and its client: the faults that either side has to survive."""

from __future__ import annotations

import signal
import subprocess
import threading
from typing import IO

import pytest
from runner_driver import (
    PATIENCE_S,
    answer_of,
    fake_runner,
    memory_mb,
    messages_until_answered,
    picture_bytes,
    poll_until_progress,
    predict,
    process_of,
)

from igllm_addon.bridge.client import RunnerClient, error_of
from igllm_addon.bridge.launch import runner_command
from igllm_addon.core.errors import ProtocolError, RunnerError, UsageError, WeightsError
from igllm_addon.core.protocol import (
    PICTURE_BYTES_LIMIT,
    PROTOCOL_VERSION,
    Done,
    ErrorCode,
    Failure,
    Initialize,
    Message,
    Predict,
    Prediction,
    Shutdown,
    Statement,
    Unload,
    decode_message,
    encode_message,
)
from igllm_addon.core.vocabulary import Vocabulary


def test_a_fault_of_the_program_is_an_answer_with_its_traceback_in_the_log() -> None:
    with fake_runner("faulty") as client:
        failure = answer_of(client, predict())
        unloaded = answer_of(client, Unload())

    assert isinstance(failure, Failure)
    assert (failure.code, "a fault of the program" in failure.message) == (ErrorCode.INTERNAL, True)
    assert "Traceback" in client.log_tail
    assert isinstance(unloaded, Done)


def test_a_picture_of_400_million_pixels_is_refused_without_being_decoded() -> None:
    with fake_runner("success") as client:
        answer_of(client, predict())
        before = memory_mb(client, "VmHWM")
        failure = answer_of(client, predict(picture_bytes("PNG", (20_000, 20_000), "1")))
        most = memory_mb(client, "VmHWM")

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.UNUSABLE_PICTURE
    assert most < before + 16


def test_a_runner_that_crashes_is_reported_with_its_signal_and_its_log() -> None:
    with fake_runner("crash") as client, pytest.raises(RunnerError) as caught:
        answer_of(client, predict())

    assert "killed by SIGABRT" in str(caught.value)
    assert "fakes.py" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 22


def test_a_runner_that_is_killed_in_mid_request_is_reported_and_another_one_serves() -> None:
    with fake_runner("slow") as client:
        request = client.send(predict())
        poll_until_progress(client, "looking slowly")

        process_of(client).kill()
        with pytest.raises(RunnerError, match="killed by SIGKILL"):
            messages_until_answered(client, request)
    with fake_runner("success") as another:
        answer = answer_of(another, predict())

    assert isinstance(answer, Prediction)


def test_what_came_before_the_end_is_delivered_before_the_error() -> None:
    with fake_runner("crash") as client:
        client.send(predict())
        process_of(client).wait(PATIENCE_S)

        messages = client.poll(PATIENCE_S)
        with pytest.raises(RunnerError):
            client.poll(0.0)

    assert sum(isinstance(item, Statement) for item in messages) == 1


def test_garbage_from_the_runner_is_a_readable_error() -> None:
    with fake_runner("garbage") as client, pytest.raises(ProtocolError, match="no message.*Loading che"):
        answer_of(client, predict())


def test_another_version_is_a_sentence_with_the_remedy() -> None:
    with fake_runner("wrong-version") as client, pytest.raises(RunnerError, match="update the add-on"):
        answer_of(client, predict())


def test_a_runner_that_hangs_is_killed_on_close() -> None:
    client = fake_runner("hang")
    client.start()
    client.send(predict())
    poll_until_progress(client, "looking")
    process_of(client).send_signal(signal.SIGSTOP)  # not even its reading thread goes on

    client.close(grace_s=0.5)

    assert process_of(client).returncode == -signal.SIGKILL


def test_running_out_of_memory_is_an_answer_and_the_runner_goes_on() -> None:
    with fake_runner("out-of-memory") as client:
        failure = answer_of(client, predict())
        unloaded = answer_of(client, Unload())

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.OUT_OF_MEMORY
    assert isinstance(unloaded, Done)


def test_a_model_for_another_template_is_told_apart() -> None:
    vocabulary = Vocabulary("letters", {"shape": ("a", "b")})

    with fake_runner("success") as client:
        failure = answer_of(client, Predict(picture_bytes(), "fake", vocabulary))

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.UNUSABLE_VOCABULARY
    assert "'letters'" in failure.message


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (b"", "not a picture"),
        (b"Dear diary, today I took no picture.", "not a picture"),
        (picture_bytes("JPEG", (640, 480))[:700], "damaged"),
        (picture_bytes("PNG", (640, 480))[:60], "damaged"),
        (picture_bytes("PNG", (20_000, 20_000), "1"), "at most 64 million"),
        (picture_bytes("PNG", (10_000, 7_000), "1"), "10000 x 7000 pixels, and at most 64 million"),
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "20000 x 20000", "70 million pixels"],
)
def test_what_is_no_usable_picture_is_an_answer_and_the_next_picture_is_served(image: bytes, said: str) -> None:
    with fake_runner("success") as client:
        failure = answer_of(client, predict(image))
        answer = answer_of(client, predict())

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.UNUSABLE_PICTURE
    assert said in failure.message
    assert isinstance(error_of(failure), UsageError)
    assert isinstance(answer, Prediction)


def test_a_file_beyond_the_limit_is_refused_before_it_is_sent() -> None:
    with fake_runner("success") as client, pytest.raises(UsageError, match="at most 67,108,864"):
        client.send(predict(bytes(PICTURE_BYTES_LIMIT + 1)))


def test_a_model_that_is_missing_is_an_answer() -> None:
    with RunnerClient(runner_command()) as client:
        failure = answer_of(client, predict(model="no-such-model"))
        unloaded = answer_of(client, Unload())

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.UNUSABLE_WEIGHTS
    assert "'no-such-model'" in failure.message
    assert isinstance(error_of(failure), WeightsError)
    assert isinstance(unloaded, Done)


def write_and_flush(stream: IO[bytes], lines: bytes) -> None:
    stream.write(lines)
    stream.flush()


def converse(lines: bytes, *arguments: str) -> list[Message]:
    """Lines to a runner, and its answers once it ended; the input stays open until it has answered shutdown."""
    with subprocess.Popen(
        runner_command(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        send = threading.Thread(target=write_and_flush, args=(process.stdin, lines + encode_message(Shutdown(99))))
        send.start()
        answers = [decode_message(line) for line in process.stdout]
        send.join()
    return answers


def test_lines_that_are_no_messages_are_answered_with_errors_and_the_next_request_is_served() -> None:
    greeting = encode_message(Initialize(PROTOCOL_VERSION, "test", 1))
    garbage = b'\x00\xff\xfe\n[1,2]\n{"jsonrpc":"2.0","id":7,"method":"render"}\n{"jsonrpc":"2.0","method":"applaud"}\n'

    answers = converse(garbage + greeting, "--fake", "success")

    codes = [(item.id, item.code) for item in answers if isinstance(item, Failure)]
    assert codes == [(None, ErrorCode.NOT_JSON), (None, ErrorCode.NOT_A_MESSAGE), (7, ErrorCode.UNKNOWN_METHOD)]
    assert answers[-1] == Done(99)


def test_nothing_is_served_before_the_handshake() -> None:
    (refused, *_) = converse(encode_message(Predict(b"", "m", Vocabulary("t", {}), 1)), "--fake", "success")

    assert isinstance(refused, Failure)
    assert (refused.id, refused.code) == (1, ErrorCode.NOT_INITIALIZED)


def test_a_client_of_another_version_is_told_so() -> None:
    (refused, *_) = converse(encode_message(Initialize(PROTOCOL_VERSION + 1, "newer", 1)), "--fake", "success")

    assert isinstance(refused, Failure)
    assert refused.code == ErrorCode.VERSION_MISMATCH
    assert "update the model runner" in refused.message


def test_more_requests_than_can_wait_are_refused() -> None:
    lines = b"".join(encode_message(Unload(number)) for number in range(2, 2000))

    answers = converse(encode_message(Initialize(PROTOCOL_VERSION, "test", 1)) + lines, "--fake", "success")

    codes = {item.code for item in answers if isinstance(item, Failure)}
    assert codes <= {ErrorCode.BUSY}
    assert len(answers) == 2000
