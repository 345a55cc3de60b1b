# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that work beside Blender: what they say, how they end, that none outlives Blender. Here without Blender."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from runner_driver import PATIENCE_S, has_ended

from igllm_addon.bridge.launch import runner_command
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.ui.child_process import GUARD, ChildProcess
from igllm_addon.ui.derender_run import DerenderRun, Order, State
from igllm_addon.ui.runner_session import RunnerSession

ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def order(mode: str, read: Callable[[], bytes] | None = None, patience_s: float = PATIENCE_S) -> Order:
    picture = ROOT / "docs" / "pictures" / "demo.png"
    command = tuple(runner_command(["--fake", mode]))
    return Order("demo.png", read or picture.read_bytes, "fake", CLEVR, command, None, patience_s)


def finished(run: DerenderRun) -> DerenderRun:
    def over() -> bool:
        run.step()
        return run.is_over

    until(over)
    return run


def test_lines_come_without_waiting_and_the_log_keeps_them(tmp_path: Path) -> None:
    child = ChildProcess([sys.executable, "-c", "print('one'); print('two')"], tmp_path / "child.log")

    until(lambda: child.exit_status_or_none() is not None)

    assert child.lines() == ["one", "two"]
    assert (child.exit_status_or_none(), child.log_tail()) == (0, "one\ntwo")
    assert (tmp_path / "child.log").read_text().split() == ["one", "two"]


def test_a_guarded_process_ends_when_it_is_asked_to() -> None:
    child = ChildProcess([sys.executable, str(GUARD), "--", "module", "http.server", "0", "--bind", "127.0.0.1"])
    until(lambda: "Serving" in child.log_tail())

    child.ask_to_end()

    until(lambda: child.exit_status_or_none() is not None)


def test_a_guarded_process_ends_with_its_parent() -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from igllm_addon.ui.child_process import GUARD, ChildProcess
child = ChildProcess([sys.executable, str(GUARD), "--", "module", "http.server", "0", "--bind", "127.0.0.1"])
while "Serving" not in child.log_tail():
    time.sleep(0.05)
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())

        os.kill(parent.pid, signal.SIGKILL)

    assert has_ended(pid)


def test_killing_a_child_takes_what_it_started_along() -> None:
    program = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    child = ChildProcess([sys.executable, "-c", program])
    until(child.log_tail)
    grandchild = int(child.log_tail())

    child.kill()

    assert has_ended(grandchild)


def test_a_client_does_not_take_its_process_along_when_the_runner_has_ended() -> None:
    """Blender, unlike Python, leaves SIGPIPE deadly."""
    program = f"""
import signal, sys
sys.path[:0] = {[str(ROOT), str(Path(__file__).parent)]!r}
from runner_driver import fake_runner, predict
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
client = fake_runner("success")
client.start()
import os, time
(pid,) = [int(p) for p in open(f"/proc/{{os.getpid()}}/task/{{os.getpid()}}/children").read().split()]
os.kill(pid, signal.SIGKILL)
time.sleep(0.5)
client.send(predict())
time.sleep(1.0)
client.close()
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_run_brings_statements_and_its_runner_serves_the_next_one() -> None:
    session = RunnerSession()
    first = finished(DerenderRun(order("success"), session))
    resting = session.seconds_at_rest_or_none()
    second = finished(DerenderRun(order("success"), session))
    session.end(wait=True)

    assert (first.state, second.state) == (State.DONE, State.DONE)
    assert len(first.arrived) == 3 and first._client is second._client
    assert resting is not None and session.seconds_at_rest_or_none() is None


def test_another_command_starts_another_runner() -> None:
    session = RunnerSession()
    first = finished(DerenderRun(order("success"), session))
    second = finished(DerenderRun(order("chatty"), session))
    session.end(wait=True)

    assert second.state is State.DONE
    assert first._client is not second._client


def test_a_cancelled_run_ends_and_leaves_its_runner_usable() -> None:
    session = RunnerSession()
    run = DerenderRun(order("slow"), session)

    def looking() -> bool:
        run.step()
        return run.stage == "Looking slowly"

    until(looking)
    run.cancel()
    finished(run)
    kept = session.seconds_at_rest_or_none() is not None
    session.end(wait=True)

    assert (run.state, run.sentence, kept) == (State.CANCELLED, "", True)


def test_the_bar_moves_at_every_object_and_never_reaches_its_end() -> None:
    session = RunnerSession()
    run = DerenderRun(order("success"), session)
    seen = []

    def over() -> bool:
        run.step()
        seen.append(run.fraction or 0.0)
        return run.is_over

    until(over)
    session.end(wait=True)

    assert run.stage == "Writing: 3 objects"
    assert seen == sorted(seen) and seen[0] == 0.0 and 0.0 < seen[-1] < 1.0


def test_what_building_needs_is_computed_in_another_thread() -> None:
    threads = []
    session = RunnerSession()
    ordered = replace(order("success"), prepare=lambda: threads.append(threading.current_thread()))

    finished(DerenderRun(ordered, session))
    session.end(wait=True)

    assert len(threads) == 1 and threads[0] is not threading.main_thread()


def test_a_result_that_nobody_has_taken_can_be_cancelled() -> None:
    session = RunnerSession()
    run = finished(DerenderRun(order("success"), session))

    run.cancel()
    session.end(wait=True)

    assert run.state is State.CANCELLED


def test_a_run_whose_runner_is_silent_is_given_up() -> None:
    run = finished(DerenderRun(order("hang", patience_s=3.0), RunnerSession()))

    assert run.state is State.FAILED
    assert "said nothing for 3 seconds" in run.sentence


def test_a_picture_that_goes_away_is_a_sentence() -> None:
    run = finished(DerenderRun(order("success", Path("/nowhere/photo.png").read_bytes), RunnerSession()))

    assert (run.state, run.sentence) == (
        State.FAILED,
        "demo.png cannot be read (No such file or directory); choose another picture.",
    )


def test_a_python_that_is_none_is_a_sentence() -> None:
    wrong = Order("demo.png", lambda: b"", "fake", CLEVR, ("/nowhere/python",), None, PATIENCE_S)

    run = finished(DerenderRun(wrong, RunnerSession()))

    assert run.state is State.FAILED and "'/nowhere/python' cannot be started" in run.sentence
    assert "platform" in run.details()


def test_an_abandoned_run_leaves_no_runner() -> None:
    run = DerenderRun(order("slow"), RunnerSession())
    until(lambda: run._request_id is not None)
    client = run._client
    assert client is not None

    run.abandon()

    assert run.state is State.CANCELLED
    assert client._closing.is_set()
