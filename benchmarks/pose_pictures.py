# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures beside renders of what a model wrote for them: from the best to the worst, so that nobody sees the good ones alone.

    python benchmarks/pose_pictures.py --labels data/sixdof/val_ID --answers sixdof.json --template sixdof \\
        --out docs/pictures/poses_sixdof.png

The pictures are ordered by the worst rotation of their objects and taken at even ranks. An object that was overlooked or invented
counts as turned by 180 degrees.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from igllm_addon.core.graphics_code import parse
from igllm_addon.core.scene import Scene
from igllm_addon.model_runner.data import read_samples, shards_in
from igllm_addon.model_runner.evaluation import labelled_object
from igllm_addon.model_runner.metrics import score_picture
from igllm_addon.model_runner.pose_metrics import rotation_error_degrees_or_none
from igllm_addon.render_templates.meshes.model_template import chosen_template
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.scene_files import RENDER_NAME, write_scene_files
from igllm_addon.render_templates.template import Template

_GAP_PX, _TEXT_PX = 6, 16
_PAPER, _INK = (255, 255, 255), (30, 30, 34)


@dataclass(frozen=True)
class Judged:
    """A picture (PNG), the scene that a model wrote for it, and how wrong its worst rotation is."""

    picture: bytes
    scene: Scene
    worst_degrees: float
    note: str


def judged(labels: Path, answers: Path, template: Template) -> list[Judged]:
    """All pictures, the best first."""
    written = json.loads(answers.read_text(encoding="utf-8"))["answers"]
    found = []
    for shard in shards_in(labels):
        for key, picture, label in read_samples(shard):
            scene = parse(written[f"{key}.png"]["outputs"], template.vocabulary).scene
            found.append(_judge(picture, label["objects"], scene, template))
    return sorted(found, key=lambda item: item.worst_degrees)


def _judge(picture: bytes, objects: list[dict[str, object]], scene: Scene, template: Template) -> Judged:
    score = score_picture([labelled_object(item, "world") for item in objects], scene.objects, None)
    angles = [rotation_error_degrees_or_none(pair.truth, pair.predicted, template.vocabulary) or 0.0 for pair in score.pairs]
    wrong = sum(pair.truth.shape != pair.predicted.shape for pair in score.pairs)
    unmatched = max(len(objects), len(scene.objects)) - len(score.pairs)
    note = ", ".join(f"{angle:.0f}°" for angle in sorted(angles))
    note += f", {wrong} wrong" if wrong else ""
    note += f", {unmatched} unmatched" if unmatched else ""
    return Judged(picture, scene, 180.0 if unmatched else max(angles, default=0.0), note)


def spread(items: list[Judged], count: int) -> list[Judged]:
    """`count` of them at even ranks, the first and the last among them."""
    ranks = [round(index * (len(items) - 1) / max(count - 1, 1)) for index in range(count)]
    return [items[rank] for rank in ranks]


def page(items: list[Judged], renders: list[Image.Image], columns: int) -> Image.Image:
    """Cells of picture over render over what is wrong."""
    width, height = renders[0].size
    cell = (width + _GAP_PX, 2 * height + _TEXT_PX + 2 * _GAP_PX)
    rows = -(-len(items) // columns)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP_PX, rows * cell[1] + _GAP_PX), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (item, render) in enumerate(zip(items, renders, strict=True)):
        left, top = _GAP_PX + (index % columns) * cell[0], _GAP_PX + (index // columns) * cell[1]
        with Image.open(io.BytesIO(item.picture)) as picture:
            sheet.paste(picture.convert("RGB").resize((width, height)), (left, top))
        sheet.paste(render, (left, top + height + 1))
        draw.text((left + 2, top + 2 * height + 2), item.note, _INK, font)
    return sheet


def rendered(item: Judged, template: Template, size: tuple[int, int]) -> Image.Image:
    """What the program shows."""
    with tempfile.TemporaryDirectory() as folder:
        options = RenderOptions(*size, samples=32)
        write_scene_files(template.completed(item.scene), template, Path(folder), "shown", options)
        with Image.open(Path(folder) / RENDER_NAME) as render:
            return render.convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--template", required=True)
    parser.add_argument("--library")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    template = chosen_template(None, options.template, options.library)
    shown = spread(judged(options.labels, options.answers, template), options.count)
    with Image.open(io.BytesIO(shown[0].picture)) as first:
        size = first.size
    page(shown, [rendered(item, template, size) for item in shown], options.columns).save(options.out)
    print(f"{options.out}: rotation errors {', '.join(item.note for item in shown)}")
    sys.stdout.flush()
    os._exit(0)  # Blender's module need not end in order


if __name__ == "__main__":
    main()
