# SPDX-License-Identifier: GPL-3.0-or-later
"""The predictor with the weights that ship, on a picture that no training saw, and its behaviour with tiny ones."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tiny_models import tiny_model

from igllm_addon.core.errors import UsageError
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.metrics import score_picture
from igllm_addon.model_runner.predictor import Prediction, Predictor, Progress, Statement
from igllm_addon.model_runner.shipped import model_directory, shipped_models

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.load(model_directory("clevr-small"))


def _final(predictor: Predictor, image: Image.Image) -> Prediction:
    *_, last = predictor.predict(image)
    assert isinstance(last, Prediction)
    return last


def test_the_shipped_model_reads_a_picture_that_no_training_saw(shipped: Predictor) -> None:
    truth = parse((DATA / "clevr_val_000003.code.txt").read_text(), CLEVR).scene

    prediction = _final(shipped, Image.open(DATA / "clevr_val_000003.png"))

    found = parse(prediction.code, CLEVR)
    assert found.error is None
    score = score_picture(truth.objects, found.scene.objects)
    assert score.is_exact()
    assert len(prediction.confidences) == len(truth.objects)
    assert min(prediction.confidences) > 0.1


def test_the_shipped_model_reads_the_same_picture_at_another_size(shipped: Predictor) -> None:
    picture = Image.open(DATA / "clevr_val_000003.png")

    prediction = _final(shipped, picture.resize((480, 360), Image.Resampling.BICUBIC))

    assert prediction.code.count("add(") == 7


def test_an_empty_picture_gives_a_valid_program_without_confident_objects(shipped: Predictor) -> None:
    prediction = _final(shipped, Image.new("RGB", (240, 180), (100, 100, 100)))

    assert parse(prediction.code, CLEVR).error is None
    assert all(confidence < 0.5 for confidence in prediction.confidences)


def test_progress_comes_first_statements_as_they_are_written_and_the_prediction_last() -> None:
    messages = list(Predictor(tiny_model(1)).predict(Image.new("RGB", (64, 48))))

    assert isinstance(messages[0], Progress)
    assert isinstance(messages[-1], Prediction)
    statements = [message for message in messages if isinstance(message, Statement)]
    assert "".join(statement.text for statement in statements) == messages[-1].code
    assert statements[0].text.startswith("camera(")


def test_the_same_picture_gives_the_same_program(shipped: Predictor) -> None:
    picture = Image.open(DATA / "clevr_val_000003.png")

    assert _final(shipped, picture) == _final(shipped, picture)


def test_many_pictures_of_several_sizes_are_answered_in_their_order() -> None:
    predictor = Predictor(tiny_model(1))
    colors = ["red", "green", "blue", "white", "black"]
    pictures = [Image.new("RGB", (64, height), color) for height, color in zip([48, 48, 48, 40, 48], colors, strict=True)]

    predictions = list(predictor.predict_many(pictures, batch=2))

    alone = [_final(predictor, picture) for picture in pictures]
    assert [re.sub(r"[\d.]+", "", found.code) for found in predictions] == [re.sub(r"[\d.]+", "", one.code) for one in alone]
    confidences = [confidence for one in alone for confidence in one.confidences]
    assert [value for found in predictions for value in found.confidences] == pytest.approx(confidences, abs=1e-4)


def test_no_more_pictures_are_taken_than_are_looked_at_together() -> None:
    predictor, taken = Predictor(tiny_model(1)), []

    def pictures() -> Iterator[Image.Image]:
        for index in range(7):
            taken.append(index)
            yield Image.new("RGB", (64, 48))

    next(predictor.predict_many(pictures(), batch=3))

    assert len(taken) <= 4


def test_a_picture_that_is_a_stripe_is_refused() -> None:
    with pytest.raises(UsageError, match="1000x10 pixels"):
        list(Predictor(tiny_model(1)).predict(Image.new("RGB", (1000, 10))))


@pytest.mark.parametrize("name", shipped_models())
def test_the_model_card_names_the_weights_that_ship(name: str) -> None:
    folder = model_directory(name)
    data = (folder / "model.safetensors").read_bytes()
    digest = hashlib.sha256(data).hexdigest()

    assert len(data) <= 30_000_000
    assert digest in (folder / "MODEL_CARD.md").read_text()
    assert json.loads((folder / "config.json").read_text())["weights_sha256"] == digest
