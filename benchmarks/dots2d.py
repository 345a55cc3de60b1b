# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's 2D question: does a float head interpolate between training points where digits do not?

    python benchmarks/dots2d.py --dots data/2D/2d.npz --model runs/dots2d-char/checkpoint --model runs/dots2d-float/checkpoint

Lets each model answer the first --limit test points, writes benchmarks/results/dots2d.json with squared and plain errors on
and off the checkerboard, and draws the answers over the board into docs/pictures/dots2d.png.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from igllm_addon.core.dots import TEST_POINTS, dot_picture
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.vocabulary import DOTS2D
from igllm_addon.model_runner.dot_layout import dot_points
from igllm_addon.model_runner.predictor import Predictor
from igllm_addon.render_templates.dots2d.sample import FIELDS_PER_SIDE, is_on_checkerboard

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


def answers_of(model: Predictor, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2): where a model says that the dots are; nan where it says nothing."""
    pictures = (Image.fromarray(dot_picture(x, y)) for x, y in points.tolist())
    answers = []
    for prediction in model.predict_many(pictures, batch=50):
        objects = parse(prediction.code, DOTS2D).scene.objects
        answers.append(objects[0].location[:2] if objects and objects[0].location else (np.nan, np.nan))
    return np.array(answers)


def figures_of(truth: NDArray[np.float64], found: NDArray[np.float64]) -> dict[str, float]:
    """Errors as shares of the picture's width: mean squared distance per number, mean and median distance."""
    distance = np.linalg.norm(found - truth, axis=1)
    return {
        "points": len(truth),
        "unanswered": int(np.isnan(distance).sum()),
        "mse": float(np.nanmean((found - truth) ** 2)),
        "mean_error": float(np.nanmean(distance)),
        "median_error": float(np.nanmedian(distance)),
        "worst_error": float(np.nanmax(distance)),
    }


def draw(path: Path, truth: NDArray[np.float64], answers: dict[str, NDArray[np.float64]]) -> None:
    """A panel for each model: what it answered, in the colour of where the dot was; training fields are grey."""
    figure, axes = plt.subplots(1, len(answers) + 1, figsize=(4.0 * (len(answers) + 1), 4.2), constrained_layout=True)
    color = np.column_stack([truth, np.full(len(truth), 0.4)])
    for axis, (name, found) in zip(axes, {"the test points": truth, **answers}.items(), strict=True):
        for row in range(0, FIELDS_PER_SIDE, 2):
            for column in range(0, FIELDS_PER_SIDE, 2):
                corner = (column / FIELDS_PER_SIDE, row / FIELDS_PER_SIDE)
                axis.add_patch(plt.Rectangle(corner, 1 / FIELDS_PER_SIDE, 1 / FIELDS_PER_SIDE, color="0.88", zorder=0))
        axis.scatter(found[:, 0], found[:, 1], s=3, c=color)
        axis.set(title=name, xlim=(-0.05, 1.05), ylim=(1.05, -0.05), aspect="equal")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare how models read places that no training picture showed.")
    parser.add_argument("--dots", type=Path, required=True, help="a 2d.npz")
    parser.add_argument("--model", type=Path, action="append", required=True, help="a checkpoint's folder; may be repeated")
    parser.add_argument("--limit", type=int, default=2000, help="test points (default: 2000)")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/dots2d.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs/pictures/dots2d.png")
    options = parser.parse_args()
    arrays = dot_points(options.dots)
    truth = arrays[TEST_POINTS][: options.limit]
    on_board = is_on_checkerboard(truth).astype(bool)
    answers, report = {}, {}
    for folder in options.model:
        model = Predictor.load(folder)
        found = answers_of(model, truth)
        answers[model.name] = found
        report[model.name] = {
            "all": figures_of(truth, found),
            "on_the_checkerboard": figures_of(truth[on_board], found[on_board]),
            "off_the_checkerboard": figures_of(truth[~on_board], found[~on_board]),
        }
        print(model.name, json.dumps(report[model.name], indent=1))
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    draw(options.plot, truth, answers)


if __name__ == "__main__":
    main()
