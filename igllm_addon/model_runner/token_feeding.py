# SPDX-License-Identifier: GPL-3.0-or-later
"""What has been written of a program, what of it the language model has seen, and choices made on the way through a Node.

Tokens that are pushed wait until a state is asked for. With them goes what is expected to follow; as long as the pushes that
come are what was expected, their states are there already, and the first that is not takes back what was fed after it.

Letters: T positions fed, D width.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import WeightsError
from .lockstep import Asking, Feed
from .model import Igllm
from .token_choices import Node


class TokenFeeding:
    """One program's way into the language model."""

    def __init__(self, model: Igllm) -> None:
        self._model = model
        head = model.language_model.lm_head.weight
        self._head, self._device, self._dtype = head, head.device, head.dtype
        self._waiting: list[int | Tensor] = []
        self._ahead: deque[tuple[int, Tensor]] = deque()  # tokens that were fed before they were pushed, and the state after each
        self._forget = 0
        self._hidden: Tensor | None = None
        self.positions = 0  # written since the caller last set it to zero

    def push(self, *tokens: int) -> None:
        """Write tokens."""
        self.positions += len(tokens)
        for token in tokens:
            if self._ahead and self._ahead[0][0] == token:
                self._hidden = self._ahead.popleft()[1]
            else:
                self._take_back()
                self._waiting.append(token)

    def push_embedded(self, embedded: Tensor) -> None:
        """Write what has embeddings (T, D) of its own."""
        self._take_back()
        self._waiting.append(embedded)
        self.positions += len(embedded)

    def state(self, expected: tuple[int, ...]) -> Asking[Any, Tensor]:
        """The hidden state (D,) after all that was written, float. expected: tokens that are likely to be pushed next."""
        if self._waiting:
            written = [each for each in self._waiting if isinstance(each, Tensor)]
            count = sum(len(each) for each in written) + len(self._waiting) - len(written)
            hidden = yield Feed(self._joined(expected), self._forget)
            hidden = hidden.float()
            self._waiting, self._forget = [], 0
            self._hidden = hidden[count - 1]
            self._ahead = deque(zip(expected, hidden[count:], strict=True))
        assert self._hidden is not None
        return self._hidden

    def walk(
        self,
        node: Node,
        expected: Callable[[tuple[int, ...]], tuple[int, ...]],
        starts: Mapping[int, float] = MappingProxyType({}),
    ) -> Asking[Any, tuple[Any, float]]:
        """Choose the likeliest token at every node up to an end: its value, and how probable the way was among all there are.

        expected(walked): the tokens that are likely to follow after those walked so far. starts: what is added to the model's
        score of a token.
        """
        probability = 1.0
        walked: tuple[int, ...] = ()
        while choices := node.choices:
            token = choices[0]
            if len(choices) > 1:
                hidden = yield from self.state(expected(walked) if self._waiting else ())
                logits = F.linear(hidden.to(self._dtype), self._head[torch.tensor(choices, device=self._device)]).float()
                if starts:
                    logits = logits + logits.new_tensor([starts.get(choice, 0.0) for choice in choices])
                probabilities = finite(self._model, torch.softmax(logits, dim=0).tolist())
                best = max(range(len(choices)), key=probabilities.__getitem__)
                probability *= probabilities[best]
                token = choices[best]
            self.push(token)
            walked = (*walked, token)
            node = node.after(token)
        return node.value, probability

    def embedded(self, tokens: Sequence[int]) -> Tensor:
        """(T, D) float."""
        return self._model.embed_tokens(torch.tensor(tokens, dtype=torch.int64, device=self._device)).float()

    def _joined(self, expected: tuple[int, ...]) -> Tensor:
        """The embeddings (T, D) of what waits and of what is expected, tokens that stand together looked up together."""
        parts: list[Tensor] = []
        tokens: list[int] = []
        for each in (*self._waiting, *expected):
            if isinstance(each, Tensor):
                parts += [self.embedded(tokens), each] if tokens else [each]
                tokens = []
            else:
                tokens.append(each)
        if tokens:
            parts.append(self.embedded(tokens))
        return torch.cat(parts).to(self._dtype)

    def _take_back(self) -> None:
        self._forget += len(self._ahead)
        self._ahead.clear()


def finite(model: Igllm, values: list[float]) -> list[float]:
    """The same values; WeightsError where one of them is not finite."""
    if not all(math.isfinite(value) for value in values):
        raise WeightsError(f"the weights of {model.config.name!r} lead to numbers that are not finite; install them again")
    return values
