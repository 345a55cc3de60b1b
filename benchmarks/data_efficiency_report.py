# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks/data_efficiency.py measured, as tables and as curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HEADS: dict[str, dict[str, Any]] = {
    "digits": {"numeric_head": "none", "pointer": False},
    "float": {"numeric_head": "tanh_mlp_gelu", "pointer": False},
    "pointer": {"numeric_head": "tanh_mlp_gelu", "pointer": True},
}
_NAMES = {"digits": "digits", "float": "float head", "pointer": "float head and pointer"}
_COLOURS = {"digits": "tab:red", "float": "tab:blue", "pointer": "tab:green"}
_WORDS = ("size", "color", "material", "shape")

Figures = dict[str, Any]
# name -> (what is read from the figures of one condition, times what)
_FIGURES: dict[str, tuple[Callable[[Figures], float | None], float]] = {
    "L2 mean (m)": (lambda figures: figures["l2_mean_m"], 1.0),
    "AP within 0.25 (%)": (lambda figures: figures["average_precision"]["0.25"], 100.0),
    "count right (%)": (lambda figures: figures["count_exact"], 100.0),
    "cube yaw median (degrees)": (lambda figures: figures["yaw_median_degrees"], 1.0),
    "size right (%)": (lambda figures: figures["word_accuracy"]["size"], 100.0),
    "colour right (%)": (lambda figures: figures["word_accuracy"]["color"], 100.0),
    "material right (%)": (lambda figures: figures["word_accuracy"]["material"], 100.0),
    "shape right (%)": (lambda figures: figures["word_accuracy"]["shape"], 100.0),
}


def _value(run: Figures, condition: str, figure: str) -> float:
    read, times = _FIGURES[figure]
    found = read(run[condition])
    return math.nan if found is None else times * found


def table(report: Figures) -> str:
    """All figures on condition A, and the drop from A to B of each head with the most pictures."""
    training = report["config"]["training"]
    lines = [
        f"{training['tower']['steps']} steps of {training['tower']['batch']} for each tower, {training['decoder']['steps']} of"
        f" {training['decoder']['batch']} for each decoder; {report['pictures']} pictures of each condition; canonical frame.",
        "",
        "| pictures | head | " + " | ".join(_FIGURES) + " |",
        "|" + "---|" * (2 + len(_FIGURES)),
    ]
    for run in report["runs"]:
        values = " | ".join(f"{_value(run, 'A', name):.{3 if '(m)' in name else 1}f}" for name in _FIGURES)
        lines.append(f"| {run['scenes']:,} | {_NAMES[run['head']]} | {values} |")
    most = max(run["scenes"] for run in report["runs"])
    lines += ["", f"From A to B, {most:,} pictures of A:", ""]
    lines += ["| head | " + " | ".join(_FIGURES) + " |", "|" + "---|" * (1 + len(_FIGURES))]
    for run in report["runs"]:
        if run["scenes"] == most:
            lines.append(f"| {_NAMES[run['head']]} | " + " | ".join(_pair(run, name) for name in _FIGURES) + " |")
    return "\n".join(lines) + "\n"


def _pair(run: Figures, name: str) -> str:
    digits = 3 if "(m)" in name else 1
    return f"{_value(run, 'A', name):.{digits}f} → {_value(run, 'B', name):.{digits}f}"


def plot(report: Figures, path: Path) -> None:
    """A panel for each figure over the number of pictures; condition A solid, B dashed."""
    figure, panels = plt.subplots(2, 4, figsize=(15, 6.5), dpi=110, layout="constrained")
    sizes = sorted({run["scenes"] for run in report["runs"]})
    for panel, name in zip(panels.flat, _FIGURES, strict=True):
        for head, colour in _COLOURS.items():
            runs = sorted((run for run in report["runs"] if run["head"] == head), key=lambda run: run["scenes"])
            for condition, style in (("A", "o-"), ("B", "o--")):
                values = [_value(run, condition, name) for run in runs]
                label = f"{_NAMES[head]}, {condition}"
                panel.plot([run["scenes"] for run in runs], values, style, color=colour, markersize=4, label=label)
        panel.set(title=name, xscale="log", xlabel="training pictures")
        panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
        panel.set_yscale("log" if name.startswith("L2") else "linear")
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels.flat[0].legend(fontsize=7)
    figure.suptitle("CoGenT: learned on condition A, same budget for all")
    figure.savefig(path)
    plt.close(figure)
