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
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Protocol

from ..core import protocol
from ..core.errors import IgllmError, ProtocolError, UsageError, WeightsError
from ..core.graphics_code import parse
from ..core.protocol import ErrorCode, Failure, Message, Request, encode_message, read_messages
from .pictures import picture_from_bytes
from .shipped import model_directory

if TYPE_CHECKING:
    from PIL import Image

    from . import predictor

    Answer = predictor.Progress | predictor.Statement | predictor.Prediction

QUEUE_LIMIT = 32  # requests that may wait
LEAVE_GRACE_S = 2.0  # once the client is gone, for the step in hand to end before the process does


class Predicts(Protocol):
    """What serving needs of a Predictor."""

    def predict(self, image: Image.Image) -> Iterator[Answer]:
        """See predictor.Predictor.predict."""


class _CancelledError(Exception):
    """Ends a prediction that nobody wants any more."""
