# SPDX-License-Identifier: GPL-3.0-or-later
"""What a learnt model says about itself: its card, the facts about its meshes in config.json, and one line for people. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..core.model_folders import MESHES_KEY
from .model_folder import LearningState
from .plan import BATCH, DECODER, PHASES, TOWER

Figures = Mapping[str, Any]
_COLUMNS = (("model", "the model"), ("nearest", "nearest training picture"), ("constant", "constant answer"))


def model_card(name: str, state: LearningState, figures: Mapping[str, Figures]) -> str:
    """MODEL_CARD.md. figures: answerer -> what `igllm evaluate` reports."""
    plan = state.plan
    spent = ", ".join(f"{phase} {state.spent_s.get(phase, 0.0) / 60.0:.1f}" for phase in PHASES)
    shown = [(key, title) for key, title in _COLUMNS if key in figures]
    rows = [(what, [text(figures[key]) for key, _ in shown]) for what, text in _ROWS]
    table = [f"| | {' | '.join(title for _, title in shown)} |", "|---" * (len(shown) + 1) + "|"]
    table += [f"| {what} | {' | '.join(values)} |" for what, values in rows]
    words = ", ".join(f"`{word}`" for word in state.meshes)
    return "\n".join(
        [
            f"# {name}",
            "",
            f"Learnt by `igllm learn` from the {len(state.meshes)} meshes of `{state.library}`: {words}. It reads a picture of"
            f" the template `{plan.template}` and writes which mesh is where, and how it is turned.",
            "",
            "## Learning",
            "",
            f"{plan.pictures:,} pictures; the tower took {plan.tower_steps:,} steps of {BATCH[TOWER]}, the decoder"
            f" {plan.decoder_steps:,} of {BATCH[DECODER]}; seed {plan.seed}. Of {plan.minutes:g} minutes it took"
            f" {state.elapsed_s / 60.0:.1f} ({spent}), in {state.runs} run{'' if state.runs == 1 else 's'}.",
            "",
            "## Figures",
            "",
            f"On {plan.measured} pictures of the same kind that it did not learn from. Positions are in diagonals of a mesh's"
            " bounding box; rotations that look the same count as the same.",
            "",
            *table,
            "",
        ]
    )


def headline(figures: Figures) -> str:
    """One line."""
    return ", ".join(f"{what} {text(figures)}" for what, text in _ROWS[:4])


def config_with_meshes(config: str, library: str, meshes: list[dict[str, Any]]) -> str:
    """config.json with what is needed to find and show the meshes again. meshes: entries of a catalogue as JSON."""
    value = json.loads(config) | {MESHES_KEY: {"library": library, "meshes": meshes}}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _world(figures: Figures) -> Figures:
    found: Figures = figures["frames"]["world"]
    return found


def _poses(figures: Figures) -> Figures:
    found: Figures = _world(figures)["poses"]
    return found


def _number(value: float | None, pattern: str) -> str:
    return "none" if value is None or not math.isfinite(value) else pattern.format(value)


def _percent(value: float | None) -> str:
    return _number(None if value is None else 100.0 * value, "{:.0f} %")


_ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("right mesh", lambda f: _percent(_world(f)["word_accuracy"]["shape"])),
    ("rotation error, median", lambda f: _number(_poses(f)["geodesic_median_degrees"], "{:.1f}°")),
    ("rotation within 30°", lambda f: _percent(_poses(f)["within_degrees"]["30"])),
    ("position error, mean", lambda f: _number(_world(f)["l2_mean_m"], "{:.3f}")),
    ("rotation error, mean", lambda f: _number(_poses(f)["geodesic_mean_degrees"], "{:.1f}°")),
    ("rotation within 10°", lambda f: _percent(_poses(f)["within_degrees"]["10"])),
    ("Chamfer distance, mean", lambda f: _number(_poses(f)["chamfer_mean"], "{:.3f}")),
    ("ADD-S, mean", lambda f: _number(_poses(f)["add_s_mean"], "{:.3f}")),
    ("objects counted right", lambda f: _percent(_world(f)["count_exact"])),
)
