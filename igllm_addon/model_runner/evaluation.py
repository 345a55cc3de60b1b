# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm evaluate`: answers, as `igllm infer` writes them (infer_command.py), against labels.

Labels and pictures of the 2D experiment are its 2d.npz, or one array of it (dot_layout.py). A data set of meshes brings its
vocabulary.json and meshes.npz along, in the folder of its shards.

Answers are IG-LLM's file, {"model_path", "model_base", "model_name", "answers": {file name: {"outputs": program}}}, with the
"confidences" of each program's objects beside its outputs. Labels are our shards (a tar, or a folder of tars), or IG-LLM's
JSON: a list of scenes, or {"scenes": [...]}, each with "image_filename" and "objects".
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.command_line import SentenceParser
from ..core.errors import SceneError, UsageError, WeightsError
from ..core.graphics_code import parse
from ..core.scene import SceneObject
from ..core.vocabulary import CLEVR, VOCABULARIES, Vocabulary
from ..core.vocabulary_json import vocabulary_from_json
from .data import read_samples, shards_in
from .dot_layout import dot_labels, is_dots
from .metrics import PictureScore, Report, report, score_picture
from .pose_metrics import POINTS_NAME, MeshPoints, load_points, pose_lines
from .reliability import Reliability
from .shipped import model_directory

VOCABULARY_NAME = "vocabulary.json"  # beside the shards of a data set whose words are its own
FRAMES = {"canonical": ("3d_coords_canonical", "yaw_radians_canonical"), "world": ("3d_coords", "yaw_radians")}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """frames: frame -> figures in it, for each frame that the labels have. unanswered: labelled pictures without an answer,
    which count as empty programs; parse_failures: programs that broke off, of which the valid prefix counts."""

    frames: dict[str, Report]
    unanswered: int
    parse_failures: int


def read_labels(source: Path) -> dict[str, list[dict[str, Any]]]:
    """file name -> labelled objects."""
    if is_dots(source):
        return dot_labels(source)
    if source.suffix == ".json":
        try:
            value = json.loads(source.read_text(encoding="utf-8"))
            scenes = value["scenes"] if isinstance(value, dict) else value
            return {PurePosixPath(scene["image_filename"]).name: scene["objects"] for scene in scenes}
        except (OSError, json.JSONDecodeError, KeyError, TypeError) as caught:
            raise UsageError(f"{source} is no file of labelled scenes ({caught}).") from caught
    shards = shards_in(source) if source.is_dir() else [source]
    return {f"{key}.png": label["objects"] for shard in shards for key, _, label in read_samples(shard)}


def evaluate(
    labels: dict[str, list[dict[str, Any]]],
    answers: dict[str, Any],
    vocabulary: Vocabulary,
    points: MeshPoints | None = None,
) -> Evaluation:
    """Programs against labels, matched by file name, in each frame that the labels have. points: of the meshes, if there are."""
    by_name = {PurePosixPath(name).name: entry for name, entry in answers["answers"].items()}
    parsed = {name: parse(by_name[name]["outputs"] if name in by_name else "", vocabulary) for name in labels}
    confidences = {name: _confidences_or_none(name, by_name.get(name, {}), len(parsed[name].scene.objects)) for name in labels}
    frames = [frame for frame, (key, _) in FRAMES.items() if all(key in item for objects in labels.values() for item in objects)]
    if vocabulary.rotation_length >= 3:
        frames = ["world"]  # under a fixed camera there is no other
    scores: dict[str, list[PictureScore]] = {
        frame: [
            score_picture([labelled_object(item, frame) for item in objects], parsed[name].scene.objects, confidences[name])
            for name, objects in labels.items()
        ]
        for frame in frames
    }
    return Evaluation(
        frames={frame: report(entries, vocabulary, points) for frame, entries in scores.items()},
        unanswered=sum(name not in by_name for name in labels),
        parse_failures=sum(result.error is not None for result in parsed.values()),
    )


def _confidences_or_none(name: str, entry: dict[str, Any], statements: int) -> list[float] | None:
    """The confidences of an answer's statements; None where it has none. A program that broke off has more than it needs."""
    if (given := entry.get("confidences")) is None:
        return None
    if not isinstance(given, list) or not all(isinstance(value, int | float) and 0.0 <= value <= 1.0 for value in given):
        raise UsageError(f"The confidences of {name} must be a list of numbers from 0 to 1; make the answers with `igllm infer`.")
    if len(given) < statements:
        raise UsageError(
            f"{name} has {len(given)} confidences for {statements} statements, expected one for each;"
            " make the answers with `igllm infer`, or leave the confidences out."
        )
    return [float(value) for value in given[:statements]]


def labelled_object(item: dict[str, Any], frame: str) -> SceneObject:
    """An object of a label in the frame "canonical" or "world"."""
    location_key, yaw_key = FRAMES[frame]
    x, y, z = item[location_key]
    try:
        found = SceneObject(item.get("shape"), item.get("size"), item.get("color"), item.get("material"), (x, y, z))
        if isinstance(item.get("rotation"), list):  # three or six numbers; a yaw has a key of its own
            return replace(found, rotation=tuple(float(number) for number in item["rotation"]))
        return replace(found, rotation=(item[yaw_key],)) if yaw_key in item else found
    except SceneError as caught:
        raise UsageError(f"A label holds an object that no scene can hold: {caught}.") from caught


def table(evaluation: Evaluation) -> str:
    """The figures for people, one line each."""
    lines = []
    for frame, figures in evaluation.frames.items():
        lines.append(f"{frame} frame: {figures.pictures} pictures, {figures.objects} objects, {figures.pairs} matched pairs")
        lines.append(f"  L2 mean {figures.l2_mean_m:.3f}  median {figures.l2_median_m:.3f}  per picture {figures.l2_igllm_m:.3f}")
        lines.append("  " + "  ".join(f"{name} {100 * share:.1f} %" for name, share in figures.word_accuracy.items()))
        lines.append(f"  count exact {100 * figures.count_exact:.1f} %  within one {100 * figures.count_within_one:.1f} %")
        lines.append(
            f"  exact scenes {100 * figures.exact_scenes:.1f} %  cube yaw median {figures.yaw_median_degrees:.2f} degrees"
        )
        if figures.poses is not None:
            lines[-1] = f"  exact scenes {100 * figures.exact_scenes:.1f} %"
            lines += pose_lines(figures.poses)
        lines.append("  AP, nearer than (m): " + _percentages(figures.average_precision))
        lines.append("  F1, words ignored, within (m): " + _percentages(figures.f1_words_ignored))
        lines.append("  F1, words required, within (m): " + _percentages(figures.f1_words_required))
        lines.append(_reliability_line(figures.reliability))
    lines.append(f"parse failures {evaluation.parse_failures}, pictures without an answer {evaluation.unanswered}")
    return "\n".join(lines)


def _percentages(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {100 * value:.1f} %" for name, value in figures.items())


def _reliability_line(figures: Reliability) -> str:
    if not figures.statements:
        return "  confidence: the answers have none; AP took the statements in their order"
    return (
        f"  confidence of {figures.statements} statements: mean {figures.mean_confidence:.3f}  right {figures.right_share:.3f}"
        f"  calibration error {figures.calibration_error:.3f}  AUROC {figures.auroc:.3f}"
    )


def main_evaluate(argv: list[str] | None = None) -> int:
    """`igllm evaluate`."""
    parser = SentenceParser(prog="igllm evaluate", description="Compare a model's answers with labels.")
    parser.add_argument("--labels", type=Path, required=True, help="IG-LLM's JSON, a tar shard, or a folder of tar shards")
    parser.add_argument("--predictions", type=Path, required=True, help="what `igllm infer` wrote")
    parser.add_argument(
        "--template",
        choices=sorted(VOCABULARIES),
        help="whose words answers may use (default: those of the vocabulary.json beside the labels, else clevr)",
    )
    parser.add_argument("--baselines", type=Path, metavar="TRAIN", help="also measure what needs no learning, from these shards")
    parser.add_argument("--model", help="with --baselines: in whose tower the nearest training picture is looked for")
    parser.add_argument("--json", type=Path, help="write the same figures as JSON here")
    options = parser.parse_args(argv)
    try:
        answers = json.loads(options.predictions.read_text(encoding="utf-8"))
        vocabulary, points = _vocabulary(options.labels, options.template), load_points(options.labels / POINTS_NAME)
        evaluation = evaluate(read_labels(options.labels), answers, vocabulary, points)
    except (OSError, json.JSONDecodeError, KeyError, AttributeError) as caught:
        raise UsageError(f"{options.predictions} is no answers file ({caught}); make one with `igllm infer`.") from caught
    print(table(evaluation))
    baselines = _baselines(options, vocabulary, points)
    if options.json is not None:
        frames = {frame: figures.to_json() for frame, figures in evaluation.frames.items()}
        value: dict[str, Any] = {
            "frames": frames,
            "unanswered": evaluation.unanswered,
            "parse_failures": evaluation.parse_failures,
        }
        if baselines:
            value["baselines"] = {name: figures.to_json() for name, figures in baselines.items()}
        options.json.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return 0


def _vocabulary(labels: Path, template: str | None) -> Vocabulary:
    """The words that answers may use."""
    beside = (labels if labels.is_dir() else labels.parent) / VOCABULARY_NAME
    if template is None and is_dots(labels):
        return VOCABULARIES["dots2d"]
    if template is not None or not beside.is_file():
        return VOCABULARIES[template] if template is not None else CLEVR
    try:
        return vocabulary_from_json(json.loads(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError, SceneError) as caught:
        raise UsageError(f"{beside} is no vocabulary ({caught}); generate the data again, or give --template.") from caught


def _baselines(options: argparse.Namespace, vocabulary: Vocabulary, points: MeshPoints) -> dict[str, Report]:
    """What `--baselines` asks for, printed as well."""
    if options.baselines is None:
        return {}
    if options.model is None:
        raise WeightsError("--baselines needs a --model, in whose tower the nearest training picture is looked for")
    from .baselines import baseline_reports
    from .checkpoint import load_checkpoint

    model = load_checkpoint(model_directory(options.model))
    found = baseline_reports(model, options.labels, options.baselines, vocabulary, points)
    for name, figures in found.items():
        print(f"baseline {name}:")
        print(table(Evaluation({"world": figures}, 0, 0)))
    return found
