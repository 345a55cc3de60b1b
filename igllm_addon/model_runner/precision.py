# SPDX-License-Identifier: GPL-3.0-or-later
"""Which numbers a training computes with: bfloat16 where the processor has instructions for it, as it is faster there."""

from __future__ import annotations

import torch


def uses_bf16(precision: str, device_type: str) -> bool:
    """Whether matrix products and convolutions are to be taken in bfloat16; the weights stay as they are."""
    return has_bf16(device_type) if precision == "auto" else precision == "bf16"


def has_bf16(device_type: str) -> bool:
    """Whether a "cuda" or "cpu" device multiplies bfloat16 itself. Without such instructions bfloat16 is slower than float32."""
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device_type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
