# SPDX-License-Identifier: GPL-3.0-or-later
"""Incremental passes through a LLaMA of transformers, written for few positions at a time: what decoding spends its time on.

A pass does what `LlamaModel.forward` with a cache does, in a third of the operations: queries, keys and values are one product,
so are both halves of the MLP, keys and values go into tensors that are already there, and rotations and masks are looked up.

Letters: R rows (programs being written), T positions fed to each, S positions kept, D width, H heads, G heads of keys and
values, E width of a head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import torchvision_operators as torchvision_operators  # before transformers

from transformers import LlamaForCausalLM  # isort: skip

from ..core.errors import WeightsError

_Product = Callable[[Tensor], Tensor]
# Of these the frequencies do not change with the length of the text, so that they can be looked up.
_STEADY_ROTATIONS = ("default", "linear", "llama3", "yarn")
_LEAST_CAPACITY = 64
_WORTH_A_SECOND_THREAD = 20_000_000  # multiplications of a layer


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer, ready to be multiplied with: (N, D) to (N, (H + 2G)·E), and so on."""

    attention_norm: Tensor
    queries_keys_values: _Product
    attention_out: _Product
    mlp_norm: Tensor
    gate_and_up: _Product
    activation: _Product
    down: _Product


class LlamaWeights:
    """The weights of one LlamaForCausalLM, side by side where they are multiplied together.

    The model's own parameters become views of the joined ones: nothing is stored twice, and training goes on to change both.
    """

    def __init__(self, language_model: LlamaForCausalLM) -> None:
        config, body = language_model.config, language_model.model
        rotation = config.rope_parameters["rope_type"]
        if rotation not in _STEADY_ROTATIONS:
            raise WeightsError(
                f"the language model scales its rotary positions by {rotation!r}, which cannot be decoded; it must be one of"
                f" {', '.join(_STEADY_ROTATIONS)}, so take another checkpoint"
            )
        self.heads, self.shared_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_width = config.head_dim
        self.epsilon = config.rms_norm_eps
        self.layers = [_layer_of(layer) for layer in body.layers]
        self.norm = body.norm.weight
        self.frequencies = body.rotary_emb.inv_freq.float()  # (E/2,)
        self.rotation_scale = body.rotary_emb.attention_scaling
        self.layer_size = sum(parameter.numel() for parameter in body.layers[0].parameters())
        self.places = _places_of(language_model)

    @staticmethod
    def of(language_model: LlamaForCausalLM) -> LlamaWeights:
        """The joined weights of this model, made at the first call and again when its parameters were put elsewhere."""
        known = _known.get(language_model)
        if known is None or known.places != _places_of(language_model):
            known = _known[language_model] = LlamaWeights(language_model)
        return known


_known: WeakKeyDictionary[LlamaForCausalLM, LlamaWeights] = WeakKeyDictionary()


class LlamaSteps:
    """Keys and values of R rows, and the passes that feed them. Rows may be of different lengths and end one by one."""

    def __init__(self, language_model: LlamaForCausalLM, rows: int, capacity: int = _LEAST_CAPACITY) -> None:
        self._weights = LlamaWeights.of(language_model)
        self.lengths = [0] * rows
        self.passes = 0
        self._capacity = 0
        self._cache: list[tuple[Tensor, Tensor]] = []  # keys and values of each layer, (R, S, G, E)
        self._reserve(max(capacity, _LEAST_CAPACITY))

    @torch.inference_mode()
    def feed(self, embedded: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """Feed embeddings (R, T, D) and return the normed hidden states after each of them (R, T, D), ready for lm_head.

        Of row r only the first lengths[r] positions count (all where lengths is None); what comes out after them is noise.
        """
        r, t, d = embedded.shape
        self._reserve(max(self.lengths) + t)
        with _one_thread_for(r * t * self._weights.layer_size):
            hidden = self._pass(embedded.reshape(r * t, d), r, t)
        self.lengths = [length + fed for length, fed in zip(self.lengths, lengths or [t] * r, strict=True)]
        self.passes += 1
        return hidden.view(r, t, d)

    def forget(self, row: int, count: int) -> None:
        """Take back the last `count` positions of a row, as if they had not been fed."""
        self.lengths[row] -= count

    @torch.inference_mode()
    def drop(self, row: int) -> None:
        """End a row. The last row takes its number."""
        last = len(self.lengths) - 1
        length = self.lengths[last]
        for tensors in self._cache if row != last else ():
            for tensor in tensors:
                tensor[row, :length] = tensor[last, :length]
        self.lengths[row] = length
        self.lengths.pop()

    def _pass(self, x: Tensor, r: int, t: int) -> Tensor:
        """All layers and the last norm, (R·T, D) to (R·T, D)."""
        weights, placed, width = self._weights, self._places(t), x.shape[1:]
        for layer, (keys, values) in zip(weights.layers, self._cache, strict=True):
            normed = F.rms_norm(x, width, layer.attention_norm, weights.epsilon)
            projected = layer.queries_keys_values(normed).view(r, t, -1, weights.head_width)
            x = x + layer.attention_out(self._attend(projected, keys, values, placed))
            normed = F.rms_norm(x, width, layer.mlp_norm, weights.epsilon)
            gate, up = layer.gate_and_up(normed).chunk(2, dim=-1)
            x = x + layer.down(layer.activation(gate) * up)
        return F.rms_norm(x, width, weights.norm, weights.epsilon)

    def _attend(self, projected: Tensor, keys: Tensor, values: Tensor, placed: _Placed) -> Tensor:
        """Projections (R, T, H + 2G, E) to what is attended to (R·T, H·E); keys and values are kept."""
        heads, shared = self._weights.heads, self._weights.shared_heads
        r, t, _, width = projected.shape
        turning = projected[:, :, : heads + shared]
        turned = torch.addcmul(turning * placed.cosine, turning.roll(width // 2, -1), placed.sine)
        keys[placed.index] = turned[:, :, heads:]
        values[placed.index] = projected[:, :, heads + shared :]
        attended = F.scaled_dot_product_attention(
            turned[:, :, :heads].transpose(1, 2),
            keys[:r, : placed.end].transpose(1, 2),
            values[:r, : placed.end].transpose(1, 2),
            attn_mask=placed.mask,
            enable_gqa=heads != shared,
        )
        return attended.transpose(1, 2).reshape(r * t, heads * width)

    def _places(self, t: int) -> _Placed:
        """Where the next T positions of each row go, and what they may see."""
        r, start = len(self.lengths), self.lengths[0]
        if all(length == start for length in self.lengths):
            end = start + t
            mask = None if t == 1 else self._causal[start:end, :end]
            index = (slice(0, r), slice(start, end))
            return _Placed(self._cosine[start:end], self._sine[start:end], mask, index, end)
        device = self._cosine.device
        positions = torch.tensor(self.lengths, device=device)[:, None] + torch.arange(t, device=device)  # (R, T)
        end = max(self.lengths) + t
        mask = self._causal[positions, :end][:, None]  # (R, 1, T, S)
        rows = torch.arange(r, device=device)[:, None]
        return _Placed(self._cosine[positions], self._sine[positions], mask, (rows, positions), end)

    def _reserve(self, positions: int) -> None:
        """Make room for so many positions of every row."""
        if positions <= self._capacity:
            return
        weights, rows = self._weights, len(self.lengths)
        capacity = max(positions, 2 * self._capacity)
        like = weights.norm
        shape = (rows, capacity, weights.shared_heads, weights.head_width)
        with torch.inference_mode():
            # Zeros, because a NaN that lies behind the mask would still spoil what it is multiplied with.
            cache = [(like.new_zeros(shape), like.new_zeros(shape)) for _ in weights.layers]
            for (keys, values), (old_keys, old_values) in zip(cache, self._cache, strict=False):
                keys[:, : self._capacity] = old_keys[:rows]
                values[:, : self._capacity] = old_values[:rows]
            angles = torch.arange(capacity, device=like.device)[:, None].float() * weights.frequencies.to(like.device)
            scale = weights.rotation_scale
            cosine, sine = angles.cos() * scale, angles.sin() * scale
            # (S, 1, E): half of a head is turned against the other half.
            self._cosine = torch.cat([cosine, cosine], dim=1).to(like.dtype)[:, None]
            self._sine = torch.cat([-sine, sine], dim=1).to(like.dtype)[:, None]
            self._causal = like.new_full((capacity, capacity), -math.inf).triu(1)
        self._cache, self._capacity = cache, capacity


@contextmanager
def _one_thread_for(multiplications: int) -> Iterator[None]:
    """Small products are over before a second thread has woken up, all the more where other programs want the processor too."""
    threads = torch.get_num_threads()
    if threads == 1 or multiplications > _WORTH_A_SECOND_THREAD:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Rotations of T positions (T, 1, E) or (R, T, 1, E), what they may not see, where they are kept, and where all ends."""

    cosine: Tensor
    sine: Tensor
    mask: Tensor | None
    index: tuple[slice, slice] | tuple[Tensor, Tensor]
    end: int


def _layer_of(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        attention_norm=layer.input_layernorm.weight,
        queries_keys_values=_joined([attention.q_proj, attention.k_proj, attention.v_proj]),
        attention_out=_joined([attention.o_proj]),
        mlp_norm=layer.post_attention_layernorm.weight,
        gate_and_up=_joined([mlp.gate_proj, mlp.up_proj]),
        activation=mlp.act_fn,
        down=_joined([mlp.down_proj]),
    )


def _joined(modules: list[Any]) -> _Product:
    """One product in place of several. What is no plain linear layer (an adapter, say) is called as it is."""
    if any(type(module) is not nn.Linear for module in modules):
        return lambda x: torch.cat([module(x) for module in modules], dim=-1)
    weight = _joined_parameters([module.weight for module in modules])
    if modules[0].bias is None:
        return partial(torch.mm, mat2=weight)
    return partial(_affine, weight=weight, bias=_joined_parameters([module.bias for module in modules]))


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addmm(bias, x, weight)


@torch.inference_mode(False)
@torch.no_grad()
def _joined_parameters(parameters: list[nn.Parameter]) -> Tensor:
    """Parameters beside each other in one tensor, of which they become views: matrices as (inputs, outputs), which is the order
    in which a product with few rows reads them fastest."""
    joined = torch.cat([parameter.data.t() for parameter in parameters], dim=-1)
    parts = torch.split(joined, [len(parameter) for parameter in parameters], dim=-1)
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.t()
    return joined


def _places_of(language_model: LlamaForCausalLM) -> list[tuple[int, int]]:
    """Which modules the layers are made of, and where in memory their weights stand."""
    modules = [language_model.model.norm]
    for layer in language_model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        modules += [layer.input_layernorm, attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
        modules += [layer.post_attention_layernorm, mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    return [(id(module), module.weight.data_ptr()) for module in modules]
