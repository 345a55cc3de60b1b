# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports aside what the first press of De-render Image needs, so that the press itself is short.

Enabling the extension imports none of it; this begins when the panel is drawn for the first time. A thread that imports gives way
to Blender's main thread every few milliseconds.
"""

from __future__ import annotations

import threading
from pathlib import Path

# Any small picture of the extension's own.
_PICTURE = Path(__file__).parents[1] / "render_templates/meshes/library/igllm_catalogue/previews/car_taxi.png"
_threads: list[threading.Thread] = []


def begin_once() -> None:
    """Returns at once."""
    if not _threads:
        _threads.append(threading.Thread(target=_import, name="igllm warm-up", daemon=True))
        _threads[0].start()


def wait(limit_s: float) -> None:
    """Before the extension is disabled or Blender quits."""
    for thread in _threads:
        thread.join(limit_s)
    _threads.clear()


def _import() -> None:
    from ..bridge import client
    from ..render_templates.meshes import read
    from ..render_templates.template import template_named
    from . import derender_order, derender_run, view_of_result

    assert client and read and derender_order and derender_run and view_of_result
    template_named("clevr").blender_side()
    _read_a_picture()


def _read_a_picture() -> None:
    """The first picture of a session makes Blender (4.5 and later) read colour configurations, 5.2 for some 40 ms."""
    import imbuf

    imbuf.load(str(_PICTURE)).free()
