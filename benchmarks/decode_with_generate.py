# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of a picture by `generate` of transformers: the job of model_runner/decoding.py, done as it is usually done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from igllm_addon.model_runner import torchvision_operators as torchvision_operators  # before transformers

from transformers import LlamaForCausalLM, LogitsProcessor  # isort: skip

from igllm_addon.core.scene import Scene, SceneObject
from igllm_addon.model_runner.model import Glimpse, Igllm
from igllm_addon.model_runner.program_tokens import (
    ADD,
    CAMERA,
    CAMERA_NUMBERS,
    END,
    LOCATION_NUMBERS,
    NUMBER,
    START,
    YAW_NUMBERS,
    ProgramTokens,
)

_MOST_NEW_TOKENS = 256
_TOLERANCE = 2.1e-4  # two units of the last decimal: both sides round
_OBJECT_START = (ADD, NUMBER)


class _Numbers(LogitsProcessor):  # type: ignore[misc]
    """Reads numbers from the state before their [NUM], which it forces."""

    def __init__(self, model: Igllm, glimpse: Glimpse) -> None:
        self._model, self._glimpse = model, glimpse
        self.visual = model.visual_embeddings(glimpse)
        self._starts = model.word_starts(model.told_words(glimpse))
        self._free = torch.ones(glimpse.score.shape[1], dtype=torch.bool)
        self._peak = 0
        self.hidden = torch.empty(0)  # (1, D), after the last token
        self.read: list[list[float]] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        tokens = input_ids[0].tolist()
        if not is_before_number(tokens, self._model.tokens):
            return self._started(tokens, scores)
        forced = torch.full_like(scores, -math.inf)
        forced[:, NUMBER] = 0.0
        return forced

    def _started(self, tokens: list[int], scores: Tensor) -> Tensor:
        """Scores of words, from where the tower starts them."""
        table = self._model.tokens
        for name, before in zip(table.fields, (None, *table.fields), strict=False):
            comes = tokens[-2:] == [ADD, NUMBER] if before is None else tokens[-1] in table.word_tokens(before)
            if comes and name in self._starts:
                scores = scores.clone()
                scores[:, list(table.word_tokens(name))] += self._starts[name][:, self._peak]
        return scores

    def fed(self, tokens: list[int]) -> Tensor:
        """What is fed for the [NUM] at the end of the tokens (1, D)."""
        model, glimpse, hidden = self._model, self._glimpse, self.hidden
        before = tokens[-2] if len(tokens) > 1 else CAMERA
        about: Tensor | float = 0.0
        if before == CAMERA:
            quantity, start = CAMERA_NUMBERS, glimpse.camera
        elif before == ADD:
            logits = model.pointer_logits(hidden[:, None], self.visual)[0, 0].masked_fill(~self._free, -math.inf)
            self._peak = int(logits.argmax())
            self._free[self._peak] = False
            quantity, start = LOCATION_NUMBERS, glimpse.location[:, self._peak]
            about = self.visual[:, 1 + self._peak]
        else:
            quantity, start = YAW_NUMBERS, glimpse.rotation[:, self._peak]
        numbers = start + model.numeric_heads[quantity](hidden)
        self.read.append(numbers[0].tolist())
        return model.embed_tokens(torch.tensor([NUMBER])) + model.embed_numbers(quantity, numbers) + about


class _Llama(LlamaForCausalLM):  # type: ignore[misc]
    """Feeds numbers with the embedding of their [NUM]: `generate` itself knows only tokens."""

    numbers: _Numbers

    # `generate` looks at the names of these parameters.
    def prepare_inputs_for_generation(
        self, input_ids: Tensor, inputs_embeds: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, inputs_embeds=inputs_embeds, **kwargs)
        if input_ids.shape[1] and int(input_ids[0, -1]) == NUMBER:
            inputs["inputs_embeds"] = self.numbers.fed(input_ids[0].tolist())[:, None]
            inputs["input_ids"] = None
        return inputs


def is_before_number(tokens: list[int], table: ProgramTokens) -> bool:
    """Whether only a [NUM] may follow, in a program that starts after `camera`."""
    if not tokens or tokens[-1] == ADD:
        return True
    return tokens[-1] in table.word_tokens("shape") and table.carries_rotation(tokens[-1])


@dataclass(frozen=True, slots=True)
class GeneratedProgram:
    """A valid program's objects."""

    objects: tuple[SceneObject, ...]

    def says_the_same(self, scene: Scene) -> bool:
        """Whether the scene has the same objects in the same order, numbers but for their last decimal."""
        pairs = list(zip(self.objects, scene.objects, strict=False))
        return len(self.objects) == len(scene.objects) and all(_is_same(one, other) for one, other in pairs)


class Generating:
    """transformers' side: the same weights in a model of its own, laid out as it was loaded."""

    def __init__(self, model: Igllm) -> None:
        self.model = model
        self.llama = _Llama(model.language_model.config).eval().requires_grad_(False)
        self.llama.load_state_dict(model.language_model.state_dict())
        self.llama.model.register_forward_hook(self._after_pass)
        self.passes = 0
        self._fed: list[Tensor] = []

    def _after_pass(self, module: torch.nn.Module, inputs: object, output: Any) -> None:
        self.passes += 1
        self.llama.numbers.hidden = output.last_hidden_state[:, -1]

    @torch.inference_mode()
    def write(self, glimpse: Glimpse) -> tuple[list[int], list[list[float]]]:
        """The tokens after `camera`, and the numbers of the [NUM]s among them."""
        self.passes = 0
        numbers = self.llama.numbers = _Numbers(self.model, glimpse)
        prompt = torch.cat([numbers.visual, self.model.embed_tokens(torch.tensor([[START, CAMERA]]))], dim=1)
        output = self.llama.generate(
            inputs_embeds=prompt,
            attention_mask=torch.ones(prompt.shape[:2], dtype=torch.int64),
            max_new_tokens=_MOST_NEW_TOKENS,
            do_sample=False,
            eos_token_id=END,
            pad_token_id=END,
            logits_processor=[numbers],
        )
        self._tokens = output
        return output[0].tolist(), numbers.read

    @torch.inference_mode()
    def passed_again(self, glimpse: Glimpse) -> Tensor:
        """The pass over the whole of the last program that IG-LLM reads its numbers from."""
        visual = self.llama.numbers.visual
        embedded = torch.cat([visual, self.model.embed_tokens(self._tokens)], dim=1)
        hidden: Tensor = self.llama.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return hidden


def generated_program(generating: Generating, glimpse: Glimpse) -> GeneratedProgram | None:
    """The program that `generate` writes, or None where it is not in the grammar."""
    tokens, numbers = generating.write(glimpse)
    model = generating.model
    if tokens[:1] != [NUMBER] or tokens[-1] != END:
        return None
    objects = []
    place, read = 1, 1
    while tokens[place] != END:
        if (words := _words_at(tokens, place, model.tokens)) is None:
            return None
        x, y, z = numbers[read]
        place, read = place + 2 + len(words), read + 1
        rotation = None
        if model.config.vocabulary.carries_rotation(words["shape"]):
            sine, cosine = numbers[read]
            place, read = place + 1, read + 1
            rotation = (math.atan2(sine, cosine) / (model.config.vocabulary.yaw_symmetry_orders.get(words["shape"], 1) or 1),)
        objects.append(SceneObject(**words, location=(x, y, z), rotation=rotation))
    return GeneratedProgram(tuple(objects))


def _words_at(tokens: list[int], place: int, table: ProgramTokens) -> dict[str, str] | None:
    """The words of the object whose `add` stands here, or None where something else stands instead."""
    chosen = tokens[place + 2 : place + 2 + len(table.fields)]
    ranges = [table.word_tokens(field) for field in table.fields]
    if tuple(tokens[place : place + 2]) != _OBJECT_START or len(chosen) < len(ranges):
        return None
    if not all(token in words for token, words in zip(chosen, ranges, strict=True)):
        return None
    named = zip(table.fields, chosen, ranges, strict=True)
    return {field: table.vocabulary.words[field][token - words.start] for field, token, words in named}


def _is_same(one: SceneObject, other: SceneObject) -> bool:
    first, second = ((*(item.location or ()), *(item.rotation or ())) for item in (one, other))
    words = [(item.shape, item.size, item.color, item.material) for item in (one, other)]
    if words[0] != words[1] or len(first) != len(second):
        return False
    return all(math.isclose(a, b, abs_tol=_TOLERANCE) for a, b in zip(first, second, strict=True))
