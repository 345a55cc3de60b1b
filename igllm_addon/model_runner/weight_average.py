# SPDX-License-Identifier: GPL-3.0-or-later
"""An exponential moving average of a model's weights over the steps of training: less noisy than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_STATISTICS = ("running_mean", "running_var")


class WeightAverage:
    """The average of what learns in `model`, updated after each step.

    In step n (from 0) the average keeps min(decay, (1 + n) / (10 + n)) of itself, so that a young average forgets the first
    weights soon. Running statistics of normalisations are averaged along with the weights that they belong to as long as they
    move. Once they are held (the normalisation is in evaluation mode), the weights learn to live with just these values, so the
    average takes them as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._of_model: dict[str, Tensor] = {name: parameter.detach() for name, parameter in learning.items()}
        self._norms: list[tuple[_BatchNorm, dict[str, Tensor]]] = []
        for path, module in model.named_modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats and f"{path}.weight" in learning:
                own = {f"{path}.{kind}": getattr(module, kind) for kind in _STATISTICS}
                self._norms.append((module, own))
                self._of_model |= own
        self._averages = {name: tensor.clone() for name, tensor in self._of_model.items()}
        self._parameters = [[self._averages[name] for name in learning], [self._of_model[name] for name in learning]]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights that step number `step` (from 0) left."""
        share = 1.0 - min(self._decay, (1 + step) / (10 + step))
        averages, current = list(self._parameters[0]), list(self._parameters[1])
        for norm, own in self._norms:
            for name, tensor in own.items():
                if norm.training:
                    averages.append(self._averages[name])
                    current.append(tensor)
                else:
                    self._averages[name].copy_(tensor)
        torch._foreach_lerp_(averages, current, share)

    def tensors(self) -> dict[str, Tensor]:
        """The averages, by the names of the model's state."""
        return dict(self._averages)

    @torch.no_grad()
    def take(self, tensors: dict[str, Tensor]) -> None:
        """Go on from averages that `tensors` gave; KeyError or RuntimeError where they are another model's."""
        for name, average in self._averages.items():
            average.copy_(tensors[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averages as its weights in here, and its own again afterwards."""
        own = {name: tensor.clone() for name, tensor in self._of_model.items()}
        _copy(self._averages, self._of_model)
        try:
            yield
        finally:
            _copy(own, self._of_model)


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])
