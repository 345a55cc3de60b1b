# SPDX-License-Identifier: GPL-3.0-or-later
"""What `igllm learn` needs of torch: stages of training, and a model measured beside what needs no learning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from .answers import Prediction
from .baselines import baseline_reports
from .checkpoint import load_checkpoint
from .evaluation import Evaluation, evaluate, read_labels
from .infer_command import NamedPicture, answers_of
from .pictures import picture_from_bytes
from .pose_metrics import POINTS_NAME, load_points
from .predictor import Predictor
from .training import train_decoder, train_tower
from .training_config import read_training_config


class LearnedModelTrainer:
    """learning.training.Trainer."""

    def __init__(self) -> None:
        # Threads of a small network that share a core with other work wait for each other most of the time: half of the cores
        # are for what the user does meanwhile.
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, torch.get_num_threads() // 2))

    def train(self, config: Path, stage: str) -> None:
        """Train a stage, from where it was stopped."""
        read = read_training_config(config)
        if stage == "tower":
            train_tower(read, resume=True)
        else:
            train_decoder(read, resume=True)

    def measure(self, checkpoint: Path, labels: Path, train: Path) -> dict[str, Any]:
        """Answerer -> figures: "model", "constant", "nearest"."""
        model = load_checkpoint(checkpoint)
        vocabulary, points = model.config.vocabulary, load_points(labels / POINTS_NAME)
        predictor = Predictor(model)

        def written(pictures: Iterator[NamedPicture]) -> Iterator[Prediction]:
            return predictor.predict_many(picture_from_bytes(data, name) for name, data in pictures)

        answers = {"answers": answers_of(written, labels)}
        found = {"model": evaluate(read_labels(labels), answers, vocabulary, points)}
        for name, figures in baseline_reports(model, labels, train, vocabulary, points).items():
            found[name] = Evaluation({"world": figures}, 0, 0)
        return {name: _to_json(evaluation) for name, evaluation in found.items()}


def _to_json(evaluation: Evaluation) -> dict[str, Any]:
    frames = {frame: figures.to_json() for frame, figures in evaluation.frames.items()}
    return {"frames": frames, "unanswered": evaluation.unanswered, "parse_failures": evaluation.parse_failures}
