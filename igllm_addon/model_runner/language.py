# SPDX-License-Identifier: GPL-3.0-or-later
"""Language models of the LLaMA family: our own sizes from scratch, or a pretrained one from a local folder, with adapters or not.

A folder is in the public format: config.json, model.safetensors or pytorch_model.bin, whole or in shards with an index, and a
tokenizer. Nothing is downloaded and nothing is unpickled.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from . import torchvision_operators as torchvision_operators  # before transformers

from transformers import LlamaConfig, LlamaForCausalLM  # isort: skip

from ..core.errors import WeightsError
from .base_folders import CONFIG_NAME, SIZES, read_base_config
from .config import BaseConfig, DecoderConfig

_MAX_POSITIONS = 2048
_ADAPTER = "default"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def language_model(decoder: DecoderConfig, token_count: int, *, with_adapters: bool) -> LlamaForCausalLM:
    """The language model of a config; of a pretrained one the parameters that are to be trained want gradients.

    with_adapters: whether a model with LoRA gets its adapters, new and without any effect.
    """
    base = decoder.base
    if base is None:
        return LlamaForCausalLM(_own_config(decoder, token_count))
    model = _pretrained(base, decoder)
    if model.get_input_embeddings().num_embeddings < token_count:
        raise WeightsError(f"the tokenizer in {base.folder} has {token_count} tokens, more than its language model knows")
    model.requires_grad_(base.training == "full")
    if base.training == "lora" and with_adapters:
        return add_adapters(model, base)
    return model


def add_adapters(model: LlamaForCausalLM, base: BaseConfig) -> LlamaForCausalLM:
    """The same model with LoRA (Hu et al. 2021, arXiv 2106.09685) in every linear layer but the last; only they learn."""
    from peft import LoraConfig, inject_adapter_in_model

    rules = LoraConfig(
        r=base.lora_rank,
        lora_alpha=base.lora_alpha,
        lora_dropout=base.lora_dropout,
        target_modules=_linear_layers(model),
        bias="none",
    )
    injected: LlamaForCausalLM = inject_adapter_in_model(rules, model, adapter_name=_ADAPTER)
    for name, parameter in injected.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if "lora_" in name:
            parameter.data = parameter.data.float()
    return injected


def merge_adapters(model: nn.Module) -> None:
    """Put adapters into the layers that they belong to, so that they cost nothing any more."""
    if not has_adapters(model):
        return
    from peft.tuners.lora import LoraLayer

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LoraLayer):
                child.merge(safe_merge=True)
                setattr(module, name, child.get_base_layer())


def has_adapters(model: nn.Module) -> bool:
    """Whether there are adapters that are not merged."""
    return any("lora_" in name for name, _ in model.named_parameters())


def belongs_to_base(name: str, base: BaseConfig | None) -> bool:
    """Whether this parameter of the language model stays in the base's folder."""
    return base is not None and base.training != "full" and "lora_" not in name


def _pretrained(base: BaseConfig, decoder: DecoderConfig) -> LlamaForCausalLM:
    folder = Path(base.folder)
    value, digest = read_base_config(folder)
    if base.config_sha256 not in ("", digest):
        raise WeightsError(
            f"{folder / CONFIG_NAME} has the sha256 {digest[:12]}…, expected {base.config_sha256[:12]}…; it is another language"
            " model than the one that this model was trained with"
        )
    for name, key in SIZES.items():
        if value.get(key) != getattr(decoder, name):
            raise WeightsError(f"{folder / CONFIG_NAME} has {key} {value.get(key)}, expected {getattr(decoder, name)}")
    try:
        model, report = LlamaForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=_DTYPES[base.dtype], output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as caught:
        raise WeightsError(f"the language model in {folder} cannot be loaded ({caught})") from caught
    # Old checkpoints of the family also hold the angles of the rotary embedding, which follow from the config.
    unexpected = {name for name in report["unexpected_keys"] if not name.endswith("rotary_emb.inv_freq")}
    wrong = sorted({*report["missing_keys"], *unexpected, *(str(key) for key in report["mismatched_keys"])})
    if wrong:
        raise WeightsError(f"the weights in {folder} do not fit its {CONFIG_NAME}: {', '.join(wrong[:5])}")
    loaded: LlamaForCausalLM = model.eval()
    return loaded


def _linear_layers(model: LlamaForCausalLM) -> list[str]:
    names = {name.rpartition(".")[2] for name, module in model.model.named_modules() if isinstance(module, nn.Linear)}
    return sorted(names)


def _own_config(decoder: DecoderConfig, token_count: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=token_count,
        hidden_size=decoder.width,
        intermediate_size=decoder.intermediate_width,
        num_hidden_layers=decoder.layers,
        num_attention_heads=decoder.attention_heads,
        max_position_embeddings=_MAX_POSITIONS,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
    )
