# SPDX-License-Identifier: GPL-3.0-or-later
"""One training on several processes, started by `accelerate launch`; alone, nothing here costs anything or needs that package.

Every process takes its own batches. After each step's backward pass all gradients, and the running statistics of
normalisations, are averaged over the processes, so that their models stay the same. The first process alone writes files.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

_STATISTICS = ("running_mean", "running_var")


class Processes:
    """This process among its `count`; `index` counts from 0."""

    index = 0
    count = 1

    @property
    def device(self) -> torch.device:
        """Where this process computes: on its GPU where it has one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.index == 0

    def average(self, model: nn.Module) -> None:
        """Replace gradients and running statistics by their means over all processes."""

    def wait(self) -> None:
        """Return when all processes have come here."""

    def any_of(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return flag


class _LaunchedProcesses(Processes):
    def __init__(self) -> None:
        from accelerate import Accelerator

        self._accelerator: Any = Accelerator(cpu=not torch.cuda.is_available())
        self.index = int(self._accelerator.process_index)
        self.count = int(self._accelerator.num_processes)

    @property
    def device(self) -> torch.device:
        device: torch.device = self._accelerator.device
        return device

    def average(self, model: nn.Module) -> None:
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        has_gradient = torch.tensor(
            [float(parameter.grad is not None) for parameter in learning], device=self._accelerator.device
        )
        gradients = []
        for parameter, somewhere in zip(learning, self._accelerator.reduce(has_gradient).tolist(), strict=True):
            if somewhere:  # a parameter without a gradient anywhere is left alone by the optimiser, as in a single process
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                gradients.append(parameter.grad)
        self._average(gradients + [buffer for name, buffer in model.named_buffers() if name.endswith(_STATISTICS)])

    def _average(self, tensors: list[Tensor]) -> None:
        by_kind: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            by_kind.setdefault((tensor.dtype, tensor.device), []).append(tensor.detach())
        for alike in by_kind.values():
            flat = torch.cat([tensor.flatten() for tensor in alike])
            mean = self._accelerator.reduce(flat, reduction="mean")
            for tensor, part in zip(alike, torch.split(mean, [tensor.numel() for tensor in alike]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()

    def any_of(self, flag: bool) -> bool:
        flags = torch.tensor([float(flag)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(flags, reduction="sum").item() > 0.0)


@cache
def processes() -> Processes:
    """The processes that were launched together with this one, or this one alone."""
    return _LaunchedProcesses() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Processes()
