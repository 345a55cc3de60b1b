# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner process and its client: what goes well, and every fault that either side has to survive."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest
from runner_driver import (
    PATIENCE_S,
    answer_of,
    fake_runner,
    has_ended,
    messages_until_answered,
    picture_bytes,
    poll_until_progress,
    predict,
)

from igllm_addon.bridge.client import RunnerClient, error_of
from igllm_addon.bridge.launch import runner_command
from igllm_addon.bridge.link import ChildRunner
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
    Progress,
    Shutdown,
    Statement,
    Unload,
    decode_message,
    encode_message,
)
from igllm_addon.core.vocabulary import Vocabulary


def process_of(client: RunnerClient) -> subprocess.Popen[bytes]:
    assert isinstance(client._link, ChildRunner)
    return client._link.process


def test_a_prediction_streams_progress_and_statements_and_ends_with_the_program() -> None:
    with fake_runner("success") as client:
        messages = messages_until_answered(client, client.send(predict()))

    stages = [item.stage for item in messages if isinstance(item, Progress)]
    statements = [item for item in messages if isinstance(item, Statement)]
    prediction = messages[-1]
    assert isinstance(prediction, Prediction)
    assert stages == ["reading the picture", "loading the model", "looking"]
    assert [item.index for item in statements] == [0, 1, 2]
    assert "".join(item.text for item in statements) == prediction.code
    assert tuple(item.confidence for item in statements) == prediction.confidences
    assert set(prediction.seconds) == set(stages)


def test_a_model_is_loaded_once_for_several_requests_and_again_after_unload() -> None:
    with fake_runner("success") as client:
        first = messages_until_answered(client, client.send(predict()))
        second = messages_until_answered(client, client.send(predict()))
        unloaded = answer_of(client, Unload())
        third = messages_until_answered(client, client.send(predict()))

    loads = [
        sum(isinstance(item, Progress) and item.stage == "loading the model" for item in part) for part in (first, second, third)
    ]
    assert loads == [1, 0, 1]
    assert isinstance(unloaded, Done)


def test_requests_that_are_sent_at_once_are_answered_in_order() -> None:
    with fake_runner("success") as client:
        ids = [client.send(predict()) for _ in range(3)]
        messages = messages_until_answered(client, ids[-1])

    assert [item.id for item in messages if isinstance(item, Prediction)] == ids


def test_a_cancelled_request_ends_and_the_next_one_is_served() -> None:
    with fake_runner("slow") as client:
        request = client.send(predict())
        poll_until_progress(client, "looking slowly")

        client.cancel(request)
        cancelled = messages_until_answered(client, request)[-1]
        unloaded = answer_of(client, Unload())

    assert isinstance(cancelled, Failure)
    assert cancelled.code == ErrorCode.CANCELLED
    assert isinstance(unloaded, Done)


def test_a_request_can_be_cancelled_while_it_waits() -> None:
    with fake_runner("slow") as client:
        first, second = client.send(predict()), client.send(predict())
        poll_until_progress(client, "looking slowly")

        client.cancel(second)
        client.cancel(first)
        messages = messages_until_answered(client, second)

    codes = {item.id: item.code for item in messages if isinstance(item, Failure)}
    assert codes == {first: ErrorCode.CANCELLED, second: ErrorCode.CANCELLED}


def test_a_cancel_is_answered_though_the_model_does_not_come_back() -> None:
    with fake_runner("hang") as client:
        request = client.send(predict())
        poll_until_progress(client, "looking")

        client.cancel(request)
        cancelled = messages_until_answered(client, request)[-1]

    assert isinstance(cancelled, Failure)
    assert cancelled.code == ErrorCode.CANCELLED


def test_nothing_about_a_request_follows_its_cancellation() -> None:
    with fake_runner("slow") as client:
        request = client.send(predict())
        poll_until_progress(client, "looking slowly")

        client.cancel(request)
        messages_until_answered(client, request)
        following = messages_until_answered(client, client.send(Unload()))

    assert [type(item) for item in following] == [Done]


def test_a_shutdown_lets_the_requests_before_it_be_answered() -> None:
    with fake_runner("success") as client:
        ids = [client.send(predict()) for _ in range(3)]
        last = client.send(Shutdown())
        messages = messages_until_answered(client, last)

    assert [item.id for item in messages if isinstance(item, Prediction | Done)] == [*ids, last]


def test_closing_a_client_with_requests_that_wait_ends_the_runner() -> None:
    with fake_runner("slow") as client:
        for _ in range(3):
            client.send(predict())
        poll_until_progress(client, "looking slowly")

    assert process_of(client).returncode == 0


def test_a_fault_of_the_program_is_an_answer_with_its_traceback_in_the_log() -> None:
    with fake_runner("faulty") as client:
        failure = answer_of(client, predict())
        unloaded = answer_of(client, Unload())

    assert isinstance(failure, Failure)
    assert (failure.code, "a fault of the program" in failure.message) == (ErrorCode.INTERNAL, True)
    assert "Traceback" in client.log_tail
    assert isinstance(unloaded, Done)


def memory_mb(client: RunnerClient, kind: str = "VmRSS") -> float:
    """What the runner's process holds now, or (VmHWM) has held at most."""
    status = Path(f"/proc/{process_of(client).pid}/status")
    if not status.exists():
        pytest.skip("needs /proc to see a process's memory")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith(f"{kind}:")]
    return int(line.split()[1]) / 1024


def test_unloading_gives_the_models_memory_back_and_the_next_request_loads_again() -> None:
    with fake_runner("heavy") as client:
        answer_of(client, predict())
        loaded = memory_mb(client)
        answer_of(client, Unload())
        unloaded = memory_mb(client)
        answer_of(client, predict())
        again = memory_mb(client)

    assert unloaded < loaded - 240
    assert abs(again - loaded) < 16


def test_another_model_is_loaded_in_the_place_of_the_first_and_not_beside_it() -> None:
    with fake_runner("heavy") as client:
        answer_of(client, predict(model="first"))
        loaded = memory_mb(client)
        answer_of(client, predict(model="second"))
        most = memory_mb(client, "VmHWM")

    assert most < loaded + 64


def test_a_picture_of_400_million_pixels_is_refused_without_being_decoded() -> None:
    with fake_runner("success") as client:
        answer_of(client, predict())
        before = memory_mb(client, "VmHWM")
        failure = answer_of(client, predict(picture_bytes("PNG", (20_000, 20_000), "1")))
        most = memory_mb(client, "VmHWM")

    assert isinstance(failure, Failure)
    assert failure.code == ErrorCode.UNUSABLE_PICTURE
    assert most < before + 16


def test_what_libraries_print_goes_to_the_log_and_not_onto_the_wire() -> None:
    with fake_runner("chatty") as client:
        answer = answer_of(client, predict())

    assert isinstance(answer, Prediction)
    assert "a library prints" in client.log_tail
    assert "native code writes" in client.log_tail


def test_the_log_is_kept_in_a_file(tmp_path: Path) -> None:
    with RunnerClient(runner_command(["--fake", "chatty"]), log_path=tmp_path / "runner.log") as client:
        answer_of(client, predict())

    assert "native code writes" in (tmp_path / "runner.log").read_text()


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


def test_a_python_that_does_not_exist_is_a_sentence() -> None:
    client = RunnerClient(runner_command(python="/nowhere/python"))

    with pytest.raises(RunnerError, match="'/nowhere/python' cannot be started"):
        client.start()


def test_a_program_that_is_no_runner_is_a_sentence() -> None:
    client = RunnerClient([sys.executable, "-c", "raise SystemExit('no module named igllm_addon')"])

    with client, pytest.raises(RunnerError, match=r"(?s)exit status 1.*no module named igllm_addon"):
        answer_of(client, predict())


def test_modules_that_lie_about_do_not_shadow_those_of_the_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    with fake_runner("success") as client:
        answer = answer_of(client, predict())

    assert isinstance(answer, Prediction)


def test_a_copy_of_the_package_runs_its_own_code_whatever_else_is_installed(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    shutil.copytree(root / "igllm_addon", tmp_path / "igllm_addon", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    marked = tmp_path / "igllm_addon" / "model_runner" / "fakes.py"
    marked.write_text(marked.read_text().replace("Statement(\"add(color='red'", "Statement(\"add(color='purple'"))
    program = "from igllm_addon.bridge.launch import runner_command; print(*runner_command(['--fake', 'success']), sep='\\0')"
    printed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    with RunnerClient(printed.stdout.rstrip("\n").split("\0")) as client:
        answer = answer_of(client, predict())

    assert isinstance(answer, Prediction)
    assert answer.code.startswith("add(color='purple'")


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


def test_the_runner_ends_when_its_input_closes() -> None:
    result = subprocess.run(runner_command(["--fake", "success"]), input=b"", capture_output=True, timeout=PATIENCE_S)

    assert (result.returncode, result.stdout) == (0, b"")


CLIENT_PROGRAM = """
import sys, time
sys.path[:0] = {paths!r}
from runner_driver import fake_runner, poll_until_progress, predict
client = fake_runner({mode!r})
client.start()
client.send(predict())
poll_until_progress(client, {stage!r})
print(client._link.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("mode", "stage"), [("slow", "looking slowly"), ("hang", "looking")])
def test_a_runner_does_not_outlive_a_client_that_is_killed(mode: str, stage: str) -> None:
    here = Path(__file__).resolve()
    program = CLIENT_PROGRAM.format(paths=[str(here.parents[2]), str(here.parent)], mode=mode, stage=stage)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        runner_pid = int(client.stdout.readline())

        os.kill(client.pid, signal.SIGKILL)

    assert has_ended(runner_pid)
