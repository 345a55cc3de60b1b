# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes that make samples: fed one index at a time, restarted when they die, replaced before they grow. No bpy.

A worker reads lines from its stdin, the job first and then one index a line, and ends when its stdin closes. It writes one
JSON object a line to its stdout, with the key "igllm": "ready", "done" or "refused"; any other line is Blender talking.
Everything else goes to a log of its own, whose end is the traceback of a sample that killed it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..core.errors import RenderError, UsageError
from .run_options import BlenderBuild

TRIES = 2  # of a sample, and of starting a worker
# Workers share the cores among themselves; numpy's products here are too small for threads of their own.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
_TAIL_LINES = 40
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class CrewOptions:
    """size: workers at a time. samples_per_worker: after so many a worker makes way for a fresh one, which bounds its memory.
    seconds_to_start, seconds_per_sample: a worker that takes longer is taken for dead."""

    size: int = 1
    samples_per_worker: int = 500
    seconds_to_start: float = 600.0
    seconds_per_sample: float = 1800.0


@dataclass(frozen=True)
class Done:
    """A sample's fragment is there."""

    index: int


@dataclass(frozen=True)
class Failed:
    """A sample that killed its worker on every try."""

    index: int
    traceback: str


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    log: Path
    since: float  # when it was started or got its present sample
    ready: bool = False
    index: int | None = None
    made: int = 0
    fate: str = ""  # what we did to it, if anything
    reader: threading.Thread | None = field(default=None, repr=False)

    def send(self, text: str) -> None:
        """Write a line; that nobody reads it any more is told by the end of the worker's output."""
        stdin = self.process.stdin
        assert stdin is not None
        try:
            stdin.write(text.encode() + b"\n")
            stdin.flush()
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """Tell it to end."""
        stdin = self.process.stdin
        assert stdin is not None
        try:
            stdin.close()
        except OSError:
            return

    def last_words(self) -> str:
        """The end of its log, and what was done to it."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join([*lines[-_TAIL_LINES:], self.fate])


class Crew:
    """Use as a context manager: leaving it leaves no process behind."""

    def __init__(self, command: list[str], job: dict[str, Any], logs: Path, options: CrewOptions) -> None:
        self._command, self._job, self._logs, self._options = command, job, logs, options
        self._events: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
        self._workers: list[_Worker] = []
        self._retired: list[_Worker] = []
        self._started = 0

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers + self._retired:
            worker.close()
            if kind is not None:
                worker.process.kill()
        for worker in self._workers + self._retired:
            _end(worker)

    def blender(self) -> BlenderBuild:
        """Start the first worker and wait until it says which Blender it is."""
        self._start_one()
        while True:
            worker, message = self._next_event()
            if message is None:
                raise _no_start(worker)
            if message["igllm"] == "ready":
                worker.ready = True
                return BlenderBuild(str(message["blender_version"]), bool(message["denoises"]))

    def run(self, indices: Iterable[int]) -> Iterator[Done | Failed]:
        """Make every sample, in any order. A sample whose worker died is tried once more."""
        waiting = deque(indices)
        tries: Counter[int] = Counter()
        starts_in_vain = 0
        while waiting or any(worker.index is not None for worker in self._workers):
            self._occupy(waiting)
            worker, message = self._next_event()
            if message is not None:
                starts_in_vain = 0
                if (index := self._take(worker, message)) is not None:
                    yield Done(index)
                continue
            _end(worker)
            if worker in self._retired:
                self._retired.remove(worker)
                continue
            self._workers.remove(worker)
            if worker.index is None:
                starts_in_vain += 1
                if starts_in_vain == TRIES:
                    raise _no_start(worker)
            else:
                tries[worker.index] += 1
                if tries[worker.index] < TRIES:
                    waiting.appendleft(worker.index)
                else:
                    yield Failed(worker.index, worker.last_words())

    def _occupy(self, waiting: deque[int]) -> None:
        """Give every idle worker a sample, and start as many workers as the waiting samples need."""
        for worker in self._workers:
            if worker.ready and worker.index is None and waiting:
                worker.index, worker.since = waiting.popleft(), time.monotonic()
                worker.send(str(worker.index))
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._options.size and starting < len(waiting):
            self._start_one()
            starting += 1

    def _start_one(self) -> None:
        self._started += 1
        log = self._logs / f"worker-{self._started}.log"
        try:
            with log.open("wb") as stderr:
                process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=os.environ | _ENVIRONMENT
                )
        except OSError as error:
            raise UsageError(f"Cannot start {self._command[0]} with its log {log}: {error.strerror or error}.") from error
        worker = _Worker(process, log, time.monotonic())
        assert process.stdout is not None
        worker.reader = threading.Thread(target=self._read, args=(worker, process.stdout), daemon=True)
        worker.reader.start()
        worker.send(json.dumps(self._job))
        self._workers.append(worker)

    def _read(self, worker: _Worker, stdout: IO[bytes]) -> None:
        """Runs in a thread a worker: every message becomes an event, and so does the end."""
        for line in stdout:
            if line.startswith(b'{"igllm"'):
                self._events.put((worker, json.loads(line)))
        self._events.put((worker, None))

    def _next_event(self) -> tuple[_Worker, dict[str, Any] | None]:
        """The next message, or None for a worker's end; a worker that takes too long is killed here."""
        while True:
            self._kill_the_stuck()
            try:
                worker, message = self._events.get(timeout=1.0)
            except queue.Empty:
                continue
            if message is not None and message["igllm"] == "refused":
                raise UsageError(str(message["message"]))
            return worker, message

    def _kill_the_stuck(self) -> None:
        for worker in self._workers:
            limit = self._options.seconds_per_sample if worker.ready else self._options.seconds_to_start
            waited_for = worker.index is not None or not worker.ready
            if waited_for and time.monotonic() - worker.since > limit:
                worker.since = time.monotonic()
                worker.fate = f"The worker gave no answer for {limit:g} seconds and was ended."
                worker.process.kill()

    def _take(self, worker: _Worker, message: dict[str, Any]) -> int | None:
        """Note a message; the index of a sample that is done by it."""
        if message["igllm"] == "ready":
            worker.ready = True
            return None
        index, worker.index = worker.index, None
        worker.made += 1
        if worker.made >= self._options.samples_per_worker:
            worker.close()
            self._workers.remove(worker)
            self._retired.append(worker)
        return index


def _end(worker: _Worker) -> None:
    """Wait for a worker that was told to end; kill it where it does not."""
    worker.close()
    try:
        worker.process.wait(timeout=_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
    if worker.reader is not None:
        worker.reader.join()
    if worker.process.stdout is not None:
        worker.process.stdout.close()


def _no_start(worker: _Worker) -> RenderError:
    words = worker.last_words().strip().splitlines()
    return RenderError(f"Blender ended while it started ({words[-1] if words else 'without a word'}); its log is {worker.log}.")
