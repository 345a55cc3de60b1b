# SPDX-License-Identifier: GPL-3.0-or-later
"""RunnerClient: a model runner as its user sees it. Standard library and core; no bpy, no torch.

Three threads do what may block, one each for what goes to the runner, what comes from it, and its log; they touch nothing but
queues of bounded length. Everything else happens in the caller's thread, which never waits longer than it says.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from ..core.errors import IgllmError, ProtocolError, RunnerError, UsageError, WeightsError
from ..core.protocol import (
    PICTURE_BYTES_LIMIT,
    PROTOCOL_VERSION,
    Cancel,
    Done,
    ErrorCode,
    Failure,
    Initialize,
    Initialized,
    Message,
    Predict,
    Prediction,
    Request,
    Shutdown,
    encode_message,
    read_messages,
    version_mismatch,
)
from .link import ChildRunner, ServedRunner

LOG_LINES_SHOWN = 20
CLOSE_GRACE_S = 5.0  # then a runner that has not ended by itself is killed

_INBOX_LIMIT = 1024
_OUTBOX_LIMIT = 64
_LOG_LINES_KEPT = 400
_LOG_LINE_BYTES_LIMIT = 1024 * 1024
_BLINK_S = 0.2  # how often a waiting thread looks whether it is still needed, and a waiting caller whether the runner lives


class RunnerClient:
    """One runner: a command that starts it, as runner_command() returns it, or a ServedRunner, which is running already.
    `log_path` keeps what a started runner writes to stderr.

    After an error of poll() the runner is of no more use: close this client and start another.
    """

    def __init__(
        self, runner: Sequence[str] | ServedRunner, *, client_name: str = "igllm_addon", log_path: Path | None = None
    ) -> None:
        self._link = runner if isinstance(runner, ServedRunner) else ChildRunner(runner)
        self._client_name = client_name
        self._log_path = log_path
        self._log_file: IO[bytes] | None = None
        self._log: deque[str] = deque(maxlen=_LOG_LINES_KEPT)
        self._inbox: queue.Queue[Message | ProtocolError | None] = queue.Queue(_INBOX_LIMIT)
        self._outbox: queue.Queue[bytes | None] = queue.Queue(_OUTBOX_LIMIT)
        self._closing = threading.Event()
        self._started = False
        self._threads: list[threading.Thread] = []
        self._last_id = 0
        self._pending: set[int] = set()
        self._fault: RunnerError | None = None
        self.runner: str | None = None  # versions of what runs there, once the handshake is answered

    def __enter__(self) -> RunnerClient:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process or connect to the one that runs, and greet it without waiting for the answer: poll() checks it when
        it comes."""
        if self._started:
            raise RunnerError("This client has been started already; make another one for another runner.")
        try:
            self._log_file = self._log_path.open("wb") if self._log_path is not None else None
        except OSError as error:
            raise RunnerError(f"The log {self._log_path} cannot be written ({error.strerror}); choose another place.") from error
        self._link.open()
        self._started = True
        work = {"read": self._read_messages, "write": self._write_lines, "log": self._read_log}
        self._threads = [threading.Thread(target=run, name=f"igllm runner {name}", daemon=True) for name, run in work.items()]
        for thread in self._threads:
            thread.start()
        self.send(Initialize(PROTOCOL_VERSION, self._client_name))

    def send(self, request: Request) -> int:
        """Queue a request and return the id that its messages will carry."""
        if isinstance(request, Predict) and len(request.image) > PICTURE_BYTES_LIMIT:
            raise UsageError(
                f"The picture's file has {len(request.image):,} bytes, and at most {PICTURE_BYTES_LIMIT:,} can be sent;"
                " make the picture smaller or save it as JPEG."
            )
        self._last_id += 1
        self._put(encode_message(replace(request, id=self._last_id)))
        self._pending.add(self._last_id)
        return self._last_id

    def cancel(self, request_id: int) -> None:
        """Ask the runner to stop a request; its Failure with CANCELLED, or its result, still comes."""
        if request_id in self._pending:
            self._put(encode_message(Cancel(request_id)))

    def poll(self, deadline_s: float) -> list[Message]:
        """What has come: at once where there is something, else waiting at most `deadline_s` for the first message.

        A RunnerError tells that nothing will come any more: the runner ended, speaks another version, or wrote no message.
        """
        if not self._started:
            raise RunnerError("The model runner is not running; start it first.")
        messages: list[Message] = []
        end = time.monotonic() + deadline_s
        while self._fault is None and len(messages) < _INBOX_LIMIT:
            item = self._next_or_empty(0.0 if messages else end - time.monotonic())
            if isinstance(item, queue.Empty):
                return messages
            self._receive(item, messages)
        if self._fault is None or messages:
            return messages
        raise self._fault

    def close(self, grace_s: float = CLOSE_GRACE_S) -> None:
        """End the runner: ask, wait for `grace_s`, then kill. Afterwards nothing of it is left. One that was running already is
        only hung up on, and gives up what it was doing for this client. Closing twice is no error."""
        if not self._started or self._closing.is_set():
            return
        for line in (
            *(encode_message(Cancel(request)) for request in self._pending),
            encode_message(Shutdown(self._last_id + 1)),
        ):
            _put_or_drop(self._outbox, line)
        _put_or_drop(self._outbox, None)
        self._closing.set()
        self._link.close(grace_s)
        for thread in self._threads:
            thread.join(1.0)

    @property
    def log_tail(self) -> str:
        """The last lines that the runner wrote to stderr."""
        return "\n".join(list(self._log)[-LOG_LINES_SHOWN:])

    def _put(self, line: bytes) -> None:
        if not self._started or self._closing.is_set():
            raise RunnerError("The model runner is not running; start it first.")
        try:
            self._outbox.put_nowait(line)
        except queue.Full:
            raise RunnerError("The model runner does not take any more requests; wait for its answers or restart it.") from None

    def _next_or_empty(self, wait_s: float) -> Message | ProtocolError | queue.Empty | None:
        """The next item, None for the end of the runner's messages, or Empty."""
        end = time.monotonic() + wait_s
        while True:
            try:
                return self._inbox.get(timeout=max(min(end - time.monotonic(), _BLINK_S), 0.0))
            except queue.Empty as empty:
                if self._link.has_ended():
                    # What the runner wrote before it died may still be on its way through the reader thread. A process that
                    # inherited the pipe could hold it open for ever, hence the timeout.
                    self._threads[0].join(1.0)
                    return None if self._inbox.empty() else self._inbox.get_nowait()
                if time.monotonic() >= end:
                    return empty

    def _receive(self, item: Message | ProtocolError | None, messages: list[Message]) -> None:
        """Sort an item into the caller's messages, the handshake, or the fault that ends this client."""
        if item is None:
            self._fault = RunnerError(self._how_it_ended())
        elif isinstance(item, ProtocolError):
            self._fault = ProtocolError(
                f"The model runner answered with something that is no message. {item} Restart it.{self._shown_log()}", item.code
            )
        elif isinstance(item, Initialized):
            self._pending.discard(item.id)
            self.runner = item.runner
            if item.protocol_version != PROTOCOL_VERSION:
                self._fault = RunnerError(version_mismatch(PROTOCOL_VERSION, item.protocol_version))
        elif isinstance(item, Failure) and item.code == ErrorCode.VERSION_MISMATCH:
            self._fault = RunnerError(item.message)
        else:
            if isinstance(item, Prediction | Done | Failure) and item.id is not None:
                self._pending.discard(item.id)
            messages.append(item)

    def _how_it_ended(self) -> str:
        sentence = self._link.how_it_ended()
        if self._link.has_ended():
            self._threads[2].join(1.0)  # the last lines of its log
        return sentence + self._shown_log()

    def _shown_log(self) -> str:
        return f"\nLast lines of its log:\n{self.log_tail}" if self._log else ""

    def _read_messages(self) -> None:
        try:
            with self._link.reader as stream:
                for item in read_messages(stream):
                    if not self._deliver(item):
                        return
        except OSError:  # a connection that broke; how_it_ended() has the sentence
            pass
        self._deliver(None)

    def _deliver(self, item: Message | ProtocolError | None) -> bool:
        """Wait for room in the inbox, so that a caller who does not poll stops the runner and not this machine's memory."""
        while not self._closing.is_set():
            try:
                self._inbox.put(item, timeout=_BLINK_S)
            except queue.Full:
                continue
            return True
        return False

    def _write_lines(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Blender leaves SIGPIPE at the system's default: writing to a runner that has just ended would end Blender.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        with self._link.writer as stream:
            while (line := self._next_line_or_none()) is not None:
                try:
                    _write_all(stream, line)
                except OSError:
                    return  # the runner is gone; poll() tells how

    def _next_line_or_none(self) -> bytes | None:
        while True:
            try:
                return self._outbox.get(timeout=_BLINK_S)
            except queue.Empty:
                if self._closing.is_set():  # the end mark found no room in the queue
                    return None

    def _read_log(self) -> None:
        if self._link.log is None:
            return
        with (
            self._link.log as stderr,
            nullcontext() if self._log_file is None else self._log_file as log_file,
        ):
            while line := stderr.readline(_LOG_LINE_BYTES_LIMIT):
                self._log.append(line.decode("utf-8", "replace").rstrip())
                if log_file is not None:
                    log_file.write(line)
                    log_file.flush()


def error_of(failure: Failure) -> IgllmError:
    """The failure as the exception that says whose fault it is."""
    kinds = {ErrorCode.UNUSABLE_PICTURE: UsageError, ErrorCode.UNUSABLE_WEIGHTS: WeightsError}
    return kinds.get(cast("ErrorCode", failure.code), RunnerError)(failure.message)


def _write_all(stream: IO[bytes], line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[stream.write(rest) :]


def _put_or_drop(outbox: queue.Queue[bytes | None], line: bytes | None) -> None:
    try:
        outbox.put_nowait(line)
    except queue.Full:
        return
