# SPDX-License-Identifier: GPL-3.0-or-later
"""How a picture is rendered, as data. No bpy, so that labels and the parent of a data-set run can hold it."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import UsageError

ENGINES = ("cycles", "eevee", "workbench")


@dataclass(frozen=True)
class RenderOptions:
    """width_px, height_px: picture size. samples: Cycles or EEVEE samples per pixel. denoise: OpenImageDenoise (Cycles).
    seed: Cycles' noise pattern. threads: 0 uses every core."""

    width_px: int = 320
    height_px: int = 240
    engine: str = "cycles"
    samples: int = 16
    denoise: bool = True
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"There is no engine {self.engine!r}; choose one of {', '.join(ENGINES)}.")
        if self.width_px < 16 or self.height_px < 16:
            raise UsageError(f"A picture needs at least 16 x 16 pixels, got {self.width_px} x {self.height_px}.")
        if self.samples < 1:
            raise UsageError(f"Samples per pixel must be at least 1, got {self.samples}.")
