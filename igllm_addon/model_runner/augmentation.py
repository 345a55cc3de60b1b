# SPDX-License-Identifier: GPL-3.0-or-later
"""Variety for training pictures: exposure, contrast, temperature, sharpness, noise, JPEG, and a 3:2 band of a 4:3 picture.

Nothing here moves an object, and only recoloured turns one colour word into another. Letters: B pictures, H height, W width.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .data import SceneTensors

_BAND_ASPECT = 2.0 / 3.0  # CLEVR's released pictures are 480x320
_LARGEST_NOISE = 0.035  # standard deviation of a pixel, of 1
_LEAST_SEEN = 0.25  # share of an object's rectangle that must be inside of a band for the object to stay


def augmented(batch: SceneTensors, rng: np.random.Generator, *, bands: bool = True) -> tuple[Tensor, SceneTensors]:
    """Pictures as float (B, 3, H, W) in [0, 1] with variety, and the labels that fit them. bands: also of their middle rows."""
    if bands and rng.random() < 0.35:
        batch = band(batch)
    return _photometric(_some_jpeg(batch.images, rng), rng), batch


def recoloured(pictures: Tensor, share: float) -> Tensor:
    """Pictures (B, 3, H, W) of which about this share has its channels in a random order: other hues for all that is not gray,
    the same lightness. From torch's own generator of random numbers."""
    order = torch.rand(len(pictures), 3).argsort(dim=1)
    order = torch.where(torch.rand(len(pictures), 1) < share, order, torch.arange(3)).to(pictures.device)
    return pictures.gather(1, order[:, :, None, None].expand_as(pictures))


def plain_pictures(scenes: SceneTensors) -> Tensor:
    """(B, 3, H, W) in [0, 1], as they are."""
    return scenes.images.permute(0, 3, 1, 2).to(torch.float32) / 255.0


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
    return replace(batch, images=images, exists=batch.exists & inside, uv=uv, bbox=bbox)


def _some_jpeg(images: Tensor, rng: np.random.Generator) -> Tensor:
    images = images.clone()
    for index in np.flatnonzero(rng.random(len(images)) < 0.2):
        buffer = io.BytesIO()
        Image.fromarray(images[index].numpy()).save(buffer, "JPEG", quality=int(rng.integers(50, 96)))
        images[index] = torch.from_numpy(np.array(Image.open(buffer)))
    return images


def _photometric(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Bytes (B, H, W, 3) as (B, 3, H, W) in [0, 1] under another exposure, contrast, temperature, sharpness and noise."""
    pictures = _under_tables(images, _tables(images, rng))
    count = len(pictures)
    sharpness = rng.uniform(-1.0, 1.0, count).astype(np.float32) * (rng.random(count) < 0.4)
    changed = torch.from_numpy(np.flatnonzero(sharpness))
    if len(changed):
        share = torch.from_numpy(sharpness)[changed].reshape(-1, 1, 1, 1)
        sharp = pictures[changed]
        pictures[changed] = sharp + share * (sharp - _smoothed(sharp))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    for index in np.flatnonzero(rng.random(count) < 0.6):
        sigma = float(rng.uniform(0.0, _LARGEST_NOISE))
        pictures[index] += sigma * torch.randn(pictures[index].shape, generator=generator)
    return pictures.clamp_(0.0, 1.0)


def _tables(images: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, 3, 256): what each byte of each channel becomes. Every change that looks at one number at a time is in it."""
    count = len(images)

    def each(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1, 1)).astype(np.float32))

    gain, warmth = torch.exp(each(-0.25, 0.25)), each(-0.06, 0.06)
    gains = torch.cat([gain * (1.0 + warmth), gain, gain * (1.0 - warmth)], dim=1)  # (B, 3, 1)
    mean = images[:, ::4, ::4].to(torch.float32).mean(dim=(1, 2)) / 255.0  # (B, 3)
    middle = (mean[..., None] * gains).mean(dim=1, keepdim=True)
    levels = torch.arange(256, dtype=torch.float32) / 255.0 * gains
    levels = (middle + (levels - middle) * torch.exp(each(-0.2, 0.2)) + each(-0.04, 0.04)).clamp(0.0, 1.0)
    table: Tensor = levels ** torch.exp(each(-0.2, 0.2))
    return table


def _under_tables(images: Tensor, tables: Tensor) -> Tensor:
    """Bytes (B, H, W, 3) looked up in (B, 3, 256): (B, 3, H, W), its memory in the order of the bytes."""
    b, height, width, _ = images.shape
    first = torch.arange(0, b * 3 * 256, 256).reshape(b, 1, 1, 3)
    looked_up = torch.take(tables, images.long() + first)
    return looked_up.reshape(b, height, width, 3).permute(0, 3, 1, 2)


def _smoothed(pictures: Tensor) -> Tensor:
    """Pictures under the kernel (1, 2, 1)/4 along rows and columns; their outermost pixels stay."""
    smooth = pictures.clone()
    smooth[:, :, 1:-1] = 0.25 * (pictures[:, :, :-2] + pictures[:, :, 2:]) + 0.5 * pictures[:, :, 1:-1]
    result = smooth.clone()
    result[..., 1:-1] = 0.25 * (smooth[..., :-2] + smooth[..., 2:]) + 0.5 * smooth[..., 1:-1]
    return result
