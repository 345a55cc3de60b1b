# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's end of the protocol: requests in, one model at a time, messages out. Nothing heavy is imported at the top.

The main thread works, so that native code finds itself where it expects to be; a second thread reads, so that a cancel is seen
between two steps and the end of the input at once. docs/protocol.md says what is answered when.
"""

from __future__ import annotations

import gc
import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol

from ..core.errors import ProtocolError, UsageError, WeightsError
from ..core.graphics_code import parse
from ..core.protocol import (
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
    Progress,
    Request,
    Shutdown,
    Statement,
    Unload,
    encode_message,
    read_messages,
    version_mismatch,
)
from . import answers

if TYPE_CHECKING:
    from PIL import Image

QUEUE_LIMIT = 32  # requests that may wait
LEAVE_GRACE_S = 2.0  # once the client is gone, for the step in hand to end before the process does


class Predicts(Protocol):
    """What serving needs of a Predictor."""

    def predict(self, image: Image.Image) -> Iterator[answers.Answer]:
        """See predictor.Predictor.predict."""


class _CancelledError(Exception):
    """Ends a prediction that nobody wants any more."""


class _ForeignCodeError(Exception):
    """A statement that the request's vocabulary does not know."""


class Server:
    """Serves one client over two byte streams. `load` makes a predictor of a model's name or folder."""

    def __init__(
        self,
        reader: BinaryIO,
        writer: BinaryIO,
        load: Callable[[str], Predicts] | None = None,
        protocol_version: int = PROTOCOL_VERSION,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._load = load or _load_predictor
        self._protocol_version = protocol_version
        self._requests: queue.Queue[Request | None] = queue.Queue()
        self._writing = threading.Lock()  # both threads write
        self._lock = threading.Lock()  # guards the two sets, which both threads change
        self._pending: set[int] = set()
        self._cancelled: set[int] = set()
        self._gone = threading.Event()  # the client
        self._finished = threading.Event()  # this server
        self._initialized = False
        self._loaded: tuple[str, Predicts] | None = None

    def serve(self) -> int:
        """Answer requests until shutdown, or until the client is gone. Returns the process's exit status."""
        threading.Thread(target=self._read, name="igllm reader", daemon=True).start()
        while (request := self._requests.get()) is not None and not self._gone.is_set():
            self._send(self._answer(request))
            with self._lock:
                self._pending.discard(request.id)
                self._cancelled.discard(request.id)
            if isinstance(request, Shutdown):
                break
        self._finished.set()
        return 0

    def _read(self) -> None:
        """The reading thread: queue requests, note cancels, and see to it that the process does not outlive its client."""
        try:
            for item in read_messages(self._reader):
                self._take(item)
        finally:
            self._gone.set()
            self._requests.put(None)
            if not self._finished.wait(LEAVE_GRACE_S):
                os._exit(1)

    def _take(self, item: Message | ProtocolError) -> None:
        if isinstance(item, ProtocolError):
            if item.code == ErrorCode.UNKNOWN_METHOD and item.request_id is None:
                print(f"Ignored a notification: {item}", file=sys.stderr)  # JSON-RPC answers to no notification
            else:
                self._send(Failure(item.request_id, item.code, str(item)))
        elif isinstance(item, Cancel):
            with self._lock:
                if item.request_id in self._pending:
                    self._cancelled.add(item.request_id)
        elif isinstance(item, Initialize | Predict | Unload | Shutdown):
            self._queue(item)
        else:
            found = type(item).__name__
            self._send(Failure(None, ErrorCode.NOT_A_MESSAGE, f"A runner takes requests and cancel, got a message {found!r}."))

    def _queue(self, request: Request) -> None:
        if self._requests.qsize() >= QUEUE_LIMIT and not isinstance(request, Shutdown):
            self._send(Failure(request.id, ErrorCode.BUSY, f"{QUEUE_LIMIT} requests are waiting already; wait for an answer."))
            return
        with self._lock:
            self._pending.add(request.id)
        self._requests.put(request)

    def _answer(self, request: Request) -> Message:
        if isinstance(request, Initialize):
            return self._greet(request)
        if not self._initialized:
            return Failure(request.id, ErrorCode.NOT_INITIALIZED, "The first request must be initialize, and succeed.")
        if isinstance(request, Predict):
            return self._predict_or_failure(request)
        if isinstance(request, Unload):
            self._unload()
        return Done(request.id)

    def _greet(self, request: Initialize) -> Message:
        if request.protocol_version != self._protocol_version:
            sentence = version_mismatch(request.protocol_version, self._protocol_version)
            return Failure(request.id, ErrorCode.VERSION_MISMATCH, sentence)
        self._initialized = True
        print(f"Serving {request.client}.", file=sys.stderr)
        return Initialized(request.id, self._protocol_version, f"Python {platform.python_version()}, {sys.executable}")

    def _unload(self) -> None:
        self._loaded = None
        gc.collect()

    def _predict_or_failure(self, request: Predict) -> Message:
        """The boundary at which what went wrong becomes an answer. What is not listed here is a fault of this program: it ends
        the process with a traceback, which the client shows."""
        try:
            return self._predict(request)
        except _CancelledError:
            return Failure(request.id, ErrorCode.CANCELLED, "The request was cancelled.")
        except UsageError as error:
            return Failure(request.id, ErrorCode.UNUSABLE_PICTURE, str(error))
        except WeightsError as error:
            return Failure(request.id, ErrorCode.UNUSABLE_WEIGHTS, str(error))
        except _ForeignCodeError as error:
            return Failure(request.id, ErrorCode.UNUSABLE_VOCABULARY, str(error))
        except ImportError as error:
            missing = f"The runner's Python ({sys.executable}) cannot import {error.name or 'a package'} ({error})"
            return Failure(request.id, ErrorCode.MISSING_PACKAGE, f"{missing}; run `igllm doctor` there.")
        except (MemoryError, RuntimeError) as error:
            return self._failure_of_computing(request, error)

    def _failure_of_computing(self, request: Predict, error: MemoryError | RuntimeError) -> Failure:
        self._unload()
        traceback.print_exception(error)
        if _is_out_of_memory(error):
            sentence = "There is not enough memory for this model and picture; close other programs or choose a smaller model."
            return Failure(request.id, ErrorCode.OUT_OF_MEMORY, sentence)
        return Failure(request.id, ErrorCode.INTERNAL, f"The model failed ({error}); the runner's log has more.")

    def _predict(self, request: Predict) -> Prediction:
        # PIL is no part of every Python either, and a missing package should be an answer.
        from .pictures import picture_from_bytes

        stages = _Stages(self._send, request.id)
        self._stop_if_unwanted(request.id)
        stages.enter("reading the picture", 0.0)
        picture = picture_from_bytes(request.image, "The picture")
        model = self._model(request.model, stages)
        statements = 0
        # Leaving the loop drops the iterator, which is how the predictor learns of a cancel.
        for answer in model.predict(picture):
            self._stop_if_unwanted(request.id)
            if isinstance(answer, answers.Progress):
                stages.enter(answer.stage, answer.fraction)
            elif isinstance(answer, answers.Statement):
                _check_statement(answer.text, request)
                self._send(Statement(request.id, statements, answer.text, answer.confidence))
                statements += 1
            else:
                return Prediction(request.id, request.model, answer.code, answer.confidences, stages.leave())
        raise RuntimeError(f"the model {request.model!r} ended without a prediction")

    def _model(self, name: str, stages: _Stages) -> Predicts:
        if self._loaded is None or self._loaded[0] != name:
            stages.enter("loading the model", 0.0)
            self._unload()  # before the next one is loaded, because both together may not fit into memory
            self._loaded = (name, self._load(name))
        return self._loaded[1]

    def _stop_if_unwanted(self, request_id: int) -> None:
        with self._lock:
            cancelled = request_id in self._cancelled
        if cancelled or self._gone.is_set():
            raise _CancelledError

    def _send(self, message: Message) -> None:
        rest = memoryview(encode_message(message))
        with self._writing:
            try:
                while rest:
                    rest = rest[self._writer.write(rest) :]
            except BrokenPipeError:
                self._gone.set()


class _Stages:
    """Tells the client what is going on, and measures how long each stage takes."""

    def __init__(self, send: Callable[[Message], None], request_id: int) -> None:
        self._send = send
        self._request_id = request_id
        self._seconds: Counter[str] = Counter()
        self._current: tuple[str, float] | None = None

    def enter(self, stage: str, fraction: float | None) -> None:
        self.leave()
        self._current = (stage, time.perf_counter())
        self._send(Progress(self._request_id, stage, fraction))

    def leave(self) -> dict[str, float]:
        """End the current stage; returns stage -> seconds so far."""
        if self._current is not None:
            stage, since = self._current
            self._seconds[stage] += time.perf_counter() - since  # type: ignore[assignment]  # Counter is typed for whole numbers
            self._current = None
        return dict(self._seconds)


def _check_statement(text: str, request: Predict) -> None:
    """The vocabulary in the request, not the one that the model was trained with, decides what may be sent."""
    error = parse(text, request.vocabulary).error
    if error is not None:
        raise _ForeignCodeError(
            f"The model {request.model!r} wrote {text.strip()!r}, which the template {request.vocabulary.template!r} does not"
            f" know ({error}); choose a model for this template."
        )


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """torch has a class of its own for a graphics card's memory only; for the CPU's it raises a RuntimeError with this text."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def _load_predictor(name: str) -> Predicts:
    from .shipped import model_directory

    folder = model_directory(name)  # before torch is imported, which takes seconds
    from .predictor import Predictor

    return Predictor.load(folder)
