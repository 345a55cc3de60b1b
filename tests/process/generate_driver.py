# SPDX-License-Identifier: GPL-3.0-or-later
"""A data-set run with fake workers in a process of its own, so that a test can kill it: MODE OUT COUNT WORKERS LAYOUT."""

from __future__ import annotations

import sys
from pathlib import Path

from igllm_addon.core.errors import IgllmError, UsageError
from igllm_addon.render_templates.clevr.sample import ClevrOptions
from igllm_addon.render_templates.crew import CrewOptions
from igllm_addon.render_templates.generation import generate
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.run_options import RunOptions

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


def run_options(layout: str, **changes: object) -> RunOptions:
    values: dict[str, object] = {
        "template": "clevr",
        "split": "train",
        "seed": 5,
        "start": 0,
        "layout": layout,
        "shard_size": 4,
        "passes": ("depth",),
        "render": RenderOptions(64, 48),
        "options": ClevrOptions(),
    }
    return RunOptions(**(values | changes))  # type: ignore[arg-type]


def main() -> int:
    mode, out, count, workers, layout = sys.argv[1:]
    command = [sys.executable, str(FAKE_WORKER), mode]
    try:
        generate(run_options(layout), int(count), Path(out), command, 1, CrewOptions(size=int(workers)), sys.stderr)
    except IgllmError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
