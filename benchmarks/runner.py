# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model runner costs: seconds to start, to the first program and to the next ones, milliseconds from a cancel to its
answer, and memory before, with, and after a model, for both ways to a runner. Prints JSON.

A cancel is tried while the model looks at the picture, and in fresh runners while they load the model, which takes seconds.

    python benchmarks/runner.py docs/pictures/demo.png [--model clevr-small] [--cancels 50] [--cold-cancels 6]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from igllm_addon.bridge.client import RunnerClient
from igllm_addon.bridge.launch import runner_command
from igllm_addon.bridge.link import ServedRunner
from igllm_addon.core.protocol import Done, Failure, Message, Predict, Prediction, Progress, Unload
from igllm_addon.core.rendezvous import RUNTIME_VARIABLE
from igllm_addon.core.vocabulary import CLEVR

_WARM_PREDICTIONS = 10
_STAGE_OF_LOOKING, _STAGE_OF_LOADING = "looking at the picture", "loading the model"
_LOADING_S = 5.0  # over which the cancels of fresh runners are spread


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", default="clevr-small")
    parser.add_argument("--cancels", type=int, default=50, help="while the model looks")
    parser.add_argument("--cold-cancels", type=int, default=6, help="while it is loaded; each takes a fresh runner")
    options = parser.parse_args()
    request = Predict(options.picture.read_bytes(), options.model, CLEVR)
    child = RunnerClient(runner_command())
    result = {"load average": os.getloadavg()[0], "stdio": measured(child, request, options.cancels, None)}
    waits_s = [_LOADING_S * (index + 0.5) / options.cold_cancels for index in range(options.cold_cancels)]
    result["cancel ms while loading"] = [cold_cancel_ms_or_none(request, wait_s) for wait_s in waits_s]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "igllm_addon", "serve"]
        environment = os.environ | {RUNTIME_VARIABLE: folder}
        # In a session of its own, as RunnerClient starts a child: Linux shares its processors out among sessions.
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as server:
            assert server.stderr is not None
            server.stderr.readline()
            client = RunnerClient(ServedRunner(Path(folder) / "serve.json"))
            result["loopback"] = measured(client, request, options.cancels, server.pid)
            server.terminate()
    print(json.dumps(result, indent=2))


def measured(client: RunnerClient, request: Predict, cancels: int, pid: int | None) -> dict[str, Any]:
    """One runner's figures; its process is `pid`, or the newest child of this one."""
    started = time.perf_counter()
    with client:
        until_answer(client, client.send(Unload()))
        ready_s = time.perf_counter() - started
        process = psutil.Process(pid or psutil.Process().children()[-1].pid)
        idle_mb = rss_mb(process)
        first_s = seconds(client, request)
        warm = [seconds(client, request) for _ in range(_WARM_PREDICTIONS)]
        loaded_mb = rss_mb(process)
        tried = [cancel_ms_or_none(client, request) for _ in range(cancels)]
        latencies = sorted(latency for latency in tried if latency is not None)
        until_answer(client, client.send(Unload()))
        unloaded_mb = rss_mb(process)
        reload_s = seconds(client, request)
        return {
            "seconds until ready": round(ready_s, 3),
            "seconds of the first prediction": round(first_s, 3),
            "seconds of a warm prediction, median": round(statistics.median(warm), 4),
            "seconds of the first one after unload": round(reload_s, 3),
            "cancel ms while looking": {"median": statistics.median(latencies), "worst": latencies[-1], "count": len(latencies)},
            "memory MB": {"idle": idle_mb, "loaded": loaded_mb, "unloaded": unloaded_mb, "reloaded": rss_mb(process)},
        }


def cancel_ms_or_none(
    client: RunnerClient, request: Predict, stage: str = _STAGE_OF_LOOKING, wait_s: float = 0.0
) -> float | None:
    """Of a request that is at this stage since `wait_s`; None where its answer came before the cancel was sent."""
    request_id = client.send(request)
    reached = False
    while not reached:
        for message in client.poll(1.0):
            reached |= isinstance(message, Progress) and message.stage == stage
            if isinstance(message, Prediction | Failure):
                return None
    time.sleep(wait_s)
    asked = time.perf_counter()
    client.cancel(request_id)
    answer = until_answer(client, request_id)
    return round(1000 * (time.perf_counter() - asked), 2) if isinstance(answer, Failure) else None


def cold_cancel_ms_or_none(request: Predict, wait_s: float) -> float | None:
    """Of a fresh runner's first request, while the model is loaded."""
    with RunnerClient(runner_command()) as client:
        return cancel_ms_or_none(client, request, _STAGE_OF_LOADING, wait_s)


def seconds(client: RunnerClient, request: Predict) -> float:
    """From the request to its answer."""
    asked = time.perf_counter()
    answer = until_answer(client, client.send(request))
    if isinstance(answer, Failure):
        raise SystemExit(answer.message)
    return time.perf_counter() - asked


def until_answer(client: RunnerClient, request_id: int) -> Message:
    """The request's result or failure."""
    while True:
        for message in client.poll(1.0):
            if isinstance(message, Prediction | Done | Failure) and message.id == request_id:
                return message


def rss_mb(process: psutil.Process) -> float:
    """Resident memory."""
    return round(process.memory_info().rss / 1e6, 1)


if __name__ == "__main__":
    main()
