# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a learnt model: how far it has come, and who works in it. No bpy, no torch.

learn.json     what is learnt, the plan, the phase that comes next, the seconds spent
data/          pictures, as `igllm generate` makes them
work/          the training's config, states and logs
checkpoint/    the finished model; it appears whole or not at all
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.file_lock import take_file
from ..core.model_folders import CHECKPOINT_FOLDER
from .plan import PICTURES, Plan

FORMAT, VERSION = "igllm-learning", 1
STATE_NAME = "learn.json"


@dataclass(frozen=True)
class LearningState:
    """library: the folder of meshes; meshes: the words that are learnt; fingerprint: of the catalogue. phase: the one that comes
    next. spent_s: by phase, over all runs."""

    library: str
    meshes: tuple[str, ...]
    fingerprint: str
    plan: Plan
    phase: str = PICTURES
    spent_s: dict[str, float] = field(default_factory=dict)
    runs: int = 0

    @property
    def elapsed_s(self) -> float:
        """All of the time that was spent."""
        return sum(self.spent_s.values())

    def after(self, seconds: float) -> LearningState:
        """The state after so many more seconds of its phase."""
        return replace(self, spent_s={**self.spent_s, self.phase: self.spent_s.get(self.phase, 0.0) + seconds})


class ModelFolder:
    """MODEL, as the user named it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data, self.work, self.checkpoint = path / "data", path / "work", path / CHECKPOINT_FOLDER
        self._state_path = path / STATE_NAME

    def state_or_none(self) -> LearningState | None:
        """How far a learning there has come; None where none was begun. UsageError where the file cannot be read."""
        try:
            value = json.loads(self._state_path.read_text(encoding="utf-8"))
            if (value.pop("format"), value.pop("version")) != (FORMAT, VERSION):
                raise UsageError(f"{self._state_path} was written by another version; choose another --out.")
            plan = Plan(**value.pop("plan"))
            return LearningState(**{**value, "meshes": tuple(value["meshes"]), "plan": plan})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{self._state_path} does not tell how far the learning is ({error}); choose another --out."
            ) from error

    def write_state(self, state: LearningState) -> None:
        """Write it, old or new and never half."""
        value: dict[str, Any] = {"format": FORMAT, "version": VERSION, **asdict(state)}
        partial = self._state_path.with_name(f".{STATE_NAME}.partial")
        partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, self._state_path)

    def check_is_free(self) -> None:
        """Raise a UsageError where a new learning would have to share the folder with something."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; name a folder for the model with --out.")
        if self.checkpoint.exists():
            raise UsageError(f"{self.path} holds a finished model; choose another --out, or remove it first.")
        if self._state_path.exists():
            raise UsageError(f"{self.path} holds a learning that is not finished; --resume goes on with it.")
        strange = next((entry for entry in sorted(self.path.iterdir()) if entry.name not in ("library", "work")), None)
        if strange is not None:
            raise UsageError(f"{self.path} holds {strange.name}, which no learning made; choose another --out.")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out while this one lasts."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            held = (self.work / "lock").open("ab")
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written ({error.strerror}); choose another --out.") from error
        with held:
            if not take_file(held):
                raise UsageError(f"Another run is learning in {self.path}; wait for it to end or choose another --out.")
            yield
