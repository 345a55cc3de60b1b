# SPDX-License-Identifier: GPL-3.0-or-later
"""Digits against a float head, without and with a pointer, at several numbers of training pictures: the question of IG-LLM's
figure of data efficiency, on CoGenT. One tower for each number of pictures, which has seen no others; the heads share it.

Every model gets the same budget: as many steps, and as many looks of the frozen tower at pictures (each under a variety of its
own), however many different pictures there are. All learn from condition A; B has the colours of cubes and cylinders swapped.

    python benchmarks/data_efficiency.py --data data/cogent_a/train --val-a data/cogent_val_a/val_ID \\
        --val-b data/cogent_val_b/val_OOD [--sizes 500 1000 2000 4000] [--out benchmarks/results]

What is done already is not done again: the same command goes on after a kill, and draws what there is.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from data_efficiency_report import HEADS, plot, table

from igllm_addon.core.vocabulary import VOCABULARIES
from igllm_addon.model_runner.evaluation import evaluate, read_labels
from igllm_addon.model_runner.infer_command import pictures_in
from igllm_addon.model_runner.pictures import picture_from_bytes
from igllm_addon.model_runner.predictor import Predictor
from igllm_addon.model_runner.training import main as train

_ROOT = Path(__file__).parents[1]
_TOWER_STATE, _TOWER_IS_DONE = "tower.state.pt", "tower.done"


def config_of(base: dict[str, Any], arguments: argparse.Namespace, size: int, out: Path, head: str) -> dict[str, Any]:
    """The training of one head on so many pictures."""
    config = copy.deepcopy(base)
    config["name"], config["out"] = f"{base['name']}-{size}-{head}", str(out)
    config["decoder"] |= HEADS[head]
    for stage in config["training"].values():
        stage["data"], stage["scenes"] = [str(arguments.data)], size
    config["training"]["decoder"]["varieties"] = max(1, arguments.looks // size)
    return config


def trained_tower(base: dict[str, Any], arguments: argparse.Namespace, size: int) -> Path:
    """The folder with the tower for so many pictures."""
    out = arguments.work / f"{size}-tower"
    if not (out / _TOWER_IS_DONE).exists():
        train(["--resume", "--stage", "tower", str(written(config_of(base, arguments, size, out, "pointer"), out))])
        (out / _TOWER_IS_DONE).touch()
    return out


def trained_head(base: dict[str, Any], arguments: argparse.Namespace, size: int, head: str) -> Path:
    """The checkpoint of one head on so many pictures."""
    out = arguments.work / f"{size}-{head}"
    if not (out / "checkpoint" / "config.json").exists():
        tower = trained_tower(base, arguments, size)
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tower / _TOWER_STATE, out / _TOWER_STATE)
        train(["--resume", "--stage", "decoder", str(written(config_of(base, arguments, size, out, head), out))])
    return out / "checkpoint"


def written(config: dict[str, Any], out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "config.json"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return path


def figures_on(checkpoint: Path, folder: Path, count: int) -> dict[str, Any]:
    """What `igllm infer` and `igllm evaluate` say of the first `count` pictures, in the canonical frame."""
    named = list(islice(pictures_in(folder), count))
    started = time.process_time()
    predictions = Predictor.load(checkpoint).predict_many(picture_from_bytes(data, name) for name, data in named)
    programs = [{"outputs": made.code, "confidences": list(made.confidences)} for made in predictions]
    answers = dict(zip((name for name, _ in named), programs, strict=True))
    seconds = time.process_time() - started
    labels = {name: objects for name, objects in read_labels(folder).items() if name in answers}
    evaluation = evaluate(labels, {"answers": answers}, VOCABULARIES["clevr"])
    figures = evaluation.frames["canonical"].to_json()
    return figures | {"parse_failures": evaluation.parse_failures, "cpu_seconds_a_picture": seconds / len(named)}


def measured(base: dict[str, Any], arguments: argparse.Namespace, size: int, head: str) -> dict[str, Any]:
    """One point of the curves; its figures are kept beside its checkpoint."""
    checkpoint = trained_head(base, arguments, size, head)
    path = checkpoint.parent / f"report-{arguments.pictures}.json"
    if not path.exists():
        folders = {"A": arguments.val_a, "B": arguments.val_b}
        figures = {condition: figures_on(checkpoint, folder, arguments.pictures) for condition, folder in folders.items()}
        path.write_text(json.dumps({"scenes": size, "head": head, **figures}, indent=2) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=_ROOT / "configs" / "clevr-cogent.json", help="model and budget")
    parser.add_argument("--data", type=Path, required=True, help="shards of condition A to learn from")
    parser.add_argument("--val-a", type=Path, required=True, help="other shards of condition A")
    parser.add_argument("--val-b", type=Path, required=True, help="shards of condition B")
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000, 4000], help="numbers of training pictures")
    parser.add_argument("--heads", choices=sorted(HEADS), nargs="+", default=list(HEADS))
    parser.add_argument("--looks", type=int, default=4000, help="of the frozen tower at pictures, for each decoder")
    parser.add_argument("--pictures", type=int, default=400, help="of each condition, to measure with")
    parser.add_argument("--towers-only", action="store_true", help="train the towers and stop")
    parser.add_argument("--work", type=Path, default=Path("runs/data_efficiency"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    base = json.loads(arguments.config.read_text(encoding="utf-8"))
    if arguments.towers_only:
        for size in arguments.sizes:
            trained_tower(base, arguments, size)
        return
    runs = []
    for size in arguments.sizes:
        runs += [measured(base, arguments, size, head) for head in arguments.heads]
        report = {"config": base, "looks": arguments.looks, "pictures": arguments.pictures, "runs": runs}
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "data_efficiency.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (arguments.out / "data_efficiency.md").write_text(table(report), encoding="utf-8")
        plot(report, arguments.out / "data_efficiency.png")
    print(table(report))


if __name__ == "__main__":
    main()
