# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphics code as a model should learn to write it: keywords in random order and synonyms at random. No bpy, no torch.

IG-LLM (arXiv 2404.15228) trains on such texts. Whatever is drawn, `parse` reads the same scene from it as from canonical text.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .graphics_code import camera_statement, number_text, object_arguments
from .scene import Scene, SceneObject
from .vocabulary import WORD_FIELDS, Vocabulary


def varied_code(
    scene: Scene,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    *,
    shuffle_attributes: bool = True,
    synonyms: bool = True,
    number: Callable[[float], str] = number_text,
) -> str:
    """A program of the scene, one statement a line like canonical text, the camera first and the objects in their order.

    shuffle_attributes: every object's keywords in an order of their own. synonyms: every word is drawn from itself and its
    synonyms, each as likely. number: writes one number; a format with few decimals gives the scene with rounded numbers.
    Nothing is checked here, because a training calls this in every step: the scene must be one that `serialize` accepts.
    """
    lines = [] if scene.camera is None else [camera_statement(scene.camera, number)]
    for item in scene.objects:
        chosen = _with_synonyms(item, vocabulary, rng) if synonyms else item
        arguments = object_arguments(chosen, vocabulary, number)
        if shuffle_attributes:
            arguments = [arguments[index] for index in rng.permutation(len(arguments))]
        lines.append(f"add({', '.join(arguments)})")
    return "".join(line + "\n" for line in lines)


def words_alike(vocabulary: Vocabulary, field_name: str, word: str) -> tuple[str, ...]:
    """The word and its synonyms, in the vocabulary's order."""
    pairs = vocabulary.synonyms.get(field_name, {})
    return (word, *(other for other, canonical in pairs.items() if canonical == word))


def _with_synonyms(item: SceneObject, vocabulary: Vocabulary, rng: np.random.Generator) -> SceneObject:
    words: dict[str, str | None] = dict.fromkeys(WORD_FIELDS)
    for name in WORD_FIELDS:
        if (word := getattr(item, name)) is not None:
            alike = words_alike(vocabulary, name, word)
            words[name] = alike[int(rng.integers(len(alike)))]
    return SceneObject(location=item.location, rotation=item.rotation, **words)
