# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers files and their evaluation, from the files' side."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tiny_models import tiny_model

from igllm_addon.core.errors import UsageError
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.vocabulary import CLEVR, Vocabulary
from igllm_addon.model_runner.checkpoint import save_checkpoint
from igllm_addon.model_runner.evaluation import main_evaluate
from igllm_addon.model_runner.infer_command import NamedPicture, Program, main_infer, pictures_in

LABEL = {
    "shape": "cube",
    "size": "large",
    "color": "red",
    "material": "metal",
    "3d_coords": [1.0, 1.0, 0.7],
    "3d_coords_canonical": [1.0, 0.0, 0.7],
    "yaw_radians": 0.3,
    "yaw_radians_canonical": 0.2,
    "pixel_coords": [120.0, 90.0, 11.0],
}
CODE = "add(color='red', size='large', material='metal', shape='cube', loc=(1.0, 0.0, 0.7), rotation=0.2)\n"


def _write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def _png(gray: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (gray, gray, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def test_both_frames_are_evaluated_where_the_labels_have_both(tmp_path: Path) -> None:
    labels = _write(tmp_path / "labels.json", {"scenes": [{"image_filename": "a.png", "objects": [LABEL]}]})
    answers = _write(tmp_path / "answers.json", {"answers": {"images/a.png": {"outputs": CODE}}})

    assert main_evaluate(["--labels", str(labels), "--predictions", str(answers), "--json", str(tmp_path / "report.json")]) == 0

    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["frames"]["canonical"]["l2_mean_m"] == pytest.approx(0.0)
    assert figures["frames"]["world"]["l2_mean_m"] == pytest.approx(1.0)
    assert figures["frames"]["world"]["yaw_median_degrees"] == pytest.approx(5.7296, abs=1e-3)
    assert (figures["parse_failures"], figures["unanswered"]) == (0, 0)


def test_labels_without_a_canonical_frame_are_evaluated_in_the_world_frame(tmp_path: Path) -> None:
    official = {key: value for key, value in LABEL.items() if not key.endswith("_canonical")}
    labels = _write(tmp_path / "labels.json", [{"image_filename": "a.png", "objects": [official]}])
    answers = _write(tmp_path / "answers.json", {"answers": {"a.png": {"outputs": CODE}}})

    main_evaluate(["--labels", str(labels), "--predictions", str(answers), "--json", str(tmp_path / "report.json")])

    assert list(json.loads((tmp_path / "report.json").read_text())["frames"]) == ["world"]


def test_broken_and_missing_answers_are_counted(tmp_path: Path) -> None:
    scenes = [{"image_filename": f"{name}.png", "objects": [LABEL]} for name in "abc"]
    labels = _write(tmp_path / "labels.json", scenes)
    answers = {"a.png": {"outputs": CODE}, "b.png": {"outputs": CODE + "add(color='re"}}
    predictions = _write(tmp_path / "answers.json", {"answers": answers})

    main_evaluate(["--labels", str(labels), "--predictions", str(predictions), "--json", str(tmp_path / "report.json")])

    figures = json.loads((tmp_path / "report.json").read_text())
    assert (figures["parse_failures"], figures["unanswered"]) == (1, 1)
    assert figures["frames"]["canonical"]["count_exact"] == pytest.approx(2.0 / 3.0)


def test_confidences_rank_the_statements_in_both_frames(tmp_path: Path) -> None:
    labels = _write(tmp_path / "labels.json", [{"image_filename": "a.png", "objects": [LABEL]}])
    outputs = CODE.replace("loc=(1.0, 0.0", "loc=(1.0, 0.9") + CODE
    answers = _write(tmp_path / "answers.json", {"answers": {"a.png": {"outputs": outputs, "confidences": [0.2, 0.8]}}})

    main_evaluate(["--labels", str(labels), "--predictions", str(answers), "--json", str(tmp_path / "report.json")])

    frames = json.loads((tmp_path / "report.json").read_text())["frames"]
    # The second statement comes first: exact in the canonical frame, 1.0 off in the world frame, where the other is 0.1 off.
    assert frames["canonical"]["average_precision"] == {
        "inf": 1.0,
        "1": 1.0,
        "0.5": 1.0,
        "0.25": 1.0,
        "0.125": 1.0,
        "0.0625": 1.0,
    }
    assert frames["world"]["average_precision"] == {"inf": 1.0, "1": 0.0, "0.5": 0.0, "0.25": 0.0, "0.125": 0.0, "0.0625": 0.0}
    assert frames["canonical"]["f1_words_required"]["0.125"] == pytest.approx(2.0 / 3.0)
    assert frames["world"]["f1_words_required"]["0.125"] == pytest.approx(2.0 / 3.0)
    assert frames["canonical"]["reliability"]["auroc"] == 1.0
    assert frames["world"]["reliability"]["auroc"] == 0.0


def test_without_confidences_the_first_statement_ranks_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = _write(tmp_path / "labels.json", [{"image_filename": "a.png", "objects": [LABEL]}])
    outputs = CODE.replace("loc=(1.0, 0.0", "loc=(1.0, 0.9") + CODE
    answers = _write(tmp_path / "answers.json", {"answers": {"a.png": {"outputs": outputs}}})

    main_evaluate(["--labels", str(labels), "--predictions", str(answers)])

    lines = capsys.readouterr().out.splitlines()
    assert "  AP, nearer than (m): inf 100.0 %  1 100.0 %  0.5 0.0 %  0.25 0.0 %  0.125 0.0 %  0.0625 0.0 %" in lines
    assert "  F1, words required, within (m): 0.5 66.7 %  0.25 66.7 %  0.125 66.7 %  0.0625 66.7 %" in lines
    assert "  confidence: the answers have none; AP took the statements in their order" in lines


def test_a_program_that_broke_off_has_more_confidences_than_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = _write(tmp_path / "labels.json", [{"image_filename": "a.png", "objects": [LABEL]}])
    answer = {"outputs": CODE + "add(color='re", "confidences": [0.75, 0.5]}
    answers = _write(tmp_path / "answers.json", {"answers": {"a.png": answer}})

    main_evaluate(["--labels", str(labels), "--predictions", str(answers)])

    line = "  confidence of 1 statements: mean 0.750  right 1.000  calibration error 0.250  AUROC nan"
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("confidences", "sentence"),
    [
        ([], r"a\.png has 0 confidences for 1 statements"),
        ([1.5], r"confidences of a\.png must be a list of numbers from 0 to 1"),
        (["high"], r"confidences of a\.png must be a list of numbers from 0 to 1"),
        ({"0": 0.5}, r"confidences of a\.png must be a list of numbers from 0 to 1"),
    ],
)
def test_confidences_that_are_none_are_refused(tmp_path: Path, confidences: object, sentence: str) -> None:
    labels = _write(tmp_path / "labels.json", [{"image_filename": "a.png", "objects": [LABEL]}])
    answers = _write(tmp_path / "answers.json", {"answers": {"a.png": {"outputs": CODE, "confidences": confidences}}})

    with pytest.raises(UsageError, match=sentence):
        main_evaluate(["--labels", str(labels), "--predictions", str(answers)])


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    labels = _write(tmp_path / "labels.json", [])
    answers = _write(tmp_path / "answers.json", {"replies": []})

    with pytest.raises(UsageError, match=r"answers\.json is no answers file"):
        main_evaluate(["--labels", str(labels), "--predictions", str(answers)])


def _nobody(pictures: Iterator[NamedPicture], model: str, vocabulary: Vocabulary) -> Iterator[Program]:
    raise AssertionError("no runner is to be asked without --connect")


def test_infer_answers_every_picture_of_a_tar(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "tiny", tiny_model(5))
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        for index in range(3):
            member = tarfile.TarInfo(f"images/{index}.png")
            member.size = len(_png(index))
            archive.addfile(member, io.BytesIO(_png(index)))

    arguments = ["--model", str(tmp_path / "tiny"), "--images", str(tmp_path / "images.tar"), "--out", str(tmp_path / "a.json")]
    main_infer(arguments, _nobody)

    value = json.loads((tmp_path / "a.json").read_text())
    assert sorted(value) == ["answers", "model_base", "model_name", "model_path"]
    assert sorted(value["answers"]) == ["0.png", "1.png", "2.png"]
    scenes = [parse(entry["outputs"], CLEVR).scene for entry in value["answers"].values()]
    assert [len(entry["confidences"]) for entry in value["answers"].values()] == [len(scene.objects) for scene in scenes]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no tar shards"):
        list(pictures_in(tmp_path))


def test_answers_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UsageError, match="cannot be written"):
        main_infer(["--images", str(tmp_path), "--out", str(tmp_path / "file" / "answers.json")], _nobody)
