# SPDX-License-Identifier: GPL-3.0-or-later
"""The igllm command as a user calls it: exit status, one sentence on stderr, nothing but the answer on stdout."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CUBE = "add(color='red', size='large', material='rubber', shape='cube', loc=(1.0, -2.0, 0.7), rotation=0.25)\n"


def igllm(*arguments: object, cwd: Path | None = None, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from igllm_addon.cli import main; sys.exit(main())"
    command = [sys.executable, *python, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def picture(path: Path, color: str = "gray", size: tuple[int, int] = (64, 48)) -> Path:
    Image.new("RGB", size, color).save(path)
    return path


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((300, 200), 90).save(buffer, "JPEG")
    return buffer.getvalue()


def test_help_lists_the_verbs_and_needs_nothing_but_python() -> None:
    result = igllm("--help", python=("-I", "-S"))

    assert (result.returncode, result.stderr) == (0, "")
    for verb in ("derender", "generate", "train", "infer", "evaluate", "render", "compare", "serve", "models", "doctor"):
        assert f"\n  {verb} " in result.stdout


@pytest.mark.parametrize("verb", ["derender", "render", "compare", "serve", "models", "doctor"])
def test_each_verb_explains_itself_without_a_package(verb: str) -> None:
    result = igllm(verb, "--help", python=("-I", "-S"))

    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: igllm {verb} ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["derendr"], "igllm: There is no verb 'derendr'; did you mean 'derender'?"),
        (["xyz"], "igllm: There is no verb 'xyz'; choose one of derender, "),
        (["derender"], "igllm derender: The following arguments are required: IMAGE"),
        (
            ["derender", "a.png", "--samples", "many"],
            "igllm derender: Argument --samples: expected a whole number of at least 1, got 'many'",
        ),
        (["compare", "a.png", "b.png"], "igllm compare: The following arguments are required: --out"),
        (["compare", "missing.png", "b.png", "--out", "page.png"], "igllm compare: missing.png cannot be read (No such file"),
        (["derender", "missing.png"], "igllm derender: missing.png cannot be read (No such file"),
        (["derender", "."], "igllm derender: . is not a file"),
        (["derender", "words.png"], "igllm derender: words.png is not a picture"),
        (["derender", "cut.jpg"], "igllm derender: cut.jpg is a damaged picture"),
        (["derender", "huge.png"], "igllm derender: huge.png has more than 170 million pixels"),
        (["derender", "good.png", "--model", "gpt"], "igllm derender: There is no model 'gpt'"),
        (
            ["derender", "good.png", "--model", "empty"],
            "igllm derender: The model folder empty lacks config.json and model.safetensors",
        ),
        (["serve", "--port", "80"], "igllm serve: Argument --port: expected a port between 1024 and 65535, got '80'"),
        (["serve", "--model", "gpt"], "igllm serve: There is no model 'gpt'"),
        (["render", "missing.py", "--out", "out"], "igllm render: missing.py cannot be read"),
        (
            ["render", "words.png", "--out", "out"],
            "igllm render: words.png is not graphics code of the template 'clevr': line 1, column 1",
        ),
        (["render", "code.py", "--out", "out", "--template", "moon"], "igllm render: There is no template 'moon'"),
        (["render", "code.py", "--out", "out", "--engine", "luxcore"], "igllm render: There is no engine 'luxcore'"),
        (["render", "code.py", "--out", "out", "--width", "4"], "igllm render: A picture needs at least 16 x 16 pixels"),
        (["render", "other.json", "--out", "out"], "igllm render: other.json belongs to the template 'moon'"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    picture(tmp_path / "good.png")
    (tmp_path / "words.png").write_text("Dear diary,")
    (tmp_path / "cut.jpg").write_bytes(jpeg_bytes()[:4000])
    (tmp_path / "code.py").write_text(CUBE)
    (tmp_path / "other.json").write_text('{"template": "moon", "scene": {"objects": [], "camera": null, "lights": []}}')
    (tmp_path / "empty").mkdir()
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    before = sorted(tmp_path.iterdir())

    result = igllm(*arguments, cwd=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert len(result.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_no_verb_shows_the_verbs_and_fails() -> None:
    result = igllm()

    assert result.returncode == 2
    assert "derender" in result.stdout


def test_a_missing_package_is_a_sentence() -> None:
    result = igllm("compare", "a.png", "b.png", "--out", "page.png", python=("-I", "-S"))

    assert result.returncode == 1
    assert "this Python has no numpy; `igllm doctor` says how to install it" in result.stderr


def test_compare_writes_the_page_and_prints_the_figures(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png", "black"), picture(tmp_path / "b.png", "white", (32, 24))

    result = igllm("compare", first, second, "--out", tmp_path / "pages" / "page.png")

    figures = json.loads(result.stdout)
    assert result.returncode == 0
    assert (figures["psnr_db"], figures["size_px"]) == (0.0, [64, 48])
    assert "b.png" in figures["resized"]
    with Image.open(tmp_path / "pages" / "page.png") as page:
        assert page.width >= 1400
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["page.png"]


def test_compare_of_identical_pictures_prints_no_psnr(tmp_path: Path) -> None:
    result = igllm("compare", picture(tmp_path / "a.png"), picture(tmp_path / "b.png"), "--out", tmp_path / "page.png")

    figures = json.loads(result.stdout)
    assert (figures["psnr_db"], figures["ssim"], figures["identical"]) == (None, 1.0, True)


def test_compare_does_not_write_over_a_folder(tmp_path: Path) -> None:
    result = igllm("compare", picture(tmp_path / "a.png"), picture(tmp_path / "b.png"), "--out", tmp_path)

    assert result.returncode == 2
    assert "is a folder; name the file of the page" in result.stderr


def test_an_output_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = igllm("compare", picture(tmp_path / "a.png"), picture(tmp_path / "b.png"), "--out", tmp_path / "file" / "page.png")

    assert result.returncode == 2
    assert "cannot be written" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_python_m_igllm_addon_is_the_same_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "igllm_addon", "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert result.returncode == 0
    assert result.stdout.startswith("usage: igllm VERB")


@pytest.mark.parametrize("verb", [["derender", "{picture}"], ["infer", "--images", "{folder}", "--out", "{folder}/a.json"]])
def test_a_model_that_does_not_exist_is_unusable_input(verb: list[str], tmp_path: Path) -> None:
    path = picture(tmp_path / "picture.png")
    arguments = [word.format(picture=path, folder=tmp_path) for word in verb]

    ended = igllm(*arguments, "--model", "nope")

    assert ended.returncode == 2
    assert "There is no model 'nope'; name one of clevr-small" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
