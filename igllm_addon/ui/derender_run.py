# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to the model runner, in steps that never wait. No bpy: the modal operator, a script and a test drive it alike."""

from __future__ import annotations

import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from .runner_session import RunnerSession, end_aside

if TYPE_CHECKING:
    from ..bridge.client import RunnerClient
    from ..core.protocol import Message, Prediction, Statement
    from ..core.vocabulary import Vocabulary

_HALF_WAY_OBJECTS = 4  # so many are shown as half of the work
CANCEL_GRACE_S = 2.0  # then a runner that goes on, as while it loads a model, is ended


class State(Enum):
    """Where a run stands; the last three are final."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Order:
    """What is asked. read_picture: returns the bytes of a picture file; it is called in another thread and may take its time.
    command: starts the model runner. patience_s: seconds of silence after which the runner is given up. prepare: computes what
    building the result needs and Blender does not; it is called in another thread while the runner looks at the picture."""

    name: str
    read_picture: Callable[[], bytes]
    model: str
    vocabulary: Vocabulary
    command: tuple[str, ...]
    log_path: Path | None
    patience_s: float
    prepare: Callable[[], object] | None = None


class DerenderRun:
    """A run from its start to one of the final states. `arrived` holds the statements that nobody has taken yet."""

    def __init__(self, order: Order, session: RunnerSession, clock: Callable[[], float] = time.monotonic) -> None:
        self.order = order
        self.state = State.RUNNING
        self.stage = "Starting the model runner"
        self.fraction: float | None = None
        self.arrived: deque[Statement] = deque()
        self.prediction: Prediction | None = None
        self.sentence = ""
        self._session = session
        self._clock = clock
        self.started_at = self._heard_at = clock()
        self._ended_at: float | None = None
        self._cancelled_at = 0.0
        self._told = False
        self._objects = 0
        self._client: RunnerClient | None = None
        self._request_id: int | None = None
        self._start_error: Exception | None = None
        self._platform = ""
        self._starter = threading.Thread(target=self._start, name="igllm start", daemon=True)
        self._starter.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (State.DONE, State.FAILED, State.CANCELLED)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, up to the end."""
        return (self._ended_at or self._clock()) - self.started_at

    def step(self) -> None:
        """Take what the runner has said since the last step. Returns at once."""
        if self.is_over or self._starter.is_alive():
            if self.state is State.CANCELLING and not self.is_over:
                self._give_up_cancelled_start()
            return
        if self._start_error is not None:
            self._end(State.CANCELLED if self.state is State.CANCELLING else State.FAILED, str(self._start_error))
            return
        self._listen()
        if not self.is_over:
            self._watch_the_clock()

    def cancel(self) -> None:
        """Ask the runner to stop. A second call ends it at once. A result that nobody has taken yet is thrown away."""
        if self.state is State.DONE:
            self.state = State.CANCELLED
        if self.is_over:
            return
        if self.state is State.CANCELLING:
            self._drop_client()
            self._end(State.CANCELLED, "")
            return
        self.state, self.stage, self._cancelled_at = State.CANCELLING, "Cancelling", self._clock()
        if self._client is not None and self._request_id is not None and not self._starter.is_alive():
            self._tell_runner()

    def abandon(self) -> None:
        """Blender quits, or its file goes: end all of it now."""
        if not self.is_over:
            self._starter.join(1.0)
            self._drop_client(wait=True)
            self._end(State.CANCELLED, "")

    def details(self) -> str:
        """What helps to understand a failure: one block to be copied."""
        log = self._client.log_tail if self._client is not None else ""
        runner = (self._client.runner if self._client is not None else None) or "not known"
        command = " ".join(part if "\n" not in part else "…" for part in self.order.command)
        lines = [self.sentence, "", f"picture: {self.order.name}", f"model: {self.order.model}", f"runner: {runner}"]
        lines += [
            f"platform: {self._platform}",
            f"command: {command}",
            "",
            "last lines of the runner's log:",
            log or "(empty)",
        ]
        return "\n".join(lines)

    def _start(self) -> None:
        """Runs in the starting thread: neither a slow disk nor a large picture is to hold Blender's window up."""
        from ..core.errors import IgllmError
        from ..core.protocol import Predict

        self._platform = platform.platform()  # it may start a process and read a library, which takes its time
        try:
            picture = self.order.read_picture()
            self._client = self._session.take(self.order.command, self.order.log_path)
            self._request_id = self._client.send(Predict(picture, self.order.model, self.order.vocabulary))
            if self.order.prepare is not None:
                self.order.prepare()
        except OSError as error:
            self._start_error = IgllmError(
                f"{self.order.name} cannot be read ({error.strerror or error}); choose another picture."
            )
        except IgllmError as error:
            self._start_error = error

    def _listen(self) -> None:
        from ..core.errors import RunnerError

        assert self._client is not None
        try:
            messages = self._client.poll(0.0)
        except RunnerError as error:
            end_aside(self._client)
            cancelled = self.state is State.CANCELLING
            self._end(State.CANCELLED if cancelled else State.FAILED, str(error).splitlines()[0])
            return
        for message in messages:
            self._heard_at = self._clock()
            self._take(message)

    def _take(self, message: Message) -> None:
        from ..core.protocol import ErrorCode, Failure, Prediction, Progress, Statement

        assert self._client is not None
        if isinstance(message, Progress) and message.request_id == self._request_id:
            if self.state is State.RUNNING:
                self.stage, self.fraction = message.stage[:1].upper() + message.stage[1:], message.fraction
        elif isinstance(message, Statement) and message.request_id == self._request_id:
            self.arrived.append(message)
            if message.text.startswith("add(") and self.state is State.RUNNING:
                self._note_object()
        elif isinstance(message, Prediction) and message.id == self._request_id:
            self.prediction = message
            self._session.put_back(self.order.command, self._client)
            self._end(State.CANCELLED if self.state is State.CANCELLING else State.DONE, "")
        elif isinstance(message, Failure):
            self._session.put_back(self.order.command, self._client)
            cancelled = message.code == ErrorCode.CANCELLED or self.state is State.CANCELLING
            self._end(State.CANCELLED if cancelled else State.FAILED, "" if cancelled else message.message)

    def _note_object(self) -> None:
        """Nobody knows how many objects will come: the bar moves at each one, ever less, and never reaches the end."""
        self._objects += 1
        self.stage = f"Writing: {self._objects} object{'s' if self._objects > 1 else ''}"
        self.fraction = self._objects / (self._objects + _HALF_WAY_OBJECTS)

    def _watch_the_clock(self) -> None:
        now = self._clock()
        if self.state is State.CANCELLING:
            if now - self._cancelled_at > CANCEL_GRACE_S:
                self._drop_client()
                self._end(State.CANCELLED, "")
            elif self._request_id is not None:
                self._tell_runner()
        elif now - self._heard_at > self.order.patience_s:
            self._drop_client()
            self._end(
                State.FAILED,
                f"The model runner said nothing for {self.order.patience_s:g} seconds and was ended;"
                " try again, or raise “Give Up After” in the preferences.",
            )

    def _tell_runner(self) -> None:
        if not self._told:
            assert self._client is not None and self._request_id is not None
            self._told = True
            self._client.cancel(self._request_id)

    def _give_up_cancelled_start(self) -> None:
        """The start itself takes too long to wait for: let its thread end what it started."""
        if self._clock() - self._cancelled_at > CANCEL_GRACE_S:
            threading.Thread(target=self._drop_after_start, name="igllm start end", daemon=True).start()
            self._end(State.CANCELLED, "")

    def _drop_after_start(self) -> None:
        self._starter.join()
        self._drop_client()

    def _drop_client(self, *, wait: bool = False) -> None:
        if self._client is not None:
            if wait:
                self._client.close(0.3)
            else:
                end_aside(self._client, 0.5)

    def _end(self, state: State, sentence: str) -> None:
        self.state, self.sentence, self._ended_at = state, sentence, self._clock()
