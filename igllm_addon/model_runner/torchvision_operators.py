# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets torchvision be imported beside a torch of another build. Import this before transformers, open_clip or timm.

PyPI has torchvision for Linux as a CUDA build only. Beside a CPU-only torch its library of operators cannot be loaded, and its
Python part then fails with "operator torchvision::nms does not exist", and with it everything that imports it. Nobody here
uses those operators, so it is enough that they are declared.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_DECLARATIONS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def declare_missing_operators() -> bool:
    """Declare torchvision's operators where its own library cannot be loaded; True if that was needed."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or hasattr(torch.ops.torchvision, "nms"):
        return False
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    for library in [path for folder in folders for path in sorted(folder.glob("_C.*")) if path.suffix in (".so", ".pyd")]:
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:  # a library of CUDA that is not here
            continue
        return False
    for name, signature in _DECLARATIONS.items():
        torch.library.define(f"torchvision::{name}", signature)
    return True


declare_missing_operators()
