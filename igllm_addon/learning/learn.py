# SPDX-License-Identifier: GPL-3.0-or-later
"""The phases of `igllm learn`, one after the other, each of which can be interrupted and gone on with. No bpy, no torch."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO, cast

from ..render_templates.meshes.catalogue import Catalogue
from ..render_templates.meshes.mesh_template import MeshTemplate
from ..render_templates.template import template_named
from .card import config_with_meshes, headline, model_card
from .model_folder import LearningState, ModelFolder
from .pictures import MEASURED, TRAIN, Studio, render_pictures
from .plan import DECODER, DONE, MEASURE, PICTURES, TOWER, Plan
from .progress import BarReader, BudgetClock, Teller
from .training import Trainer, train_in_time, write_config

_CARD_NAME, _CONFIG_NAME = "MODEL_CARD.md", "config.json"


def learn(folder: ModelFolder, state: LearningState, catalogue: Catalogue, worker: list[str], trainer: Trainer) -> str:
    """Go through the phases that are left; what came of it, as a sentence. worker: starts a worker that renders."""
    with folder.locked(), (folder.work / "log.txt").open("a", encoding="utf-8") as log:
        return _Learning(folder, replace(state, runs=state.runs + 1), catalogue, worker, trainer, log).run()


class _Learning:
    """One run of the command."""

    def __init__(
        self, folder: ModelFolder, state: LearningState, catalogue: Catalogue, worker: list[str], trainer: Trainer, log: TextIO
    ) -> None:
        self._folder, self._state, self._catalogue = folder, state, catalogue
        self._worker, self._trainer, self._log = worker, trainer, log
        self._clock = BudgetClock(state.elapsed_s)
        self._noted_s = state.elapsed_s
        self._teller = Teller(state.plan, self._clock, sys.stderr, self._note)

    def run(self) -> str:
        """All phases from the state's on."""
        self._note()
        figures: Mapping[str, Any] = {}
        phases = {PICTURES: self._pictures, TOWER: self._tower, DECODER: self._decoder, MEASURE: self._measure}
        try:
            for phase, work in phases.items():
                if self._state.phase == phase:
                    figures = work()
        finally:
            self._teller.end_line()
            self._note()
        minutes = self._state.elapsed_s / 60.0
        return f"{self._folder.checkpoint} after {minutes:.1f} minutes: {headline(figures['model'])}"

    def _pictures(self) -> Mapping[str, Any]:
        self._teller.tell("pictures: starting Blender", at_once=True)
        plan = self._state.plan
        studio = Studio(self._state.library, self._state.meshes, self._worker, self._folder.data, self._log)
        count = render_pictures(plan, studio, self._clock, plan.end_s(PICTURES), self._teller)
        return self._go_on(TOWER, replace(plan, pictures=count))

    def _tower(self) -> Mapping[str, Any]:
        return self._go_on(DECODER, self._trained(TOWER))

    def _decoder(self) -> Mapping[str, Any]:
        return self._go_on(MEASURE, self._trained(DECODER))

    def _measure(self) -> Mapping[str, Any]:
        self._teller.tell("measuring", at_once=True)
        made = self._folder.work / "checkpoint"
        data = self._folder.data
        bars = BarReader(lambda name, done, total: self._teller.tell(f"measuring: {done} of {total}"), self._log)
        with contextlib.redirect_stderr(cast(TextIO, bars)):
            figures = self._trainer.measure(made, data / MEASURED, data / TRAIN)
        entries = [asdict(self._catalogue.entry(word)) for word in self._state.meshes]
        config = made / _CONFIG_NAME
        config.write_text(config_with_meshes(config.read_text(encoding="utf-8"), self._state.library, entries), encoding="utf-8")
        self._note()
        card = model_card(self._folder.path.name, self._state, figures)
        (made / _CARD_NAME).write_text(card, encoding="utf-8")
        # A copy, so that a run that is killed now can measure again; renamed at the end, so that it appears whole.
        unfinished = self._folder.path / ".checkpoint.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(made, unfinished)
        os.replace(unfinished, self._folder.checkpoint)
        self._go_on(DONE, self._state.plan)
        return figures

    def _trained(self, phase: str) -> Plan:
        self._teller.tell(f"{phase}: starting", at_once=True)
        template = template_named(self._state.plan.template)
        assert isinstance(template, MeshTemplate)
        camera, train = template.stage.camera, self._folder.data / TRAIN

        def config(plan: Plan) -> Path:
            self._state = replace(self._state, plan=plan)
            self._note()
            return write_config(plan, self._folder.path.name, camera, train, self._folder.work)

        return train_in_time(self._state.plan, phase, self._trainer, self._clock, self._teller, config, self._log)

    def _go_on(self, phase: str, plan: Plan) -> Mapping[str, Any]:
        """The phase is over: the next one."""
        self._note()
        self._state = replace(self._state, phase=phase, plan=plan)
        self._folder.write_state(self._state)
        return {}

    def _note(self) -> None:
        """Write down the time that was spent, so that a run that is killed does not spend it twice."""
        now = self._clock.elapsed_s()
        self._state = self._state.after(now - self._noted_s)
        self._noted_s = now
        self._folder.write_state(self._state)
