# SPDX-License-Identifier: GPL-3.0-or-later
"""A data-set run whose workers die, hang or refuse, whose disk fills up, and which is itself killed at any moment."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from igllm_addon.core.errors import RenderError, UsageError
from igllm_addon.render_templates.crew import CrewOptions
from igllm_addon.render_templates.generation import Report, generate
from igllm_addon.render_templates.render_options import RenderOptions

sys.path.append(str(Path(__file__).parent))
from generate_driver import FAKE_WORKER, run_options  # noqa: E402  (a script beside this file, not a package)

DRIVER = Path(__file__).with_name("generate_driver.py")


ONE_WORKER = CrewOptions()


def run(
    out: Path, count: int, mode: str = "honest", layout: str = "webdataset", crew: CrewOptions = ONE_WORKER, **changes: object
) -> Report:
    command = [sys.executable, str(FAKE_WORKER), mode]
    return generate(run_options(layout, **changes), count, out, command, 1, crew, io.StringIO())


def fingerprints(out: Path) -> dict[str, str]:
    """Every file of a finished data set."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def member_names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def start_and_kill(out: Path, layout: str, samples_to_wait_for: int) -> None:
    """Start a run in a process group of its own and kill all of it when so many samples have been made in all."""
    command = [sys.executable, str(DRIVER), "slow:0.01", str(out), "30", "2", layout]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while process.poll() is None and samples_there(out) < samples_to_wait_for:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def samples_there(out: Path) -> int:
    fragments = len(list((out / "train" / "work").glob("*.sample")))
    return fragments + 4 * len(list((out / "train").glob("train-*.tar")))


def test_a_run_makes_every_sample_once(tmp_path: Path) -> None:
    report = run(tmp_path, 10)

    assert report == Report(made=10, total=10, folder=tmp_path / "train")
    assert sorted(fingerprints(tmp_path)) == [
        "train/manifest.json",
        "train/train-000000.tar",
        "train/train-000001.tar",
        "train/train-000002.tar",
    ]
    assert member_names(tmp_path / "train" / "train-000002.tar") == [
        "00000008.code.txt",
        "00000008.depth.npy",
        "00000008.json",
        "00000008.png",
        "00000009.code.txt",
        "00000009.depth.npy",
        "00000009.json",
        "00000009.png",
    ]


def test_the_manifest_holds_the_hash_of_every_shard(tmp_path: Path) -> None:
    run(tmp_path, 6)

    manifest = json.loads((tmp_path / "train" / "manifest.json").read_text())
    there = fingerprints(tmp_path)

    assert manifest["blender_version"] == "9.9.9"
    assert [(entry["name"], entry["first"], entry["count"]) for entry in manifest["files"]] == [
        ("train/train-000000.tar", 0, 4),
        ("train/train-000001.tar", 4, 2),
    ]
    assert [entry["sha256"] for entry in manifest["files"]] == [there["train/train-000000.tar"], there["train/train-000001.tar"]]


def test_shards_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    run(tmp_path / "one", 11)
    run(tmp_path / "three", 11, crew=CrewOptions(size=3, samples_per_worker=2))

    assert fingerprints(tmp_path / "one") == fingerprints(tmp_path / "three")


@pytest.mark.parametrize("layout", ["webdataset", "igllm"])
def test_a_run_killed_at_ten_moments_ends_with_the_same_bytes(tmp_path: Path, layout: str) -> None:
    run(tmp_path / "whole", 30, layout=layout)
    killed = tmp_path / "killed"

    for samples in (0, 1, 2, 4, 7, 11, 12, 19, 27, 29):
        start_and_kill(killed, layout, samples)
    report = run(killed, 30, layout=layout)

    assert fingerprints(killed) == fingerprints(tmp_path / "whole")
    assert report.made <= 30 - 11


@pytest.mark.parametrize("unfinished", ["shard written", "manifest written", "half a file"])
def test_a_kill_while_a_shard_is_packed_is_made_good(tmp_path: Path, unfinished: str) -> None:
    run(tmp_path / "whole", 8)
    run(tmp_path / "cut", 7)
    # The moments inside of packing are too short to be met by a kill, so they are made by hand from a finished run's files.
    work = tmp_path / "cut" / "train" / "work"
    work.mkdir()
    if unfinished == "shard written":
        shutil.copy(tmp_path / "whole" / "train" / "train-000001.tar", tmp_path / "cut" / "train" / "train-000001.tar")
    if unfinished == "manifest written":
        (work / "00000003.sample").write_bytes(b"packed already, and not yet removed")
    if unfinished == "half a file":
        (tmp_path / "cut" / "train" / ".train-000001.tar.123.tmp").write_bytes(b"torn")
        (work / ".00000007.sample.124.tmp").write_bytes(b"torn")

    report = run(tmp_path / "cut", 8)

    assert report.made == 1
    assert fingerprints(tmp_path / "cut") == fingerprints(tmp_path / "whole")


@pytest.mark.parametrize("layout", ["webdataset", "igllm"])
def test_more_samples_later_give_the_files_of_one_long_run(tmp_path: Path, layout: str) -> None:
    run(tmp_path / "whole", 14, layout=layout)

    run(tmp_path / "grown", 3, layout=layout)
    run(tmp_path / "grown", 9, layout=layout)
    report = run(tmp_path / "grown", 14, layout=layout)

    assert report.made == 5
    assert fingerprints(tmp_path / "grown") == fingerprints(tmp_path / "whole")


def test_a_finished_run_starts_no_worker(tmp_path: Path) -> None:
    run(tmp_path, 5)
    before = fingerprints(tmp_path)

    report = run(tmp_path, 5, mode="stillborn")

    assert report.made == 0
    assert fingerprints(tmp_path) == before


def test_a_lost_shard_is_made_again(tmp_path: Path) -> None:
    run(tmp_path, 9)
    before = fingerprints(tmp_path)
    (tmp_path / "train" / "train-000001.tar").unlink()

    report = run(tmp_path, 9)

    assert report.made == 4
    assert fingerprints(tmp_path) == before


def test_a_shard_that_was_changed_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path, 5)
    shard = tmp_path / "train" / "train-000000.tar"
    shard.write_bytes(b"mine now")

    with pytest.raises(UsageError, match=r"train-000000\.tar is not as the run left it"):
        run(tmp_path, 9)

    assert shard.read_bytes() == b"mine now"


@pytest.mark.parametrize("name", ["images/train.tar", "labels/train.json"])
def test_a_cut_file_is_not_extended(tmp_path: Path, name: str) -> None:
    run(tmp_path, 5, layout="igllm")
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(UsageError, match="is not as the run left it"):
        run(tmp_path, 9, layout="igllm")


def test_a_run_may_start_in_the_middle_of_a_shard(tmp_path: Path) -> None:
    run(tmp_path / "whole", 12)

    run(tmp_path / "part", 6, start=6)

    assert member_names(tmp_path / "part" / "train" / "train-000001.tar")[0] == "00000006.code.txt"
    last = "train/train-000002.tar"
    assert fingerprints(tmp_path / "part")[last] == fingerprints(tmp_path / "whole")[last]


def test_other_options_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    run(tmp_path, 5)
    before = fingerprints(tmp_path)

    with pytest.raises(UsageError, match=r"holds another run \(seed 5 instead of 6\)"):
        run(tmp_path, 5, seed=6)

    assert fingerprints(tmp_path) == before


def test_fewer_samples_than_before_are_refused(tmp_path: Path) -> None:
    run(tmp_path, 5)

    with pytest.raises(UsageError, match="a run of 5 samples; ask for --count 5 or more, got 4"):
        run(tmp_path, 4)


def test_another_blender_may_not_continue_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, 5)
    monkeypatch.setenv("FAKE_BLENDER_VERSION", "9.9.10")

    with pytest.raises(UsageError, match=r"made by Blender 9\.9\.9, and this is Blender 9\.9\.10"):
        run(tmp_path, 9)


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "thesis.odt").write_bytes(b"years of work")

    with pytest.raises(UsageError, match=r"thesis\.odt is there already"):
        run(tmp_path, 5)

    assert fingerprints(tmp_path) == {"train/thesis.odt": hashlib.sha256(b"years of work").hexdigest()}


def test_a_second_run_into_the_same_folder_is_kept_out(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="needs a system with file locks")
    (tmp_path / "train" / "work").mkdir(parents=True)

    with (tmp_path / "train" / "work" / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="Another run is writing"):
            run(tmp_path, 5)


def test_a_worker_that_is_killed_once_costs_nothing(tmp_path: Path) -> None:
    run(tmp_path / "whole", 6)

    report = run(tmp_path / "hurt", 6, mode="crash_once:2")

    assert report.made == 6
    assert fingerprints(tmp_path / "hurt") == fingerprints(tmp_path / "whole")


def test_a_sample_that_fails_twice_is_recorded_and_the_others_are_made(tmp_path: Path) -> None:
    with pytest.raises(
        RenderError, match=r"1 of 10 samples failed twice, the first of them number 5 \(ArithmeticError: sample 5"
    ):
        run(tmp_path, 10, mode="crash:5")

    (line,) = (tmp_path / "train" / "failures.jsonl").read_text().splitlines()
    failure = json.loads(line)
    assert (failure["index"], failure["tries"]) == (5, 2)
    assert "Traceback (most recent call last)" in failure["traceback"]
    assert sorted(path.name for path in (tmp_path / "train").glob("*.tar")) == ["train-000000.tar", "train-000002.tar"]


def test_the_same_command_tries_failed_samples_again(tmp_path: Path) -> None:
    run(tmp_path / "whole", 10)
    with pytest.raises(RenderError):
        run(tmp_path / "hurt", 10, mode="crash:5")

    report = run(tmp_path / "hurt", 10)

    assert report.made == 1
    assert fingerprints(tmp_path / "hurt") == fingerprints(tmp_path / "whole")


def test_a_worker_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="number 1 .*gave no answer for 4 seconds"):
        run(tmp_path, 3, mode="hang:1", crew=CrewOptions(size=2, seconds_per_sample=4.0))

    assert samples_there(tmp_path) == 2


def test_a_blender_that_does_not_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"Blender ended while it started \(no Blender here\)"):
        run(tmp_path, 3, mode="stillborn")


def test_a_refusing_worker_ends_the_run_with_its_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="This Blender has no engine 'eevee'"):
        run(tmp_path, 3, mode="refusing")


def test_an_engine_without_opengl_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"while it drew with 'workbench' \(ArithmeticError: .*choose --engine cycles"):
        run(tmp_path, 3, mode="crash:0", render=RenderOptions(64, 48, engine="workbench"))


def test_lines_that_are_no_messages_are_passed_over(tmp_path: Path) -> None:
    run(tmp_path / "whole", 4)

    run(tmp_path / "chatty", 4, mode="chatty")

    assert fingerprints(tmp_path / "chatty") == fingerprints(tmp_path / "whole")


def test_a_file_in_the_way_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(UsageError, match=r"Cannot write into .*file/data/train: Not a directory; choose another --out"):
        run(tmp_path / "file" / "data", 3)


def test_a_disk_that_is_full_keeps_what_is_there(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs a system with limits on file sizes")
    run(tmp_path / "whole", 10)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    # A limit on the length of a file stands in for the end of a disk: a fragment still fits, a shard does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))
    try:
        with pytest.raises(UsageError, match=r"Cannot write .*train-000000\.tar: File too large; once that is possible"):
            run(tmp_path / "full", 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    left = sorted(path.name for path in (tmp_path / "full" / "train" / "work").glob("*.sample"))
    report = run(tmp_path / "full", 10)

    assert left[:4] == ["00000000.sample", "00000001.sample", "00000002.sample", "00000003.sample"]
    assert report.made <= 6
    assert fingerprints(tmp_path / "full") == fingerprints(tmp_path / "whole")


def test_a_full_file_system_is_one_sentence(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")

    try:
        with pytest.raises(UsageError, match="No space left on device"):
            run(disk, 40)
        kept = samples_there(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert kept >= 4


def test_an_interrupt_leaves_a_folder_that_goes_on(tmp_path: Path) -> None:
    run(tmp_path / "whole", 30)
    command = [sys.executable, str(DRIVER), "slow:0.05", str(tmp_path / "cut"), "30", "2", "webdataset"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while process.poll() is None and samples_there(tmp_path / "cut") < 3:
        time.sleep(0.01)

    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=60)
    run(tmp_path / "cut", 30)

    assert process.returncode != 0
    assert fingerprints(tmp_path / "cut") == fingerprints(tmp_path / "whole")


def test_igllm_layout_has_a_tar_and_a_labels_file(tmp_path: Path) -> None:
    run(tmp_path, 3, layout="igllm")

    labels = json.loads((tmp_path / "labels" / "train.json").read_text())

    assert member_names(tmp_path / "images" / "train.tar") == ["train_000000.png", "train_000001.png", "train_000002.png"]
    assert member_names(tmp_path / "passes" / "train.tar")[0] == "train_000000.depth.npy"
    assert labels["info"]["rotation_unit"] == "degrees"
    assert [scene["image_filename"] for scene in labels["scenes"]] == member_names(tmp_path / "images" / "train.tar")


def test_igllm_rotation_is_degrees_and_only_where_a_yaw_is_known(tmp_path: Path) -> None:
    run(tmp_path, 1, layout="igllm")

    cube, sphere = json.loads((tmp_path / "labels" / "train.json").read_text())["scenes"][0]["objects"]

    assert cube["rotation"] == pytest.approx(14.3239, abs=1e-4)  # 0.25 radians
    assert cube["yaw_radians"] == 0.25
    assert "rotation" not in sphere
