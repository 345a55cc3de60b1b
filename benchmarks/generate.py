# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast CLEVR pictures are made, and how good they are, against the classic procedure, all in one run.

The classic procedure is that of clevr-dataset-gen (image_generation/render_images.py): for every picture the base scene is opened
again, the objects are placed, a flat picture decides whether all are visible, and 512 samples are rendered without a denoiser.
It runs here with this project's own scene, so that only the procedure differs. Quality is PSNR against 4096 samples of the same
scene. Every setting renders every scene in turn, so a machine that slows down slows all of them; ratios are medians over scenes.

    python benchmarks/generate.py [--scenes 3] [--out benchmarks/results] [--width 240 --height 160]

Reference pictures are kept in --out and reused by a later run; timings never are.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from generate_report import REFERENCE_SAMPLES, TRAINING_SAMPLES, Point, Setting, plot, report_of
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from igllm_addon.core.scene import Scene
from igllm_addon.render_templates.clevr.sample import ClevrOptions
from igllm_addon.render_templates.labels import label_bytes, label_of, scene_rng
from igllm_addon.render_templates.render import apply_options, render_png
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.template import Template, template_named

TEMPLATE: Template = template_named("clevr")
SIDE = TEMPLATE.blender_side()
CLASSIC_SAMPLES = 512
OURS_SAMPLES = (2, 3, 5, 8, 16, 32, 64)
BEST_SAMPLES = (16, 64, 256)
ADAPTIVE_THRESHOLDS = (0.02, 0.01)  # noise below which a pixel gets no more samples, of 512 at most


class Studio:
    """The Blender scene that our own procedure keeps between pictures."""

    def __init__(self) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        SIDE.prepare_world(bpy.context.scene)
        self.collection = bpy.data.collections.new("sample")
        bpy.context.scene.collection.children.link(self.collection)

    def show(self, scene: Scene, options: RenderOptions) -> None:
        SIDE.clear(self.collection)
        SIDE.build(scene, self.collection)
        bpy.context.scene.camera = next(item for item in self.collection.objects if item.type == "CAMERA")
        apply_options(bpy.context.scene, options)


def render_with(setting: Setting, options: RenderOptions, path: Path) -> None:
    """Render what the Blender scene shows with the setting, into `path`."""
    apply_options(bpy.context.scene, replace(options, samples=setting.samples, denoise=setting.denoise))
    if setting.best:
        bpy.context.scene.cycles.denoising_prefilter = "ACCURATE"
        bpy.context.scene.cycles.denoising_quality = "HIGH"
    if setting.adaptive_threshold is not None:
        bpy.context.scene.cycles.use_adaptive_sampling = True
        bpy.context.scene.cycles.adaptive_threshold = setting.adaptive_threshold
        bpy.context.scene.cycles.adaptive_min_samples = 16
    render_png(bpy.context.scene, path)


def our_picture(studio: Studio, setting: Setting, index: int, options: RenderOptions, path: Path) -> None:
    """Everything `igllm generate` does for one sample: sample, label, build, render."""
    scene = sampled(index, options)
    labelled(scene, index, options)
    studio.show(scene, options)
    render_with(setting, options, path)


def classic_picture(base: Path, setting: Setting, index: int, options: RenderOptions, path: Path) -> None:
    """The classic procedure for the same scene. Its sampler would also retry after an unsuitable flat picture; here every
    scene is already suitable, which favours the classic side."""
    bpy.ops.wm.open_mainfile(filepath=str(base))
    blender_scene = bpy.context.scene
    collection = bpy.data.collections.new("sample")
    blender_scene.collection.children.link(collection)
    SIDE.build(sampled(index, options), collection)
    blender_scene.camera = next(item for item in collection.objects if item.type == "CAMERA")
    apply_options(blender_scene, replace(options, engine="workbench"))
    blender_scene.display.shading.light = "FLAT"
    blender_scene.display.shading.color_type = "OBJECT"
    flat = path.with_suffix(".flat.png")
    render_png(blender_scene, flat)
    np.unique(np.asarray(Image.open(flat)).reshape(-1, 3), axis=0, return_counts=True)
    apply_options(blender_scene, options)
    blender_scene.render.use_persistent_data = False
    render_with(setting, options, path)


def labelled(scene: Scene, index: int, options: RenderOptions) -> bytes:
    blender = bpy.app.version_string
    return label_bytes(
        label_of(
            TEMPLATE,
            scene,
            split="bench",
            seed=0,
            index=index,
            render=options,
            options=sampling(options),
            blender_version=blender,
        )
    )


def sampling(options: RenderOptions) -> ClevrOptions:
    return TEMPLATE.options(aspect=options.height_px / options.width_px)


def sampled(index: int, options: RenderOptions) -> Scene:
    return TEMPLATE.sample(scene_rng(0, "bench", index), sampling(options))


def timed(action: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - start


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def reference_of(index: int, options: RenderOptions, folder: Path) -> np.ndarray:
    path = folder / f"reference_{options.width_px}x{options.height_px}_{index}.png"
    if not path.is_file():
        print(f"rendering {REFERENCE_SAMPLES} samples of scene {index} for reference …", file=sys.stderr, flush=True)
        Studio().show(sampled(index, options), options)
        partial = path.with_suffix(".part.png")
        render_with(Setting("reference", REFERENCE_SAMPLES, denoise=False), replace(options, seed=1), partial)
        partial.replace(path)
    return picture(path)


def settings() -> list[Setting]:
    return [
        Setting("classic", CLASSIC_SAMPLES, denoise=False),
        *(Setting("ours", samples, denoise=True) for samples in OURS_SAMPLES),
        *(Setting("ours, best denoiser", samples, denoise=True, best=True) for samples in BEST_SAMPLES),
        *(Setting("ours, adaptive", CLASSIC_SAMPLES, True, True, threshold) for threshold in ADAPTIVE_THRESHOLDS),
    ]


def measure_curve(options: RenderOptions, scenes: int, folder: Path, scratch: Path) -> list[Point]:
    points = [Point(setting, [], []) for setting in settings()]
    base = scratch / "base.blend"
    Studio()
    bpy.ops.wm.save_as_mainfile(filepath=str(base))
    for index in range(scenes):
        reference = reference_of(index, options, folder)
        studio = Studio()
        warm = scratch / "warm.png"
        our_picture(studio, Setting("ours", 2, denoise=True), index, options, warm)  # loads kernels; not counted
        for point in sorted(points, key=lambda one: one.setting.name == "classic"):
            path = scratch / "picture.png"
            if point.setting.name == "classic":
                point.seconds.append(timed(classic_picture, base, point.setting, index, options, path))
            else:
                point.seconds.append(timed(our_picture, studio, point.setting, index, options, path))
            point.psnr_db.append(float(peak_signal_noise_ratio(reference, picture(path), data_range=255)))
            took = f"{point.seconds[-1]:.2f} s, {point.psnr_db[-1]:.2f} dB"
            print(f"scene {index} {point.setting.name} {point.setting.samples}: {took}", file=sys.stderr, flush=True)
    return points


def measure_shares(options: RenderOptions, scenes: int, scratch: Path) -> dict[str, float]:
    """Median seconds of each part of a frame at the training setting. Path tracing and denoising cannot be told apart from
    outside, so they are differences: n samples without denoiser minus one sample, and with minus without denoiser."""
    studio = Studio()
    parts: dict[str, list[float]] = {
        name: [] for name in ("sample", "label", "build", "set-up and first sample", "further samples", "denoise", "write PNG")
    }
    one, plain, full = Setting("", 1, False), Setting("", TRAINING_SAMPLES, False), Setting("", TRAINING_SAMPLES, True)
    path = scratch / "share.png"
    our_picture(studio, full, 0, options, path)
    for index in range(scenes):
        parts["sample"].append(timed(sampled, index, options))
        scene = sampled(index, options)
        parts["label"].append(timed(labelled, scene, index, options))
        parts["build"].append(timed(studio.show, scene, options))
        seconds = {}
        for name, setting in (("one", one), ("plain", plain), ("full", full)):
            studio.show(scene, options)
            seconds[name] = timed(render_with, setting, options, path)
        write = timed(Image.fromarray(picture(path)).save, scratch / "write.png")
        parts["write PNG"].append(write)
        parts["set-up and first sample"].append(seconds["one"] - write)
        parts["further samples"].append(seconds["plain"] - seconds["one"])
        parts["denoise"].append(seconds["full"] - seconds["plain"])
    return {name: statistics.median(values) for name, values in parts.items()}


def measure_growth(scratch: Path, scenes: int) -> dict[str, dict[str, float]]:
    """Seconds a frame at the training setting, over the number of objects and over the resolution."""
    setting = Setting("ours", TRAINING_SAMPLES, denoise=True)
    path = scratch / "growth.png"
    by_objects: dict[str, list[float]] = {}
    options = RenderOptions(width_px=240, height_px=160)
    studio = Studio()
    our_picture(studio, setting, 0, options, path)
    for index in range(scenes * 6):
        count = len(sampled(index, options).objects)
        group = "3-5" if count <= 5 else "6-8" if count <= 8 else "9-10"
        by_objects.setdefault(group, []).append(timed(our_picture, studio, setting, index, options, path))
    by_resolution: dict[str, list[float]] = {}
    for width, height in ((120, 80), (240, 160), (320, 240), (480, 320)):
        larger = RenderOptions(width_px=width, height_px=height)
        our_picture(studio, setting, 0, larger, path)
        by_resolution[f"{width}x{height}"] = [timed(our_picture, studio, setting, i, larger, path) for i in range(scenes * 2)]
    return {
        "objects": {name: statistics.median(values) for name, values in sorted(by_objects.items())},
        "resolution": {name: statistics.median(values) for name, values in by_resolution.items()},
    }


def measure_workers(scratch: Path, count: int) -> dict[str, float]:
    """Pictures a second of the whole command, process start included, for 1 and 2 workers."""
    rates = {}
    for width, height in ((240, 160), (320, 240)):
        for workers in (1, 2):
            out = scratch / f"workers_{width}_{workers}"
            command = [
                sys.executable,
                "-m",
                "igllm_addon",
                "generate",
                "clevr",
                "--count",
                str(count),
                "--seed",
                "0",
                "--out",
                str(out),
            ]
            command += [
                "--workers",
                str(workers),
                "--samples",
                str(TRAINING_SAMPLES),
                "--width",
                str(width),
                "--height",
                str(height),
            ]
            seconds = timed(run_quietly, command)
            rates[f"{width}x{height}, {workers} worker{'s' if workers > 1 else ''}"] = count / seconds
    return rates


def run_quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--width", type=int, default=240)
    parser.add_argument("--height", type=int, default=160)
    parser.add_argument("--workers-count", type=int, default=60, help="pictures per run of the workers' table")
    parser.add_argument("--references-only", action="store_true", help="render the reference pictures and stop")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    options = RenderOptions(width_px=arguments.width, height_px=arguments.height)
    if arguments.references_only:
        for index in range(arguments.scenes):
            reference_of(index, options, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        report = report_of(measure_curve(options, arguments.scenes, arguments.out, scratch))
        report["shares_seconds"] = measure_shares(options, arguments.scenes, scratch)
        report["growth_seconds"] = measure_growth(scratch, arguments.scenes)
        report["workers_images_per_second"] = measure_workers(scratch, arguments.workers_count)
    report["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "blender": bpy.app.version_string,
        "scenes": arguments.scenes,
    }
    (arguments.out / "generate.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    plot(
        report,
        arguments.out / "generate.png",
        f"CLEVR {arguments.width}×{arguments.height}, Blender {bpy.app.version_string}, CPU",
    )
    print(json.dumps({key: report[key] for key in report if key != "curve"}, indent=2))


if __name__ == "__main__":
    main()
