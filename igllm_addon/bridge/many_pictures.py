# SPDX-License-Identifier: GPL-3.0-or-later
"""Many pictures for one runner: what it writes for each, in their order. Standard library and core."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from ..core.errors import RunnerError, UsageError
from ..core.protocol import Failure, Predict, Prediction
from ..core.vocabulary import Vocabulary
from .client import RunnerClient, error_of

_AHEAD = 4  # pictures that wait at the runner, so that it has the next one when it is done with one
_POLL_S = 0.2
PATIENCE_S = 300.0  # a first start on a slow disk loads torch for a minute; no step of a prediction takes that long


def predictions_for(
    client: RunnerClient,
    pictures: Iterable[tuple[str, bytes]],
    model: str,
    vocabulary: Vocabulary,
    patience_s: float = PATIENCE_S,
) -> Iterator[Prediction]:
    """The prediction for each (name, bytes of the picture's file). A failure ends it, with the picture's name where it is about
    the picture. A runner that says nothing for `patience_s` seconds is taken for hung: RunnerError."""
    rest = iter(pictures)
    waiting: deque[tuple[str, int]] = deque()

    def ask(count: int) -> None:
        for name, data in islice(rest, count):
            waiting.append((name, client.send(Predict(data, model, vocabulary))))

    ask(_AHEAD)
    heard_at = time.monotonic()
    while waiting:
        for message in client.poll(_POLL_S):
            heard_at = time.monotonic()
            if isinstance(message, Failure):
                raise _named(waiting[0][0], message)
            if isinstance(message, Prediction):
                waiting.popleft()  # a runner answers a client's requests in their order
                ask(1)
                yield message
        if time.monotonic() - heard_at > patience_s:
            raise RunnerError(f"The model runner said nothing for {patience_s:g} seconds; end it and start another.")


def _named(name: str, failure: Failure) -> Exception:
    error = error_of(failure)
    return UsageError(f"{name}: {error}") if isinstance(error, UsageError) else error
