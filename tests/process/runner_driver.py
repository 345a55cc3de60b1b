# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the runner share: pictures as bytes, and a conversation that waits for its end."""

from __future__ import annotations

import io
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from igllm_addon.bridge.client import RunnerClient
from igllm_addon.bridge.launch import runner_command
from igllm_addon.bridge.link import ChildRunner
from igllm_addon.core.protocol import Done, Failure, Message, Predict, Prediction, Progress, Request
from igllm_addon.core.vocabulary import CLEVR

PATIENCE_S = 120.0  # for a busy machine; nothing is expected to take that long


def picture_bytes(file_format: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, file_format)
    return buffer.getvalue()


def predict(image: bytes | None = None, model: str = "fake") -> Predict:
    return Predict(image if image is not None else picture_bytes(), model, CLEVR)


def fake_runner(mode: str) -> RunnerClient:
    return RunnerClient(runner_command(["--fake", mode]))


def messages_until_answered(client: RunnerClient, request_id: int) -> list[Message]:
    """Everything that comes, up to the result or failure of the request."""
    messages: list[Message] = []
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        messages += client.poll(0.5)
        if any(isinstance(item, Prediction | Done | Failure) and item.id == request_id for item in messages):
            return messages
    raise AssertionError(f"no answer to request {request_id}; log: {client.log_tail}")


def answer_of(client: RunnerClient, request: Request) -> Message:
    return messages_until_answered(client, client.send(request))[-1]


def poll_until_progress(client: RunnerClient, stage: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        if any(isinstance(item, Progress) and item.stage == stage for item in client.poll(0.5)):
            return
    raise AssertionError(f"the stage {stage!r} never came; log: {client.log_tail}")


def has_ended(pid: int) -> bool:
    """Whether the process is gone within the patience; one that nobody has waited for yet counts as gone."""
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def process_of(client: RunnerClient) -> subprocess.Popen[bytes]:
    assert isinstance(client._link, ChildRunner)
    return client._link.process


def memory_mb(client: RunnerClient, kind: str = "VmRSS") -> float:
    """What the runner's process holds now, or (VmHWM) has held at most."""
    status = Path(f"/proc/{process_of(client).pid}/status")
    if not status.exists():
        pytest.skip("needs /proc to see a process's memory")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith(f"{kind}:")]
    return int(line.split()[1]) / 1024
