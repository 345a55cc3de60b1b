# SPDX-License-Identifier: GPL-3.0-or-later
"""Variety for training pictures: exposure, contrast, colour temperature, noise, blur, JPEG and a 3:2 band of a 4:3 picture.

Nothing here moves an object or turns one colour word into another. Letters: B pictures, H height, W width.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .data import SceneTensors

_BAND_ASPECT = 2.0 / 3.0  # CLEVR's released pictures are 480x320
_LEAST_SEEN = 0.25  # share of an object's rectangle that must be inside of a band for the object to stay


def augmented(batch: SceneTensors, rng: np.random.Generator) -> tuple[Tensor, SceneTensors]:
    """Pictures as float (B, 3, H, W) in [0, 1] with variety, and the labels that fit them."""
    if rng.random() < 0.35:
        batch = band(batch)
    images = _some_jpeg(batch.images, rng)
    pictures = images.permute(0, 3, 1, 2).to(torch.float32) / 255.0
    return _photometric(pictures, rng), batch


def band(batch: SceneTensors) -> SceneTensors:
    """The middle rows of each picture with aspect 3:2, which is the picture of the same camera with fewer rows."""
    height, width = batch.images.shape[1:3]
    rows = round(width * _BAND_ASPECT)
    top = (height - rows) // 2
    if top <= 0:
        return batch
    shift = torch.tensor([0.0, float(top)])
    uv = batch.uv - shift
    bbox = batch.bbox - torch.cat([shift, shift])
    seen = bbox[..., 3].clamp(max=rows) - bbox[..., 1].clamp(min=0.0)
    share = seen / (bbox[..., 3] - bbox[..., 1]).clamp(min=1.0)
    inside = (uv[..., 1] >= 0.0) & (uv[..., 1] < rows) & (share >= _LEAST_SEEN)
    images = batch.images[:, top : top + rows].contiguous()
    return SceneTensors(images, batch.camera, batch.exists & inside, uv, bbox, batch.location, batch.words, batch.yaw)


def _some_jpeg(images: Tensor, rng: np.random.Generator) -> Tensor:
    images = images.clone()
    for index in np.flatnonzero(rng.random(len(images)) < 0.2):
        buffer = io.BytesIO()
        Image.fromarray(images[index].numpy()).save(buffer, "JPEG", quality=int(rng.integers(50, 96)))
        images[index] = torch.from_numpy(np.array(Image.open(buffer)))
    return images


def _photometric(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, 3, H, W) in [0, 1] under another exposure, contrast, temperature, blur and noise."""
    count = len(pictures)

    def each(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1, 1)).astype(np.float32))

    gain = torch.exp(each(-0.25, 0.25))
    warmth = each(-0.06, 0.06)
    gains = torch.cat([gain * (1.0 + warmth), gain, gain * (1.0 - warmth)], dim=1)
    pictures = pictures * gains
    middle = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = (middle + (pictures - middle) * torch.exp(each(-0.2, 0.2)) + each(-0.04, 0.04)).clamp(0.0, 1.0)
    pictures = pictures ** torch.exp(each(-0.2, 0.2))
    blurred = torch.from_numpy(np.flatnonzero(rng.random(count) < 0.25))
    if len(blurred):
        share = each(0.2, 1.0)[: len(blurred)]
        soft = _smoothed(pictures[blurred])
        pictures[blurred] = pictures[blurred] * (1.0 - share) + soft * share
    noise = torch.from_numpy(rng.standard_normal(pictures.shape, dtype=np.float32))
    sigma = each(0.0, 0.025) * (each(0.0, 1.0) < 0.6)
    return (pictures + noise * sigma).clamp(0.0, 1.0)


def _smoothed(pictures: Tensor) -> Tensor:
    """Pictures under the kernel (1, 2, 1)/4 along rows and columns; their outermost pixels stay."""
    smooth = pictures.clone()
    smooth[:, :, 1:-1] = 0.25 * (pictures[:, :, :-2] + pictures[:, :, 2:]) + 0.5 * pictures[:, :, 1:-1]
    result = smooth.clone()
    result[..., 1:-1] = 0.25 * (smooth[..., :-2] + smooth[..., 2:]) + 0.5 * smooth[..., 1:-1]
    return result
