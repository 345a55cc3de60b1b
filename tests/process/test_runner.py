# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner process and its client: what goes well, how it is started, cancelled, unloaded and ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runner_driver import (
    PATIENCE_S,
    answer_of,
    fake_runner,
    has_ended,
    memory_mb,
    messages_until_answered,
    poll_until_progress,
    predict,
    process_of,
)

from igllm_addon.bridge.client import RunnerClient
from igllm_addon.bridge.launch import runner_command
from igllm_addon.core.errors import RunnerError
from igllm_addon.core.protocol import (
    Done,
    ErrorCode,
    Failure,
    Prediction,
    Progress,
    Shutdown,
    Statement,
    Unload,
)


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
        messages = messages_until_answered(client, second)
        client.cancel(first)
        messages += messages_until_answered(client, first)

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
