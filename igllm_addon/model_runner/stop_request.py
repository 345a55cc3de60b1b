# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C as a request: the step at hand is finished and its state saved. A second Ctrl-C ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked to stop."""

    made = False


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Until the end of this context the first SIGINT or SIGTERM sets `made`; the next one does what it did before."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def take_note(number: int, frame: FrameType | None) -> None:
        request.made = True
        restore()

    for number in _SIGNALS:
        signal.signal(number, take_note)
    try:
        yield request
    finally:
        restore()
