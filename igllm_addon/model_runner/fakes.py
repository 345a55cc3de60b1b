# SPDX-License-Identifier: GPL-3.0-or-later
"""Runners without a model that behave well or badly, for tests and for trying out a client. No torch.

success        three statements, then the prediction
slow           the same with many steps of progress, so that there is time to cancel
crash          dies in native code after the first statement
garbage        writes a line that is no message after the first statement
wrong-version  speaks a protocol of the future
hang           starts and never goes on
out-of-memory  fails as an allocation does
chatty         prints, in Python and in native code
heavy          takes 256 MB of memory until it is unloaded
faulty         meets a fault of this program
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from ..core.protocol import PROTOCOL_VERSION
from .answers import Answer, Prediction, Progress, Statement
from .serving import Server

if TYPE_CHECKING:
    from PIL import Image

FAKE_MODES = ("success", "slow", "crash", "garbage", "wrong-version", "hang", "out-of-memory", "chatty", "heavy", "faulty")
_STATEMENTS = (
    Statement("add(color='red', size='large', material='rubber', shape='cube', loc=(-1.5, 0.5, 0.7), rotation=0.3)\n", 0.99),
    Statement("add(color='green', size='small', material='metal', shape='sphere', loc=(0.5, -1.25, 0.35))\n", 0.9),
    Statement("add(color='blue', size='large', material='metal', shape='cylinder', loc=(1.75, 1.5, 0.7))\n", 0.75),
)
_SLOW_STEPS, _SLOW_STEP_S = 600, 0.05
_HEAVY_BYTES = 256 * 1024 * 1024


def fake_server(mode: str, reader: BinaryIO, writer: BinaryIO) -> Server:
    """A server that plays the mode whatever model is asked for."""
    version = PROTOCOL_VERSION + 1 if mode == "wrong-version" else PROTOCOL_VERSION
    return Server(reader, writer, load=lambda name: FakePredictor(mode, writer), protocol_version=version)


class FakePredictor:
    """Stands in for a Predictor; answers every picture alike. writer: the wire, where there is only one."""

    def __init__(self, mode: str, writer: BinaryIO | None = None) -> None:
        self._mode = mode
        self._writer = writer
        self._weights = b"\1" * _HEAVY_BYTES if mode == "heavy" else b""

    def predict(self, image: Image.Image) -> Iterator[Answer]:
        """Play the mode."""
        yield Progress("looking", 0.0)
        if self._mode == "hang":
            threading.Event().wait()
        if self._mode == "slow":
            yield from self._slowly()
        yield _STATEMENTS[0]
        self._misbehave()
        yield from _STATEMENTS[1:]
        yield Prediction("".join(item.text for item in _STATEMENTS), tuple(item.confidence for item in _STATEMENTS))

    def _slowly(self) -> Iterator[Answer]:
        for step in range(_SLOW_STEPS):
            threading.Event().wait(_SLOW_STEP_S)
            yield Progress("looking slowly", step / _SLOW_STEPS)

    def _misbehave(self) -> None:
        if self._mode == "crash":
            os.abort()
        if self._mode == "garbage" and self._writer is not None:
            self._writer.write(b"Loading checkpoint shards: 50%\n")
        if self._mode == "out-of-memory":
            raise MemoryError
        if self._mode == "faulty":
            raise KeyError("a fault of the program")
        if self._mode == "chatty":
            print("a library prints")
            os.write(1, b"native code writes\n")
