# SPDX-License-Identifier: GPL-3.0-or-later
"""How a model reads pictures that were made, stored or sent otherwise than those that it learned from.

The labelled pictures of a set are read as they are, and again as JPEG, with noise, blurred, darker, brighter, smaller, and as the
3:2 picture that the same camera would take (CLEVR's own are 480x320). Sets that were rendered differently come beside them.

    igllm generate clevr --count 100 --seed 41 --split wide --width 480 --height 320 --samples 16 --out data/other
    igllm generate clevr --count 60 --seed 42 --split noisy --width 240 --height 180 --samples 8 --no-denoise --out data/other
    python benchmarks/robustness.py data/clevr/val --also "480x320=data/other/wide" "no denoiser=data/other/noisy" \\
        [--model clevr-small] [--pictures 100] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from igllm_addon.core.model_folders import DEFAULT_MODEL
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.data import read_samples, shards_in
from igllm_addon.model_runner.evaluation import evaluate
from igllm_addon.model_runner.pictures import picture_from_bytes
from igllm_addon.model_runner.predictor import Predictor
from igllm_addon.model_runner.shipped import model_directory

_BAND_ASPECT = 2.0 / 3.0
_BAND_SIZE_PX = (480, 320)


@dataclass(frozen=True)
class Sample:
    """A picture and the objects of its label."""

    name: str
    picture: Image.Image
    objects: list[dict[str, Any]]


Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(quality: int) -> Change:
    def change(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return change


def noise(sigma: float) -> Change:
    """sigma: of a pixel, of 1."""

    def change(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        pixels = np.asarray(picture, dtype=np.float64)
        return Image.fromarray(np.clip(np.rint(pixels + rng.normal(0.0, 255.0 * sigma, pixels.shape)), 0, 255).astype(np.uint8))

    return change


def blur(radius_px: float) -> Change:
    return lambda picture, rng: picture.filter(ImageFilter.GaussianBlur(radius_px))


def exposure(factor: float) -> Change:
    return lambda picture, rng: picture.point(lambda byte: min(255, round(factor * byte)))


def smaller(width_px: int) -> Change:
    return lambda picture, rng: picture.resize((width_px, round(width_px * picture.height / picture.width)))


CHANGES: dict[str, Change] = {
    "as rendered": lambda picture, rng: picture,
    "JPEG, quality 80": jpeg(80),
    "JPEG, quality 60": jpeg(60),
    "JPEG, quality 30": jpeg(30),
    "noise of 2 %": noise(0.02),
    "noise of 5 %": noise(0.05),
    "blurred, 0.7 pixels": blur(0.7),
    "blurred, 1.5 pixels": blur(1.5),
    "exposure x 0.7": exposure(0.7),
    "exposure x 1.3": exposure(1.3),
    "160 pixels wide": smaller(160),
}


def samples_of(folder: Path, count: int) -> list[Sample]:
    samples = (sample for shard in shards_in(folder) for sample in read_samples(shard))
    return [Sample(key, picture_from_bytes(data, key), label["objects"]) for key, data, label in islice(samples, count)]


def bands(samples: list[Sample]) -> list[Sample]:
    """The middle rows with aspect 3:2 as 480x320 pixels, of the pictures all of whose objects are wholly there."""
    result = []
    for sample in samples:
        width, height = sample.picture.size
        rows = round(width * _BAND_ASPECT)
        top = (height - rows) // 2
        if top >= 0 and all(item["bbox_px"][1] >= top and item["bbox_px"][3] <= top + rows for item in sample.objects):
            band = sample.picture.crop((0, top, width, top + rows)).resize(_BAND_SIZE_PX, Image.Resampling.BICUBIC)
            result.append(Sample(sample.name, band, sample.objects))
    return result


def measured(predictor: Predictor, samples: list[Sample]) -> dict[str, Any]:
    """The figures in the canonical frame."""
    programs = [{"outputs": made.code} for made in predictor.predict_many(sample.picture for sample in samples)]
    answers = {"answers": dict(zip((sample.name for sample in samples), programs, strict=True))}
    return evaluate({sample.name: sample.objects for sample in samples}, answers, CLEVR).frames["canonical"].to_json()


def sets(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Sample]]]:
    samples = samples_of(arguments.images, arguments.pictures)
    for name, change in CHANGES.items():
        rng = np.random.default_rng(1)
        yield name, [Sample(sample.name, change(sample.picture, rng), sample.objects) for sample in samples]
    yield "3:2 band, 480x320", bands(samples)
    for entry in arguments.also:
        name, _, folder = entry.partition("=")
        yield name, samples_of(Path(folder), arguments.pictures)


def row(name: str, figures: dict[str, Any]) -> str:
    shares = [figures["exact_scenes"], figures["count_exact"], *figures["word_accuracy"].values()]
    shares += [figures["average_precision"][distance] for distance in ("0.25", "0.0625")]
    percentages = " | ".join(f"{100.0 * share:.1f}" for share in shares)
    return f"| {name} | {figures['pictures']} | {percentages} | {figures['l2_mean_m']:.3f} |"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="a folder of tar shards")
    parser.add_argument("--also", metavar="NAME=FOLDER", nargs="*", default=[], help="shards that were rendered differently")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model's name or a checkpoint's folder")
    parser.add_argument("--pictures", type=int, default=100, help="of each set")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    directory = model_directory(arguments.model)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    predictor = Predictor.load(directory)
    report: dict[str, Any] = {"model": arguments.model, "weights_sha256": config["weights_sha256"], "sets": {}}
    lines = ["| pictures | number | scenes exact | count right | colour | size | material | shape | AP 0.25 | AP 0.0625 | L2 |"]
    lines += ["|" + "---|" * 11]
    print("\n".join(lines))
    for name, samples in sets(arguments):
        report["sets"][name] = figures = measured(predictor, samples)
        lines.append(row(name, figures))
        print(lines[-1], flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "robustness.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (arguments.out / "robustness.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
