# SPDX-License-Identifier: GPL-3.0-or-later
"""From a model's answer to Blender files, with a runner that plays the model: what is in each file, and all or none of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")

from PIL import Image  # noqa: E402  (bpy must be known to exist first)

from igllm_addon import cli  # noqa: E402
from igllm_addon.bridge.launch import runner_command  # noqa: E402
from igllm_addon.core.errors import RunnerError, UsageError  # noqa: E402
from igllm_addon.core.graphics_code import parse  # noqa: E402
from igllm_addon.core.vocabulary import CLEVR  # noqa: E402
from igllm_addon.derender import Derendered, derender, render_size_px  # noqa: E402
from igllm_addon.model_runner.pictures import picture_from_bytes  # noqa: E402
from igllm_addon.render_templates.template import template_named  # noqa: E402
from igllm_addon.scene_documents import read_scene_document  # noqa: E402
from igllm_addon.source import Source  # noqa: E402

RESULT = ["code.py", "comparison.png", "render.png", "scene.blend", "scene.json"]


def derendered(path: Path, folder: Path, mode: str = "success") -> Derendered:
    source = Source(path.name, path.read_bytes(), picture_from_bytes(path.read_bytes(), path.name))
    return derender(
        source,
        folder,
        model="fake",
        template=template_named("clevr"),
        samples=2,
        runner=runner_command(["--fake", mode]),
        report=lambda stage, fraction: None,
    )


def test_a_model_that_hangs_is_ended_after_the_stated_patience_and_leaves_no_files(tmp_path: Path) -> None:
    path = picture(tmp_path / "photo.png")
    source = Source(path.name, path.read_bytes(), picture_from_bytes(path.read_bytes(), path.name))

    with pytest.raises(RunnerError, match="said nothing for 2 seconds and was ended"):
        derender(
            source,
            tmp_path / "out",
            model="fake",
            template=template_named("clevr"),
            samples=2,
            runner=runner_command(["--fake", "hang"]),
            report=lambda stage, fraction: None,
            patience_s=2.0,
        )

    assert not (tmp_path / "out").exists()


def picture(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    Image.new("RGB", size, (120, 110, 100)).save(path)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_files_are_written_and_say_the_same(tmp_path: Path) -> None:
    result = derendered(picture(tmp_path / "photo.png"), tmp_path / "out")

    code = (tmp_path / "out" / "code.py").read_text()
    document = json.loads((tmp_path / "out" / "scene.json").read_text())
    assert names_in(tmp_path / "out") == RESULT
    assert code == result.prediction.code
    assert read_scene_document(tmp_path / "out" / "scene.json", CLEVR).scene == result.scene
    assert parse(code, CLEVR).scene.objects == result.scene.objects
    assert (document["source"], document["model"], document["confidences"]) == ("photo.png", "fake", [0.99, 0.9, 0.75])
    assert document["comparison"] == result.comparison.to_json()
    with Image.open(tmp_path / "out" / "render.png") as render, Image.open(tmp_path / "out" / "comparison.png") as page:
        assert (render.size, render.mode, page.width) == ((64, 48), "RGB", 1600)


def test_the_blender_file_opens_as_the_scene_behind_its_picture(tmp_path: Path) -> None:
    result = derendered(picture(tmp_path / "holiday.png"), tmp_path / "out")
    (tmp_path / "holiday.png").unlink()

    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / "scene.blend"))

    (collection,) = bpy.context.scene.collection.children
    camera = bpy.context.scene.camera
    (background,) = camera.data.background_images
    shown = template_named("clevr").blender_side().read_scene(collection)
    assert collection.name == "De-rendered holiday"
    assert collection.objects.get(camera.name) is not None
    assert camera.data.show_background_images
    assert background.image.packed_file is not None
    assert (tuple(background.image.size), background.image.name) == ((64, 48), "holiday.png")
    assert {(item.shape, item.color) for item in shown.objects} == {(item.shape, item.color) for item in result.scene.objects}
    assert bpy.context.scene.render.filepath == "//render.png"
    assert str(tmp_path) not in background.image.filepath


def test_a_picture_taken_on_its_side_is_shown_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise is due
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.jpg", exif=exif)

    derendered(tmp_path / "photo.jpg", tmp_path / "out")

    with Image.open(tmp_path / "out" / "render.png") as render:
        assert render.size == (48, 64)


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_pictures_of_other_kinds_go_all_the_way(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (40, 30)).save(tmp_path / "photo.png")

    derendered(tmp_path / "photo.png", tmp_path / "out")

    assert names_in(tmp_path / "out") == RESULT


@pytest.mark.parametrize("mode", ["crash", "garbage", "out-of-memory", "wrong-version"])
def test_a_failing_runner_leaves_older_results_as_they_were(tmp_path: Path, mode: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "code.py").write_text("old")

    with pytest.raises(RunnerError):
        derendered(picture(tmp_path / "photo.png"), tmp_path / "out", mode)

    assert names_in(tmp_path / "out") == ["code.py"]
    assert (tmp_path / "out" / "code.py").read_text() == "old"


def test_a_newer_result_replaces_an_older_one_whole(tmp_path: Path) -> None:
    derendered(picture(tmp_path / "photo.png"), tmp_path / "out")
    derendered(picture(tmp_path / "photo.png", (48, 64)), tmp_path / "out")

    with Image.open(tmp_path / "out" / "render.png") as render:
        assert render.size == (48, 64)
    assert names_in(tmp_path / "out") == RESULT


@pytest.mark.parametrize(
    ("picture_size", "render_size"),
    [
        ((320, 240), (320, 240)),
        ((640, 480), (640, 480)),
        ((4000, 3000), (640, 480)),
        ((3000, 4000), (480, 640)),
        ((8, 6), (16, 16)),
        ((9000, 10), (640, 16)),
    ],
)
def test_the_render_has_the_pictures_shape_and_neither_side_above_640(
    picture_size: tuple[int, int], render_size: tuple[int, int]
) -> None:
    assert render_size_px(picture_size) == render_size


def test_render_shows_graphics_code_that_names_neither_camera_nor_lights(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = tmp_path / "code.py"
    code.write_text("add(color='red', size='large', material='rubber', shape='cube', loc=(0, 0, 0.7), rotation=0.5)\n")

    status = cli.main(["render", str(code), "--out", str(tmp_path / "out"), "--width", "64", "--height", "48", "--samples", "2"])

    assert status == 0
    assert capfd.readouterr().out == f"1 object of {code} in {tmp_path / 'out'}\n"
    assert names_in(tmp_path / "out") == ["render.png", "scene.blend", "scene.json"]
    with Image.open(tmp_path / "out" / "render.png") as render:
        red, green, blue = render.getpixel((32, 24))
    assert red > 1.5 * green and red > 1.5 * blue


def test_render_of_a_scene_json_gives_the_same_picture_again(tmp_path: Path) -> None:
    derendered(picture(tmp_path / "photo.png"), tmp_path / "first")

    status = cli.main(["render", str(tmp_path / "first" / "scene.json"), "--out", str(tmp_path / "second"), "--samples", "2"])

    assert status == 0
    assert (tmp_path / "first" / "render.png").read_bytes() == (tmp_path / "second" / "render.png").read_bytes()


def test_a_picture_that_the_model_refuses_is_named(tmp_path: Path) -> None:
    path = picture(tmp_path / "photo.png")
    source = Source("photo.png", b"no picture any more", picture_from_bytes(path.read_bytes(), "photo.png"))

    with pytest.raises(UsageError, match=r"photo\.png: The picture is not a picture"):
        derender(
            source,
            tmp_path / "out",
            model="fake",
            template=template_named("clevr"),
            samples=2,
            runner=runner_command(["--fake", "success"]),
            report=lambda stage, fraction: None,
        )
