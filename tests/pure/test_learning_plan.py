# SPDX-License-Identifier: GPL-3.0-or-later
"""How `igllm learn` spends its minutes, how it keeps to them, and what it says meanwhile; nothing is rendered or trained here."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from igllm_addon.core.scene import Camera
from igllm_addon.learning.plan import (
    BASE_MODEL,
    DECODER,
    MEASURE,
    MOST_PICTURES,
    PHASES,
    PICTURES,
    TOWER,
    Plan,
    first_looks,
    first_plan,
    fitting,
    sentences,
    steps_in_time,
    training_config,
)
from igllm_addon.learning.progress import BarReader, BudgetClock, Teller
from igllm_addon.learning.training import train_in_time
from igllm_addon.model_runner.shipped import model_directory
from igllm_addon.model_runner.stop_request import stop_request
from igllm_addon.model_runner.training_config import read_training_config
from igllm_addon.model_runner.vision_config import PoseConfig

PLAN = Plan("sixdof", minutes=10.0, seed=3, pictures=2000, measured=60, tower_steps=1000, decoder_steps=400)
CAMERA = Camera((0.0, -3.2, 1.2), (0.8, 0.6, 0.0, 0.0), 50.0)
VOCABULARY = {"template": "sixdof", "words": {"shape": ["brick", "wedge"]}, "rotation_length": 3}


class FakeTime:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_phases_end_one_after_the_other_and_the_last_with_the_budget() -> None:
    ends = [PLAN.end_s(phase) for phase in PHASES]

    assert PHASES == (PICTURES, TOWER, DECODER, MEASURE)
    assert ends == sorted(ends)
    assert ends[-1] == 600.0


def test_a_longer_budget_has_more_of_everything() -> None:
    short, long = first_plan("sixdof", 10.0, 1), first_plan("sixdof", 90.0, 1)

    assert long.pictures > 2 * short.pictures
    assert long.tower_steps > 2 * short.tower_steps
    assert long.decoder_steps > 2 * short.decoder_steps


def test_even_a_budget_of_seconds_renders_and_trains_something() -> None:
    plan = first_plan("shapenet", 0.1, 1)

    assert (plan.pictures, plan.measured, plan.tower_steps, plan.decoder_steps) == (40, 8, 22, 22)


def test_a_week_does_not_fill_the_disk_with_pictures() -> None:
    assert first_plan("sixdof", 7 * 24 * 60.0, 1).pictures == MOST_PICTURES


def test_pictures_fill_whole_shards() -> None:
    assert [fitting(number) for number in (-5.0, 59.9, 60.0, 119.0)] == [40, 40, 60, 100]


def test_steps_are_fitted_to_the_time_that_is_left() -> None:
    assert steps_in_time(done=100, total=1000, step_s=0.5, left_s=100.0) == 300


def test_a_small_difference_is_not_worth_an_interruption() -> None:
    assert steps_in_time(done=100, total=1000, step_s=0.1, left_s=92.0) == 1000


def test_steps_that_cost_more_are_reckoned_with() -> None:
    assert steps_in_time(done=100, total=1000, step_s=0.5, left_s=270.0, dear=lambda _: 200) == 100 + 540 - 170
    assert steps_in_time(done=300, total=1000, step_s=0.5, left_s=100.0, dear=lambda _: 200) == 500
    assert steps_in_time(done=0, total=5000, step_s=0.5, left_s=755.0, dear=lambda steps: steps * 3 // 10) == pytest.approx(
        1000, abs=1
    )


def test_a_difference_that_an_interruption_would_cost_is_not_worth_one() -> None:
    assert steps_in_time(done=400, total=900, step_s=0.05, left_s=5.0, restart_s=25.0) == 900
    assert steps_in_time(done=400, total=900, step_s=0.05, left_s=5.0, restart_s=2.0) == 460


def test_a_stage_whose_time_is_over_takes_one_more_step() -> None:
    assert steps_in_time(done=100, total=1000, step_s=0.5, left_s=-20.0) == 101


def test_the_plan_is_said_before_anything_happens() -> None:
    assert sentences(PLAN, 5) == [
        "5 meshes, template sixdof, 10 minutes, seed 3:",
        "    3.0 min  render about 2,000 pictures, and 60 to measure on",
        "    5.0 min  train the tower for about 1,000 steps of 16 pictures",
        "    1.4 min  train the decoder for about 400 steps of 16",
        "    0.6 min  measure, write the checkpoint",
        "How many of each is fitted to this machine's speed on the way.",
    ]


@pytest.mark.parametrize("template", ["sixdof", "shapenet", "so3"])
@pytest.mark.parametrize("minutes", [10.0, 90.0])
def test_the_training_config_can_be_trained_by_hand(template: str, minutes: float, tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps({**VOCABULARY, "template": template}))
    value = training_config(first_plan(template, minutes, 7), "mine", CAMERA, {"train": str(tmp_path), "out": "out"})
    (tmp_path / "training.json").write_text(json.dumps(value))

    config = read_training_config(tmp_path / "training.json")

    assert isinstance(config.model.vision, PoseConfig)
    assert config.model.vocabulary.words["shape"] == ("brick", "wedge")
    assert (config.tower.seed, config.tower.roll_degrees > 0.0) == (7, template != "shapenet")


def test_the_tower_is_built_like_the_shipped_one_that_it_starts_from() -> None:
    shipped = json.loads((model_directory(BASE_MODEL) / "config.json").read_text(encoding="utf-8"))

    value = training_config(first_plan("sixdof", 10.0, 7), "mine", CAMERA, {"train": "data", "out": "out"})

    assert value["training"]["tower"]["start"] == BASE_MODEL
    assert value["vision"] == shipped["vision"]


def test_a_bar_of_the_training_is_read() -> None:
    heard: list[tuple[str, int, int]] = []
    log = io.StringIO()
    reader = BarReader(lambda name, done, total: heard.append((name, done, total)), log)

    reader.write("\rtower:  12%|█▏        | 24/200 [00:10<01:20,  2.2step/s, loss=6.447]")
    reader.write("\r\x1b[Ktrain  45%|###########             | 45/100  2.31 images/s, 0:24 left")
    reader.write("\n40 scenes; the tower overlooks 55.00 % of the objects\n")

    assert heard == [("tower", 24, 200), ("train", 45, 100)]
    assert "overlooks 55.00 %" in log.getvalue()


def test_a_line_tells_the_share_of_the_minutes_and_what_is_left() -> None:
    now, stream = FakeTime(), io.StringIO()
    teller = Teller(PLAN, BudgetClock(150.0, now), stream)

    teller.tell("tower: step 120 of 900")
    now.now = 1.0
    teller.tell("too soon after the last")

    assert stream.getvalue() == "learn  25%|######                  | tower: step 120 of 900, 7:30 left\n"


class FakeTrainer:
    """Takes steps of a given time, and longer ones at first; a request to stop ends it as the real one ends."""

    def __init__(self, now: FakeTime, step_s: float) -> None:
        self._now, self._step_s = now, step_s
        self.done = 0
        self.totals: list[int] = []

    def train(self, config: Path, stage: str) -> None:
        import sys

        total = int(config.name)
        self.totals.append(total)
        with stop_request() as stop:
            while self.done < total:
                self.done += 1
                self._now.now += self._step_s * (2.7 if self.done <= first_looks("sixdof", total) else 1.0)
                sys.stderr.write(f"\r{stage}:  1%|#  | {self.done}/{total} [x]")
                if stop.made:
                    self.save()
                    raise KeyboardInterrupt

    def save(self) -> None:
        """What takes a while before a stage has stopped."""

    def measure(self, checkpoint: Path, labels: Path, train: Path) -> dict[str, Any]:
        raise NotImplementedError


def trained(now: FakeTime, trainer: FakeTrainer) -> Plan:
    """The plan after its tower's phase, in which SIGINT is Python's own, as in the command."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        clock = BudgetClock(180.0, now)
        teller = Teller(PLAN, clock, io.StringIO())
        return train_in_time(PLAN, TOWER, trainer, clock, teller, lambda plan: Path(str(plan.tower_steps)), io.StringIO())
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_slow_machine_takes_fewer_steps_and_keeps_the_end() -> None:
    now = FakeTime()
    trainer = FakeTrainer(now, step_s=1.2)

    plan = trained(now, trainer)

    assert trainer.totals[0] == 1000
    assert trainer.done == plan.tower_steps
    assert 270.0 <= now.now <= 305.0


def test_a_fast_machine_takes_more_steps_in_the_same_time() -> None:
    now = FakeTime()
    trainer = FakeTrainer(now, step_s=0.05)

    plan = trained(now, trainer)

    assert plan.tower_steps > 2500
    assert 270.0 <= now.now <= 305.0


def test_a_machine_as_fast_as_planned_is_not_interrupted() -> None:
    now = FakeTime()
    trainer = FakeTrainer(now, step_s=0.1985)

    trained(now, trainer)

    assert trainer.totals == [1000]


def test_a_machine_that_becomes_faster_has_no_time_left_over() -> None:
    class Freed(FakeTrainer):
        def train(self, config: Path, stage: str) -> None:
            self._step_s = 0.5 if self.done < 40 else 0.05
            super().train(config, stage)

    now = FakeTime()

    trained(now, Freed(now, 0.5))

    assert 270.0 <= now.now <= 305.0


def test_ctrl_c_is_the_users_and_ends_the_phase() -> None:
    class Interrupted(FakeTrainer):
        def train(self, config: Path, stage: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(FakeTime(), Interrupted(FakeTime(), 1.0))


def test_a_ctrl_c_while_steps_are_fitted_is_not_lost() -> None:
    class Hurried(FakeTrainer):
        def save(self) -> None:
            signal.raise_signal(signal.SIGINT)

    trainer = Hurried(FakeTime(), 1.5)

    with pytest.raises(KeyboardInterrupt):
        trained(trainer._now, trainer)
    assert len(trainer.totals) == 1
