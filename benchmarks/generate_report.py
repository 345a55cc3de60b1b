# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks/generate.py measured, as figures and as a plot."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

REFERENCE_SAMPLES = 4096
TRAINING_SAMPLES = 5  # the setting of the shipped model's data
TRAINING_PSNR_DB = 35.0


@dataclass(frozen=True)
class Setting:
    """One point of the curve. best: denoise with the best quality and cleaned guides instead of the default.
    adaptive_threshold: stop sampling a pixel whose noise is below, None for the same number of samples everywhere."""

    name: str
    samples: int
    denoise: bool
    best: bool = False
    adaptive_threshold: float | None = None


@dataclass
class Point:
    """What a setting reached: wall seconds and PSNR in dB, one value a scene."""

    setting: Setting
    seconds: list[float]
    psnr_db: list[float]


def ratio_to_classic(points: list[Point], point: Point) -> float:
    """Median over scenes of classic seconds / this setting's seconds."""
    classic = next(one for one in points if one.setting.name == "classic")
    return statistics.median(a / b for a, b in zip(classic.seconds, point.seconds, strict=True))


def fastest_at(points: list[Point], psnr_db: float) -> Point | None:
    """The fastest of our settings whose mean PSNR reaches `psnr_db`."""
    good = [one for one in points if one.setting.name != "classic" and statistics.mean(one.psnr_db) >= psnr_db]
    return min(good, key=lambda one: statistics.median(one.seconds), default=None)


def report_of(points: list[Point]) -> dict[str, object]:
    classic = next(one for one in points if one.setting.name == "classic")
    rows = [
        {
            **asdict(point.setting),
            "images_per_second": 1.0 / statistics.median(point.seconds),
            "psnr_db": statistics.mean(point.psnr_db),
            "times_the_classic": ratio_to_classic(points, point),
        }
        for point in points
    ]
    best = {
        "training_setting": next(one for one in points if one.setting == Setting("ours", TRAINING_SAMPLES, True)),
        "fastest_fit_for_training": fastest_at(points, TRAINING_PSNR_DB),
        "at_the_classics_own_psnr": fastest_at(points, statistics.mean(classic.psnr_db)),
    }
    chosen = {
        name: None if one is None else {**asdict(one.setting), "times_the_classic": ratio_to_classic(points, one)}
        for name, one in best.items()
    }
    return {"curve": rows, **chosen}


def plot(report: dict[str, object], path: Path, title: str) -> None:
    figure, axes = plt.subplots(figsize=(8, 5), dpi=120)
    rows = report["curve"]
    for name, marker in (("ours", "o-"), ("ours, best denoiser", "s-"), ("ours, adaptive", "^-"), ("classic", "D")):
        chosen = [row for row in rows if row["name"] == name]  # type: ignore[attr-defined]
        axes.plot([row["psnr_db"] for row in chosen], [row["images_per_second"] for row in chosen], marker, label=name)
        for row in chosen:
            axes.annotate(
                str(row["samples"]),
                (row["psnr_db"], row["images_per_second"]),
                textcoords="offset points",
                xytext=(5, 5),
                fontsize=8,
            )
    axes.axvline(TRAINING_PSNR_DB, color="0.6", linestyle=":", label="least quality for training")
    axes.set(yscale="log", xlabel=f"PSNR against {REFERENCE_SAMPLES} samples (dB)", ylabel="images per second", title=title)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
