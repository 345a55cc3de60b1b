# SPDX-License-Identifier: GPL-3.0-or-later
"""What the folders that a model builds on say about themselves: sizes, limits and checksums. No torch.

A pretrained language model's folder is in the public format (config.json, weights, tokenizer files); a vision tower's is
open_clip's (open_clip_config.json, weights).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import WeightsError
from .config import DecoderConfig
from .vision_config import OpenClipConfig

CONFIG_NAME, TOWER_CONFIG_NAME = "config.json", "open_clip_config.json"
SIZES = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "attention_heads": "num_attention_heads",
    "intermediate_width": "intermediate_size",
}


def token_limits(folder: Path) -> tuple[int, int]:
    """The tokens before and after any text, as the folder's config.json says."""
    value, _ = read_base_config(folder)
    start, end = value.get("bos_token_id"), value.get("eos_token_id")
    end = end[0] if isinstance(end, list) and end else end
    if not (isinstance(start, int) and isinstance(end, int)):
        raise WeightsError(f"{folder / CONFIG_NAME} does not name bos_token_id and eos_token_id")
    return start, end


def resolved_base(decoder: DecoderConfig) -> DecoderConfig:
    """The decoder's config with the sizes and the checksum of its base, which a training config need not repeat."""
    if decoder.base is None:
        return decoder
    value, digest = read_base_config(Path(decoder.base.folder))
    try:
        sizes: dict[str, Any] = {name: int(value[key]) for name, key in SIZES.items()}
    except (KeyError, TypeError, ValueError) as caught:
        raise WeightsError(f"{Path(decoder.base.folder) / CONFIG_NAME} does not tell the sizes of a LLaMA ({caught})") from caught
    return replace(decoder, base=replace(decoder.base, config_sha256=digest), **sizes)


def resolved_tower(config: OpenClipConfig) -> OpenClipConfig:
    """The config with the checksum of its folder's config, which a training config need not repeat."""
    path = Path(config.weights) / TOWER_CONFIG_NAME
    return replace(config, config_sha256=hashlib.sha256(path.read_bytes()).hexdigest()) if path.is_file() else config


def read_base_config(folder: Path) -> tuple[dict[str, Any], str]:
    """A language model's config and its checksum; WeightsError where there is none of the LLaMA family."""
    path = folder / CONFIG_NAME
    try:
        data = path.read_bytes()
        value = json.loads(data)
    except OSError as caught:
        raise WeightsError(
            f"the language model that this one builds on is not there: {path} cannot be read ({caught.strerror});"
            f" put the folder there, or name another as decoder.base.folder in the config"
        ) from caught
    except ValueError as caught:
        raise WeightsError(f"{path} is not JSON ({caught})") from caught
    if not isinstance(value, dict) or value.get("model_type") != "llama":
        raise WeightsError(f"{path} is not the config of a language model of the LLaMA family")
    return value, hashlib.sha256(data).hexdigest()
