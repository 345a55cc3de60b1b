# SPDX-License-Identifier: GPL-3.0-or-later
"""What `igllm generate` says to a wrong command line: one sentence, exit status 2, nothing touched. No Blender starts here."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from igllm_addon.core.errors import UsageError
from igllm_addon.render_templates.clevr.sample import ClevrOptions
from igllm_addon.render_templates.generate import main
from igllm_addon.render_templates.manifest import check_same_blender, new_manifest, read_manifest_or_none
from igllm_addon.render_templates.progress import Progress, clock_text
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.run_options import BlenderBuild, RunOptions, difference_or_none, run_from_json, run_to_json

RUN = RunOptions("clevr", "train", 1, 0, "webdataset", 100, ("depth",), RenderOptions(240, 180, samples=6), ClevrOptions())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--count", "0"], "Argument --count: expected a whole number of at least 1, got '0'"),
        (["--count", "-3"], "Argument --count: expected a whole number of at least 1, got '-3'"),
        (["--count", "many"], "Argument --count: expected a whole number of at least 1, got 'many'"),
        (["--count", "1.5"], "Argument --count: expected a whole number of at least 1, got '1.5'"),
        (["--count", "5", "--workers", "0"], "Argument --workers: expected a whole number of at least 1, got '0'"),
        (["--count", "5", "--seed", "-1"], "Argument --seed: expected a whole number of at least 0, got '-1'"),
        (["--count", "5", "--engine", "luxrender"], "There is no engine 'luxrender'; choose one of cycles, eevee, workbench"),
        (["--count", "5", "--layout", "coco"], "There is no layout 'coco'; choose one of webdataset, igllm"),
        (["--count", "5", "--passes", "depth,flow"], "There is no pass 'flow'; choose some of instances, depth, normal"),
        (
            ["--count", "5", "--condition", "cogent_c"],
            "CLEVR has no condition 'cogent_c'; choose one of full, cogent_a, cogent_b",
        ),
        (["--count", "5", "--camera", "handheld"], "CLEVR has no camera 'handheld'; choose one of jittered, fixed, mixed"),
        (["--count", "5", "--width", "8"], "A picture needs at least 16 x 16 pixels, got 8 x 240"),
        (["--count", "5", "--split", "images"], "A split is named by letters, digits, '-' and '_'"),
        (["--count", "5", "--split", "../up"], "A split is named by letters, digits, '-' and '_'"),
        (["--count", "5", "--colour", "red"], "Unrecognized arguments: --colour red; igllm generate --help lists the options"),
        ([], "The following arguments are required: --count"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["clevr", "--seed", "1", "--out", str(tmp_path / "data"), *arguments])

    said = capsys.readouterr()
    assert status == 2
    assert said.err.startswith("igllm generate: " + sentence)
    assert said.err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_an_unknown_template_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["kitchen", "--count", "5", "--seed", "1", "--out", str(tmp_path)])

    assert status == 2
    assert (
        capsys.readouterr().err == "igllm generate: There is no template 'kitchen'; choose one of clevr, so3, sixdof, shapenet.\n"
    )


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bpy", reason="needs the bpy wheel to get as far as the folder")
    (tmp_path / "file").write_bytes(b"kept")

    status = main(["clevr", "--count", "5", "--seed", "1", "--out", str(tmp_path / "file")])

    assert status == 2
    assert "Cannot write into" in capsys.readouterr().err
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_python_without_blender_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    status = main(["clevr", "--count", "5", "--seed", "1", "--out", str(tmp_path / "data")])

    assert status == 2
    assert "has no Blender: install the bpy wheel there (pip install bpy), or run blender" in capsys.readouterr().err


def test_run_options_survive_json() -> None:
    assert run_from_json(run_to_json(RUN)) == RUN


def test_runs_differ_in_what_decides_their_samples() -> None:
    there = run_to_json(RUN)

    assert difference_or_none(there, RUN) is None
    assert difference_or_none(there | {"samples": 8}, RUN) == "samples 8 instead of 6"
    assert difference_or_none(there | {"options": {"camera": "fixed"}}, RUN) == (
        "camera 'fixed' instead of 'jittered', no condition, no aspect"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"format": "igllm-dataset", "version": 1}'])
def test_something_else_than_a_manifest_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(UsageError, match=r"manifest\.json is no manifest of a data set"):
        read_manifest_or_none(tmp_path / "manifest.json")


def test_a_manifest_of_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": "igllm-dataset", "version": 2}')

    with pytest.raises(UsageError, match="is of the format 'igllm-dataset' 2, this is 'igllm-dataset' 1"):
        read_manifest_or_none(tmp_path / "manifest.json")


def test_progress_shows_share_rate_and_time_left() -> None:
    now = [0.0]
    progress = Progress("train", total=100, already=20, stream=io.StringIO(), clock=lambda: now[0])

    for _ in range(25):
        progress.step()
    now[0] = 10.0

    assert progress.line() == "train  45%|###########             | 45/100  2.50 images/s, 0:22 left"


def test_progress_writes_a_line_now_and_then_where_there_is_no_terminal() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = Progress("train", total=30, already=0, stream=stream, clock=lambda: now[0])

    for second in range(30):
        now[0] = float(second)
        progress.step()

    assert [line.split("|")[2].split()[0] for line in stream.getvalue().splitlines()] == ["11/30", "21/30", "30/30"]


def test_progress_redraws_one_line_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress("train", total=2, already=0, stream=stream, clock=lambda: 0.0)

    progress.show()
    progress.close()

    assert stream.getvalue() == "\r\x1b[Ktrain   0%|                        | 0/2\n"


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0:00"), (65.2, "1:05"), (7265.0, "2:01:05")])
def test_time_left_is_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])

    said = capsys.readouterr().out
    assert stopped.value.code == 0
    options = (
        "--count --seed --out --split --start --workers --engine --samples --no-denoise --width --height --layout --shard-size"
    )
    assert [option for option in [*options.split(), "--passes", "--condition", "--camera"] if option not in said] == []


def test_a_blender_without_a_denoiser_may_not_continue_denoised_pictures() -> None:
    manifest = new_manifest(RUN, BlenderBuild("4.3.2", denoises=True), 5)

    with pytest.raises(UsageError, match=r"was made by Blender 4\.3\.2, and this is Blender 4\.3\.2 without denoising"):
        check_same_blender(Path("data/train/manifest.json"), manifest, BlenderBuild("4.3.2", denoises=False))
