# SPDX-License-Identifier: GPL-3.0-or-later
"""A small training for `accelerate launch`: python launched_training.py OUT RESULTS. Not a test itself."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from igllm_addon.model_runner.processes import processes
from igllm_addon.model_runner.training_config import StageConfig
from igllm_addon.model_runner.training_loop import Validation, train_stage
from igllm_addon.model_runner.training_state import StageFiles

STEPS = 8
ROWS = 6  # of a step, over all processes


def main(out: Path, results: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Linear(1, 1))
    table = torch.randn(STEPS, ROWS, 4, generator=torch.Generator().manual_seed(1))
    team = processes()

    def step_loss(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        rows = table[step].chunk(team.count)[team.index]
        answer = model[2](model[1](model[0](rows[:, :3])))
        return {"loss": ((answer - rows[:, 3:]) ** 2).mean()}  # the last layer gets no gradient

    stage = StageConfig(data=(), steps=STEPS, batch=ROWS, learning_rate=0.05, warmup_steps=2, save_steps=4, ema_decay=0.9)
    validation = Validation(lambda: {"score": float(model[0].weight.sum())})
    files = StageFiles.of(out, "toy")
    train_stage("toy", model, stage, files, step_loss, resume=False, validation=validation)
    torch.save(model.state_dict(), results / f"rank{team.index}of{team.count}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
