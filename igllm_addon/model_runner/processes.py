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


class Processes:
    """This process among its `count`; `index` counts from 0."""

    index = 0
    count = 1

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

    def average(self, model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)  # another process may have one
        gradients = [parameter.grad for parameter in model.parameters() if parameter.requires_grad and parameter.grad is not None]
        statistics = [buffer for name, buffer in model.named_buffers() if name.endswith(("running_mean", "running_var"))]
        by_kind: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in gradients + statistics:
            by_kind.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        for tensors in by_kind.values():
            flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
            mean = self._accelerator.reduce(flat, reduction="mean")
            for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.detach().copy_(part.view_as(tensor))

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()

    def any_of(self, flag: bool) -> bool:
        flags = torch.tensor([float(flag)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(flags, reduction="sum").item() > 0.0)


@cache
def processes() -> Processes:
    """The processes that were launched together with this one, or this one alone."""
    return _LaunchedProcesses() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Processes()
