# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs written together: each is a generator that asks for tokens to be fed and answers; all are fed in the same passes.

A generator yields a Feed and is sent the hidden states after it; whatever else it yields goes to the caller at once. So one
program and a batch of them are written by the same lines, and a program knows nothing of its neighbours.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from .llama_steps import LlamaSteps

_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Feed:
    """Embeddings (T, D) to be fed, after the last `forget` positions have been taken back."""

    embedded: Tensor
    forget: int = 0


# Part of a writing, which is sent the hidden states (T, D) after each Feed and returns a result; and the whole of it.
Asking = Generator[Feed | _Answer, Tensor, _Result]
Writing = Generator[Feed | _Answer, Tensor, None]


def written_together(steps: LlamaSteps, writings: Sequence[Writing[_Answer]]) -> Iterator[tuple[int, _Answer]]:
    """Run the writings to their ends and yield (its number, answer) as they come. `steps` has one empty row for each."""
    running = list(enumerate(writings))  # in the order of the rows of `steps`
    hidden: list[Tensor | None] = [None] * len(running)
    while running:
        feeds: list[Feed | None] = []
        for (number, writing), states in zip(running, hidden, strict=True):
            request = _advanced(writing, states)
            while request is not None and not isinstance(request, Feed):
                yield number, request
                request = _advanced(writing, None)
            feeds.append(request)
        for row in reversed(range(len(running))):
            if feeds[row] is None:
                steps.drop(row)
                running[row], feeds[row] = running[-1], feeds[-1]
                running.pop()
                feeds.pop()
        hidden = _fed(steps, [feed for feed in feeds if feed is not None])


@torch.inference_mode()
def _advanced(writing: Writing[_Answer], hidden: Tensor | None) -> Feed | _Answer | None:
    """What the writing asks or answers next, or None where it has ended."""
    try:
        return next(writing) if hidden is None else writing.send(hidden)
    except StopIteration:
        return None


@torch.inference_mode()
def _fed(steps: LlamaSteps, feeds: list[Feed]) -> list[Tensor | None]:
    """The hidden states (T, D) of each row after its feed."""
    if not feeds:
        return []
    for row, feed in enumerate(feeds):
        if feed.forget:
            steps.forget(row, feed.forget)
    lengths = [len(feed.embedded) for feed in feeds]
    first = feeds[0].embedded
    if len(feeds) == 1:
        together = first[None]
    else:
        together = first.new_zeros(len(feeds), max(lengths), first.shape[1])
        for row, feed in enumerate(feeds):
            together[row, : lengths[row]] = feed.embedded
    hidden = steps.feed(together, lengths)
    return [states[:length] for states, length in zip(hidden, lengths, strict=True)]
