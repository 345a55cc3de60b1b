# SPDX-License-Identifier: GPL-3.0-or-later
"""Pretrained parts in their public formats, tiny and with random weights, and data to train on. Nothing is downloaded."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from sentencepiece import SentencePieceTrainer

from igllm_addon.model_runner.projectors import mlp

WIDTH, FEATURE_WIDTH, PICTURE_PX = 32, 16, 28
_CORPUS = [
    "The scene can be produced with: add(size='large', color='red', material='rubber', shape='cube', loc=(+1.234, -0.567))",
    "a photo of a small green metal sphere beside a big yellow cylinder 数 0 1 2 3 4 5 6 7 8 9",
    "What Python Blender code could be used to produce the scene? ASSISTANT: USER: ```python rotation=-0.250)```",
]


def write_llama(folder: Path, *, shards: bool = False) -> Path:
    """A LLaMA of two layers with a sentencepiece tokenizer: model.safetensors, or two pytorch_model shards with an index."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    model_bytes = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(_CORPUS * 20),
        model_writer=model_bytes,
        vocab_size=380,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        character_coverage=1.0,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model_bytes.getvalue())
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    if shards:
        (folder / "model.safetensors").unlink()
        tensors = model.state_dict()
        names = sorted(tensors)
        files = {name: f"pytorch_model-0000{1 + index % 2}-of-00002.bin" for index, name in enumerate(names)}
        for file in sorted(set(files.values())):
            torch.save({name: tensors[name] for name in names if files[name] == file}, folder / file)
        index = {"metadata": {"total_size": 1}, "weight_map": files}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def write_open_clip(folder: Path) -> Path:
    """A vision transformer of three layers as open_clip publishes it."""
    from igllm_addon.model_runner import torchvision_operators as torchvision_operators

    import open_clip  # isort: skip

    folder.mkdir(parents=True)
    config = {
        "model_cfg": {
            "embed_dim": 8,
            "quick_gelu": True,
            "vision_cfg": {"image_size": PICTURE_PX, "layers": 3, "width": FEATURE_WIDTH, "head_width": 8, "patch_size": 7},
            "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 8, "heads": 2, "layers": 1},
        },
        "preprocess_cfg": {},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(6)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    return folder


def write_projector(path: Path, kind: str = "linear") -> Path:
    """A projector as LLaVA's feature-alignment pretraining leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    projector = torch.nn.Linear(FEATURE_WIDTH, WIDTH) if kind == "linear" else mlp(FEATURE_WIDTH, WIDTH)
    torch.save({f"model.mm_projector.{name}": value.half() for name, value in projector.state_dict().items()}, path)
    return path


def picture(seed: int) -> bytes:
    """A PNG of noise."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_scenes(folder: Path, count: int) -> Path:
    """A shard of scenes with a cube and a sphere."""
    folder.mkdir(parents=True)
    words = ({"shape": "cube", "size": "large", "color": "green", "material": "rubber"},) + (
        {"shape": "sphere", "size": "small", "color": "gray", "material": "metal"},
    )
    places = ({"3d_coords_canonical": [-1.0, 1.0, 0.7], "pixel_coords": [16.0, 20.0, 11.0], "bbox_px": [10, 14, 22, 26]},) + (
        {"3d_coords_canonical": [2.0, 0.5, 0.35], "pixel_coords": [44.0, 30.0, 10.0], "bbox_px": [38, 24, 50, 36]},
    )
    objects = [one | place for one, place in zip(words, places, strict=True)]
    objects[0]["yaw_radians_canonical"] = 0.3
    label = {"objects": objects, "scene_canonical": {"camera": {"location": [7.4811, -6.5076, 5.3437]}}}
    with tarfile.open(folder / "train-000000.tar", "w") as archive:
        for index in range(count):
            for kind, data in (("png", picture(index)), ("json", json.dumps(label).encode())):
                member = tarfile.TarInfo(f"{index:08d}.{kind}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return folder
