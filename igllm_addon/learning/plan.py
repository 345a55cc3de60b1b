# SPDX-License-Identifier: GPL-3.0-or-later
"""How the minutes of `igllm learn` are spent, and the training config that follows. Pure: only arithmetic on data.

A budget is cut into four parts, each of which ends at a share of the whole: pictures, tower, decoder, measuring. How many
pictures and steps fit is guessed before anything runs and fitted to the measured speed while it runs, so that the end is kept.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..core.scene import Camera

TEMPLATES = ("sixdof", "shapenet", "so3")
PICTURES, TOWER, DECODER, MEASURE, DONE = "pictures", "tower", "decoder", "measure", "done"
PHASES = (PICTURES, TOWER, DECODER, MEASURE)
# The share of the budget at which each phase ends.
_ENDS = {PICTURES: 0.30, TOWER: 0.80, DECODER: 0.94, MEASURE: 1.0}
# Seconds of two cores of a Xeon at 2.5 GHz: of a picture, and of a step; only the first guess, which measuring corrects.
_PICTURE_S = {"sixdof": 0.08, "so3": 0.08, "shapenet": 0.2}
_TOWER_STEP_S = 0.13
_DECODER_STEP_S = 0.06
_LOOK_S = 0.006  # of the finished tower, at a picture
_MOST_LOOKED_AT = (
    3_000  # pictures that the decoder learns from; the tower looks at all of them again whenever its steps are fitted
)
_START_S = {PICTURES: 6.0, TOWER: 8.0, DECODER: 4.0}  # of Blender, of torch
LEAST_PICTURES, MOST_PICTURES = 40, 10_000
LEAST_STEPS = 20
_MOST_LEAST_STEPS = 150  # with fewer a decoder has no words; a budget of minutes is rather overrun a little
_MEASURED_SHARE, _LEAST_MEASURED, _MOST_MEASURED = 0.05, 8, 60
SHARD_SIZE = 20
BATCH = {TOWER: 16, DECODER: 16}
_SIZES_PX = {"sixdof": (128, 128), "so3": (128, 128), "shapenet": (160, 120)}
_OBJECT_RADIUS = 0.5  # of the ball about a mesh whose bounding box has the diagonal 1
# The tower begins as the shipped one of other meshes, which knows already how turned things look, and is built like it.
BASE_MODEL = "sixdof-small"
_NETWORK: dict[str, Any] = {
    "kind": "pose",
    "channels": [16, 32, 64],
    "blocks": [1, 1],
    "fine_channels": 16,
    "crop_px": 48,
    "crop_channels": [40, 80, 128],
    "crop_blocks": [1, 2, 2],
    "feature_width": 160,
}
# Of the tower's steps, those in which its finding network learns, too, and how much more such a step costs. Many objects on a
# floor are more to get used to than one in the air, which is what it knows.
_FIRST_LOOK_SHARE, _MOST_FIRST_LOOKS = 0.3, {"sixdof": 600, "so3": 600, "shapenet": 1_500}
_FIRST_LOOK_EXTRA = 1.7
_MOST_STEPS = 10**7


@dataclass(frozen=True)
class Plan:
    """pictures: to learn from. measured: pictures to measure on, beside them. tower_steps, decoder_steps: of BATCH pictures."""

    template: str
    minutes: float
    seed: int
    pictures: int
    measured: int
    tower_steps: int
    decoder_steps: int

    @property
    def seconds(self) -> float:
        """The whole budget."""
        return 60.0 * self.minutes

    def end_s(self, phase: str) -> float:
        """When a phase has to be over, in seconds from the beginning."""
        return _ENDS[phase] * self.seconds

    def with_steps(self, phase: str, steps: int) -> Plan:
        """Another number of steps for a stage of training."""
        return replace(self, tower_steps=steps) if phase == TOWER else replace(self, decoder_steps=steps)


def first_plan(template: str, minutes: float, seed: int) -> Plan:
    """What fits into the minutes on a machine like the one that the guesses come from."""
    seconds = 60.0 * minutes
    pictures = fitting((_ENDS[PICTURES] * seconds - _START_S[PICTURES]) / _PICTURE_S[template])
    tower_s = (_ENDS[TOWER] - _ENDS[PICTURES]) * seconds - _START_S[TOWER]
    decoder_s = (_ENDS[DECODER] - _ENDS[TOWER]) * seconds - _START_S[DECODER] - _LOOK_S * min(pictures, _MOST_LOOKED_AT)
    return Plan(
        template=template,
        minutes=minutes,
        seed=seed,
        pictures=pictures,
        measured=round(min(max(_MEASURED_SHARE * pictures, _LEAST_MEASURED), _MOST_MEASURED)),
        tower_steps=max(least_steps(minutes), int(tower_s / _TOWER_STEP_S)),
        decoder_steps=max(least_steps(minutes), int(decoder_s / _DECODER_STEP_S)),
    )


def fitting(pictures: float) -> int:
    """The nearest smaller number of pictures that fills whole shards and is neither too few nor too many."""
    bounded = min(max(int(pictures), LEAST_PICTURES), MOST_PICTURES)
    return bounded - bounded % SHARD_SIZE


def least_steps(minutes: float) -> int:
    """How many steps a stage takes even where its time is over."""
    return min(round(LEAST_STEPS + 15 * minutes), _MOST_LEAST_STEPS)


def first_looks(template: str, tower_steps: int) -> int:
    """The tower's steps in which its finding network learns, too."""
    return max(1, min(round(_FIRST_LOOK_SHARE * tower_steps), _MOST_FIRST_LOOKS[template]))


def work(steps: int, dear: int) -> float:
    """What the first `steps` of a stage cost, in steps that are not among its `dear` first ones."""
    return steps + _FIRST_LOOK_EXTRA * min(steps, dear)


def no_dear_steps(_total: int) -> int:
    """Of a stage whose steps all cost the same."""
    return 0


def steps_in_time(
    done: int,
    total: int,
    step_s: float,
    left_s: float,
    least: int = LEAST_STEPS,
    *,
    restart_s: float = 0.0,
    dear: Callable[[int], int] = no_dear_steps,
) -> int:
    """How many steps a stage should have in all, of which `done` are done, to end in `left_s` seconds; `total`, as it is, where
    the difference is not worth an interruption, which costs `restart_s`. dear: how many of so many steps, the first ones, cost
    more. step_s: of one that does not."""

    def ahead(steps: int) -> float:
        return work(steps, dear(steps)) - work(done, dear(steps))

    affordable = (left_s - restart_s) / max(step_s, 1e-6)
    fitting_steps = done + bisect.bisect_right(range(done + 1, _MOST_STEPS), affordable, key=ahead)
    wanted = max(fitting_steps, done + 1, least)
    misfit_s = abs(ahead(total) * step_s - left_s)
    return wanted if misfit_s > restart_s and abs(wanted - total) > max(0.1 * (total - done), 10) else total


def size_px(template: str) -> tuple[int, int]:
    """Width and height of the pictures that are learnt from."""
    return _SIZES_PX[template]


def sentences(plan: Plan, meshes: int) -> list[str]:
    """The plan for people."""
    minutes = {phase: (plan.end_s(phase) - start) / 60.0 for phase, start in zip(PHASES, _starts(plan), strict=True)}
    return [
        f"{meshes} meshes, template {plan.template}, {plan.minutes:g} minutes, seed {plan.seed}:",
        f"  {minutes[PICTURES]:5.1f} min  render about {plan.pictures:,} pictures, and {plan.measured} to measure on",
        f"  {minutes[TOWER]:5.1f} min  train the tower for about {plan.tower_steps:,} steps of {BATCH[TOWER]} pictures",
        f"  {minutes[DECODER]:5.1f} min  train the decoder for about {plan.decoder_steps:,} steps of {BATCH[DECODER]}",
        f"  {minutes[MEASURE]:5.1f} min  measure, write the checkpoint",
        "How many of each is fitted to this machine's speed on the way.",
    ]


def training_config(plan: Plan, name: str, camera: Camera, folders: dict[str, str]) -> dict[str, Any]:
    """What `igllm train` reads. folders: "train", the shards to learn from, and "out"."""
    stage = {"data": [folders["train"]], "weight_decay": 0.02, "save_steps": 100, "augment": False, "seed": plan.seed}
    stands = plan.template == "shapenet"  # and what stands on a floor is not seen rolled
    rolled = {} if stands else {"roll_degrees": 180.0}
    looks = {"looks": 2} if stands else {"looks": 3, "rolls": 4}
    return {
        "name": name,
        "template": plan.template,
        "vocabulary": f"{folders['train']}/vocabulary.json",
        "out": folders["out"],
        "geometry": {
            "kind": "fixed_camera",
            "location": list(camera.location),
            "quaternion_wxyz": list(camera.quaternion_wxyz),
            "focal_length_mm": camera.focal_length_mm,
            "sensor_width_mm": camera.sensor_width_mm,
            "object_radius_m": _OBJECT_RADIUS,
        },
        "vision": {**_NETWORK, **looks, "input_width_px": size_px(plan.template)[0]},
        "decoder": {
            "width": 96,
            "layers": 2,
            "attention_heads": 4,
            "intermediate_width": 192,
            "visual_tokens": 8 if plan.template == "shapenet" else 3,
            "numeric_head": "tanh_mlp_gelu",
            "pointer": True,
            "rotation": "6d",
            "camera": False,
            "location_spread_m": 1.0,
        },
        "training": {
            "tower": {
                **stage,
                **rolled,
                "start": BASE_MODEL,
                "steps": plan.tower_steps,
                "first_look_steps": first_looks(plan.template, plan.tower_steps),
                "batch": BATCH[TOWER],
                "learning_rate": 0.002,
                "warmup_steps": min(100, plan.tower_steps // 10),
                "ema_decay": 0.99,
                "loss_weights": {"rows": 1.0},
            },
            "decoder": {
                **stage,
                "scenes": min(plan.pictures, _MOST_LOOKED_AT),
                "steps": plan.decoder_steps,
                "batch": BATCH[DECODER],
                "learning_rate": 0.0015,
                "warmup_steps": min(50, plan.decoder_steps // 10),
                "varieties": 1,
                "seed": plan.seed + 1,
            },
        },
    }


def _starts(plan: Plan) -> list[float]:
    return [0.0, *(plan.end_s(phase) for phase in PHASES[:-1])]
