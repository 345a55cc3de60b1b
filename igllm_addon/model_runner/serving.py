# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's work: requests in their turn, one model in memory, messages out. Nothing heavy is imported at the top.

The main thread works, so that native code finds itself where it expects to be; another reads, so that a cancel is answered
whatever the model is doing and the end of the input is seen at once. docs/protocol.md says what is answered when.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

from ..core.errors import UsageError, WeightsError
from ..core.graphics_code import parse
from ..core.protocol import (
    PROTOCOL_VERSION,
    Done,
    ErrorCode,
    Failure,
    Predict,
    Prediction,
    Progress,
    Request,
    Shutdown,
    Statement,
    Unload,
    read_messages,
)
from . import answers
from .heavy_imports import heavy_imports
from .schedule import Schedule
from .session import Session

if TYPE_CHECKING:
    from PIL import Image

LEAVE_GRACE_S = 2.0  # once the client is gone, for the step in hand to end before the process does

# What a fault of this program may raise while it reads a picture, loads a model or runs one. A runner serves others too, so one
# request that meets such a fault does not end it.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Predicts(Protocol):
    """What serving needs of a Predictor."""

    def predict(self, image: Image.Image) -> Iterator[answers.Answer]:
        """See predictor.Predictor.predict."""


Load = Callable[[str], Predicts]


class _CancelledError(Exception):
    """Ends a prediction that nobody wants any more."""


class _ForeignCodeError(Exception):
    """A statement that the request's vocabulary does not know."""


class Worker:
    """Answers what the schedule gives out. `load` makes a predictor of a model's name or folder."""

    def __init__(self, schedule: Schedule[Session], load: Load | None = None) -> None:
        self._schedule = schedule
        self._load = load or _load_predictor
        self._loaded: tuple[str, Predicts] | None = None

    def work(self, end_after_shutdown: bool) -> None:
        """Answer requests until the schedule is closed. The shutdown of a runner's only client is the runner's own."""
        while (taken := self._schedule.next_or_none()) is not None:
            session, request = taken
            answer = self._answer_or_none(session, request)
            if answer is not None:
                session.answer(answer)
            if isinstance(request, Shutdown):
                session.leave()
                if end_after_shutdown:
                    return

    def load(self, name: str) -> None:
        """Have the model in memory before somebody asks for it."""
        self._loaded = (name, self._load(name))

    def _answer_or_none(self, session: Session, request: Request) -> Prediction | Done | Failure | None:
        """None where the request has been answered meanwhile."""
        if isinstance(request, Predict):
            return self._predict_or_failure(session, request)
        if isinstance(request, Unload):
            self._unload()
        return Done(request.id)

    def _unload(self) -> None:
        self._loaded = None
        gc.collect()
        if sys.platform == "linux":
            # glibc keeps what was freed for itself until it is told otherwise; other C libraries have no such function.
            with suppress(AttributeError):
                ctypes.CDLL(None).malloc_trim(0)

    def _predict_or_failure(self, session: Session, request: Predict) -> Prediction | Failure | None:
        """The boundary at which what went wrong becomes an answer."""
        try:
            return self._predict(session, request)
        except _CancelledError:
            return None
        except UsageError as error:
            return Failure(request.id, ErrorCode.UNUSABLE_PICTURE, str(error))
        except WeightsError as error:
            return Failure(request.id, ErrorCode.UNUSABLE_WEIGHTS, str(error))
        except _ForeignCodeError as error:
            return Failure(request.id, ErrorCode.UNUSABLE_VOCABULARY, str(error))
        except ImportError as error:
            missing = f"The runner's Python ({sys.executable}) cannot import {error.name or 'a package'} ({error})"
            return Failure(request.id, ErrorCode.MISSING_PACKAGE, f"{missing}; run `igllm doctor` there.")
        except _FAULTS as error:
            return self._failure_of_computing(request, error)

    def _failure_of_computing(self, request: Predict, error: Exception) -> Failure:
        self._unload()
        traceback.print_exception(error)
        if _is_out_of_memory(error):
            sentence = "There is not enough memory for this model and picture; close other programs or choose a smaller model."
            return Failure(request.id, ErrorCode.OUT_OF_MEMORY, sentence)
        what = str(error) or type(error).__name__
        return Failure(request.id, ErrorCode.INTERNAL, f"The model failed ({what}); the runner's log has more.")

    def _predict(self, session: Session, request: Predict) -> Prediction:
        # PIL is no part of every Python either, and a missing package should be an answer.
        from .pictures import picture_from_bytes

        stages = _Stages(session.tell, request.id)
        _stop_if_unwanted(session, request)
        stages.enter("reading the picture", 0.0)
        picture = picture_from_bytes(request.image, "The picture")
        model = self._model(request.model, stages)
        statements = 0
        # Leaving the loop drops the iterator, which is how the predictor learns of a cancel.
        for answer in model.predict(picture):
            _stop_if_unwanted(session, request)
            if isinstance(answer, answers.Progress):
                stages.enter(answer.stage, answer.fraction)
            elif isinstance(answer, answers.Statement):
                _check_statement(answer.text, request)
                session.tell(Statement(request.id, statements, answer.text, answer.confidence))
                statements += 1
            else:
                return Prediction(request.id, request.model, answer.code, answer.confidences, stages.leave())
        raise RuntimeError(f"the model {request.model!r} ended without a prediction")

    def _model(self, name: str, stages: _Stages) -> Predicts:
        if self._loaded is None or self._loaded[0] != name:
            stages.enter("loading the model", 0.0)
            self._unload()  # before the next one is loaded, because both together may not fit into memory
            self.load(name)
            assert self._loaded is not None
        return self._loaded[1]


class Server:
    """Serves one client over two byte streams, and ends with it."""

    def __init__(
        self, reader: BinaryIO, writer: BinaryIO, load: Load | None = None, protocol_version: int = PROTOCOL_VERSION
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._schedule: Schedule[Session] = Schedule()
        self._session = Session(self._write, self._schedule, protocol_version)
        self._worker = Worker(self._schedule, load)
        self._finished = threading.Event()

    def serve(self) -> int:
        """Answer requests until shutdown, or until the client is gone. Returns the process's exit status."""
        threading.Thread(target=self._read, name="igllm reader", daemon=True).start()
        self._worker.work(end_after_shutdown=True)
        self._finished.set()
        return 0

    def _read(self) -> None:
        """The reading thread: hand over what comes, and see to it that the process does not outlive its client."""
        try:
            for item in read_messages(self._reader):
                self._session.take(item)
        finally:
            self._session.leave()
            self._schedule.close()
            if not self._finished.wait(LEAVE_GRACE_S):
                os._exit(1)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._writer.write(rest) :]


class _Stages:
    """Tells the client what is going on, and measures how long each stage takes."""

    def __init__(self, tell: Callable[[Progress], None], request_id: int) -> None:
        self._tell = tell
        self._request_id = request_id
        self._seconds: Counter[str] = Counter()
        self._current: tuple[str, float] | None = None

    def enter(self, stage: str, fraction: float | None) -> None:
        self.leave()
        self._current = (stage, time.perf_counter())
        self._tell(Progress(self._request_id, stage, fraction))

    def leave(self) -> dict[str, float]:
        """End the current stage; returns stage -> seconds so far."""
        if self._current is not None:
            stage, since = self._current
            self._seconds[stage] += time.perf_counter() - since  # type: ignore[assignment]  # Counter is typed for whole numbers
            self._current = None
        return dict(self._seconds)


def _stop_if_unwanted(session: Session, request: Predict) -> None:
    if not session.wants(request.id):
        raise _CancelledError


def _check_statement(text: str, request: Predict) -> None:
    """The vocabulary in the request, not the one that the model was trained with, decides what may be sent."""
    error = parse(text, request.vocabulary).error
    if error is not None:
        raise _ForeignCodeError(
            f"The model {request.model!r} wrote {text.strip()!r}, which the template {request.vocabulary.template!r} does not"
            f" know ({error}); choose a model for this template."
        )


def _is_out_of_memory(error: Exception) -> bool:
    """torch has a class of its own for a graphics card's memory only; for the CPU's it raises a RuntimeError with this text."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def _load_predictor(name: str) -> Predicts:
    from .shipped import model_directory

    folder = model_directory(name)  # before torch is imported, which takes seconds
    with heavy_imports():
        from .predictor import Predictor
    return Predictor.load(folder)
