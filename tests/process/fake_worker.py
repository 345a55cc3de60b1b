# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of `igllm generate` without Blender: it writes made-up samples, and fails in the way its argument says.

honest            every sample is made
crash:N           the worker dies on sample N, always
crash_once:N      … the first time only
hang:N            the worker never answers for sample N
stillborn         the worker dies before it says that it is ready
chatty            lines that are no messages stand between the messages
refusing          the worker says that it cannot work here
slow:SECONDS      every sample takes that long
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from igllm_addon.core.errors import UsageError
from igllm_addon.render_templates.layouts import fragment_name
from igllm_addon.render_templates.run_options import sample_key
from igllm_addon.render_templates.shards import sample_fragment, write_atomically

BLENDER_VERSION = os.environ.get("FAKE_BLENDER_VERSION", "9.9.9")


def say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


def parts_of(index: int, seed: int) -> dict[str, bytes]:
    camera = {
        "location": [1.0, 2.0, 3.0],
        "quaternion_wxyz": [1.0, 0.0, 0.0, 0.0],
        "focal_length_mm": 35.0,
        "sensor_width_mm": 32.0,
    }
    objects = [
        {"shape": "cube", "3d_coords": [float(index), 0.0, 0.7], "yaw_radians": 0.25},
        {"shape": "sphere", "3d_coords": [0.0, 1.0, 0.7]},
    ]
    label = {"index": index, "seed": seed, "scene": {"camera": camera, "lights": []}, "objects": objects}
    picture = bytes([index % 251]) * (1000 + 37 * (index % 13))
    return {
        "png": picture,
        "json": json.dumps(label, sort_keys=True).encode(),
        "code.txt": f"# {index}\n".encode(),
        "depth.npy": bytes([index % 7]) * 50,
    }


def misbehave(mode: str, value: str, index: int, work: Path) -> None:
    if mode == "slow":
        time.sleep(float(value))
    if mode == "crash" and index == int(value):
        raise ArithmeticError(f"sample {index} cannot be made")
    if mode == "crash_once" and index == int(value) and not (work / "crashed").exists():
        (work / "crashed").touch()
        os.kill(os.getpid(), 9)
    if mode == "hang" and index == int(value):
        time.sleep(600.0)
    if mode == "chatty":
        print("Fra:1 Mem:12.3M | Rendering")
        print('{"igllm-like": "no message"}')


def main() -> int:
    mode, _, value = sys.argv[1].partition(":")
    job = json.loads(sys.stdin.readline())
    work = Path(job["work"])
    if mode == "stillborn":
        print("no Blender here", file=sys.stderr)
        return 3
    if mode == "refusing":
        say({"igllm": "refused", "message": "This Blender has no engine 'eevee'; choose another --engine."})
        return 2
    say({"igllm": "ready", "blender_version": BLENDER_VERSION, "denoises": True})
    for line in sys.stdin:
        index = int(line)
        misbehave(mode, value, index, work)
        try:
            fragment = sample_fragment(sample_key(index), parts_of(index, job["run"]["seed"]))
            write_atomically(work / fragment_name(index), [fragment])
        except UsageError as error:
            say({"igllm": "refused", "message": str(error)})
            return 2
        say({"igllm": "done", "index": index})
    return 0


if __name__ == "__main__":
    sys.exit(main())
