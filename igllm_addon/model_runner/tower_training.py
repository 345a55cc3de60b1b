# SPDX-License-Identifier: GPL-3.0-or-later
"""The first stage of training: the vision tower alone, with dense targets.

Letters: B pictures, M most objects of a picture, N objects of a batch, h and w cells of the centre map.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import UsageError
from ..core.vocabulary import Vocabulary
from .augmentation import augmented
from .config import GeometryConfig
from .data import MOST_OBJECTS, SceneTensors
from .vision import STRIDE, TowerMaps, VisionTower, strongest_peaks

_SPREAD_PER_HALF_EXTENT_M = 2.5  # cells of standard deviation of a centre's Gaussian, per metre of the object's half extent
_LOSS_WEIGHTS = {
    "heat": 1.0,
    "offset": 0.5,
    "yaw": 1.0,
    "xy": 2.0,
    "camera": 0.5,
    "votes": 0.1,
    "depth": 0.3,
    "doubt": 0.5,
}  # words: 1 each
_EMPTY_PLACES = 2  # of each picture, the highest peaks of the centre map where no object is, from which to learn to doubt
_LEAST_EMPTY_CELLS = 1.5  # from the nearest centre
_CELL_JITTER = 0.45  # cells; a peak can lie one cell beside the centre, and its description has to be right there too


def tower_step_loss(
    tower: VisionTower, batch: SceneTensors, rng: np.random.Generator, weights: Mapping[str, float] = MappingProxyType({})
) -> dict[str, Tensor]:
    """The parts of the loss of a batch of scenes under fresh variety; their weighted sum is "loss". weights: of parts that shall
    weigh otherwise than usual; UsageError where the loss has no such part."""
    pictures, batch = augmented(batch, rng)
    device = tower.half_extents.device
    pictures, batch = pictures.to(device), batch.to(device)
    maps = tower(pictures)
    # An object on the ground is as high as half of it.
    spread = _SPREAD_PER_HALF_EXTENT_M * batch.location[..., 2].clamp(min=0.1)
    parts = {"heat": centre_map_loss(maps.heat, batch, spread)}
    picture, column_of_object = torch.nonzero(batch.exists, as_tuple=True)
    uv = batch.uv[picture, column_of_object]
    jitter = torch.from_numpy(rng.uniform(-_CELL_JITTER, _CELL_JITTER, tuple(uv.shape)).astype(np.float32)).to(device)
    cell = torch.floor(uv / STRIDE + jitter).long()
    column = cell[:, 0].clamp(0, maps.heat.shape[2] - 1)
    row = cell[:, 1].clamp(0, maps.heat.shape[1] - 1)
    row, column = climbed_cells(maps.heat.detach(), picture, row, column)
    seen = tower.describe(maps, picture, row, column, torch.ones(len(picture), device=device))
    focal = tower.config.input_width_px * tower.geometry.focal_length_mm / tower.geometry.sensor_width_mm
    height_px, width_px = pictures.shape[2:]
    place = torch.stack([uv[:, 0] - width_px / 2, height_px / 2 - uv[:, 1]], dim=1) / focal
    parts["offset"] = F.l1_loss(seen.place * (focal / STRIDE), place * (focal / STRIDE))
    for index, name in enumerate(tower.fields):
        parts[name] = F.cross_entropy(seen.words[name], batch.words[picture, column_of_object, index])
    parts["yaw"] = _yaw_loss(tower.vocabulary, seen.yaw, batch, picture, column_of_object)
    parts["xy"] = F.smooth_l1_loss(seen.xy, batch.location[picture, column_of_object, :2], beta=0.1)
    # One unit is 0.1 metres of distance and 0.01 radians of elevation, about what can be seen.
    scale = torch.tensor([10.0, 100.0], device=device)
    parts["camera"] = F.smooth_l1_loss(seen.camera * scale, batch.camera * scale)
    alone = F.smooth_l1_loss(maps.camera * scale, batch.camera * scale)
    parts["votes"] = alone + F.smooth_l1_loss(seen.votes * scale, batch.camera[picture] * scale)
    # One unit is a hundredth of the depth.
    deep = object_depths(tower.geometry, batch, picture, column_of_object)
    parts["depth"] = F.smooth_l1_loss(100.0 * torch.log(seen.depth / deep), torch.zeros_like(deep))
    if tower.config.second_look_px:
        parts["doubt"] = _doubt_loss(tower, maps, batch, (picture, row, column), seen.doubt)
    parts["loss"] = weighed_sum(parts, _LOSS_WEIGHTS, weights)
    return parts


def weighed_sum(
    parts: Mapping[str, Tensor], usual: Mapping[str, float], weights: Mapping[str, float], absent: Iterable[str] = ()
) -> Tensor:
    """The sum of a loss's parts, each times what `weights` says of it, else what is usual, else 1. absent: parts that this step
    does not have but others do. UsageError where `weights` names what is no part."""
    known = dict.fromkeys((*absent, *parts))
    if unknown := sorted(weights.keys() - known.keys()):
        raise UsageError(f"training.tower.loss_weights names {unknown[0]!r}; the parts of this loss are {', '.join(known)}.")
    weighing = {**usual, **weights}
    return torch.stack([weighing.get(name, 1.0) * value for name, value in parts.items()]).sum()


def climbed_cells(heat: Tensor, picture: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Each cell (N,), or the highest of its eight neighbours in the centre maps (B, h, w): where a peak will be, and of an object
    that is half hidden that is often beside its centre."""
    down, right = (offset.flatten() for offset in torch.meshgrid(*[torch.arange(-1, 2, device=heat.device)] * 2, indexing="ij"))
    rows = (row[:, None] + down).clamp(0, heat.shape[1] - 1)  # (N, 9)
    columns = (column[:, None] + right).clamp(0, heat.shape[2] - 1)
    best = heat[picture[:, None], rows, columns].argmax(dim=1, keepdim=True)
    return rows.gather(1, best)[:, 0], columns.gather(1, best)[:, 0]


def _doubt_loss(
    tower: VisionTower, maps: TowerMaps, batch: SceneTensors, objects: tuple[Tensor, Tensor, Tensor], doubt: Tensor
) -> Tensor:
    """How well centre map and second look together tell the objects, and what looks like one, apart: picture, row and column of
    the objects' cells, (N,) each, and what the second look says there (N,). The centre map itself learns nothing from it."""
    picture, row, column = objects
    heat = maps.heat.detach()
    nearby = F.max_pool2d(heat[:, None], 3, 1, 1)[:, 0]
    score, peak_row, peak_column = strongest_peaks(heat, MOST_OBJECTS + _EMPTY_PLACES)
    cells = torch.stack([peak_column, peak_row], dim=2) + 0.5  # (B, K, 2)
    apart = torch.linalg.vector_norm(cells[:, :, None] - batch.uv[:, None] / STRIDE, dim=3)  # (B, K, M)
    nearest = apart.masked_fill(~batch.exists[:, None], math.inf).amin(dim=2)
    rated = torch.where((nearest >= _LEAST_EMPTY_CELLS) & (score > 0.0), score, torch.full_like(score, -1.0))
    best = torch.topk(rated, _EMPTY_PLACES, dim=1)
    empty, which = torch.nonzero(best.values >= 0.0, as_tuple=True)
    chosen = best.indices[empty, which]
    empty_row, empty_column = peak_row[empty, chosen], peak_column[empty, chosen]
    unseen = tower.describe(maps, empty, empty_row, empty_column, torch.ones(len(empty), device=heat.device))
    logits = torch.cat([nearby[picture, row, column] + doubt, heat[empty, empty_row, empty_column] + unseen.doubt])
    targets = torch.cat([torch.ones_like(doubt), torch.zeros_like(unseen.doubt)])
    return F.binary_cross_entropy_with_logits(logits, targets)


@torch.no_grad()
def settle_statistics(tower: VisionTower, batches: Iterable[SceneTensors], rng: np.random.Generator) -> None:
    """Set the running statistics of all normalisations to their plain average over these batches under variety."""
    norms = [module for module in tower.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's way to say: average
    tower.train()
    device = tower.half_extents.device
    for batch in batches:
        tower(augmented(batch, rng)[0].to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def hold_statistics(tower: VisionTower) -> None:
    """Let normalisations use their running statistics and leave them as they are."""
    for module in tower.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def object_depths(geometry: GeometryConfig, batch: SceneTensors, picture: Tensor, index: Tensor) -> Tensor:
    """(N,) metres: how deep the centres of the objects lie in front of their cameras."""
    location = batch.location[picture, index]
    distance, elevation = batch.camera[picture].unbind(dim=1)
    azimuth = geometry.azimuth_radians
    toward = torch.stack(
        [torch.cos(elevation) * math.cos(azimuth), torch.cos(elevation) * math.sin(azimuth), torch.sin(elevation)]
    )
    return distance - (location * toward.T).sum(dim=1)


def centre_map_loss(heat: Tensor, batch: SceneTensors, spread: Tensor) -> Tensor:
    """The penalty-reduced focal loss of CenterNet (Zhou et al. 2019, arXiv 1904.07850, section 3), per object. spread (B, M): the
    standard deviation of each object's Gaussian, in cells; where no object is it must not be zero."""
    rows = torch.arange(heat.shape[1], device=heat.device) + 0.5
    columns = torch.arange(heat.shape[2], device=heat.device) + 0.5
    centre = batch.uv / STRIDE  # (B, M, 2)
    along = torch.exp(-((columns - centre[..., :1]) ** 2) / (2.0 * spread[..., None] ** 2))  # (B, M, w)
    down = torch.exp(-((rows - centre[..., 1:]) ** 2) / (2.0 * spread[..., None] ** 2))  # (B, M, h)
    down = down * batch.exists[..., None]
    target = (down[..., :, None] * along[..., None, :]).amax(dim=1)  # (B, h, w)
    picture, index = torch.nonzero(batch.exists, as_tuple=True)
    cell = torch.floor(centre[picture, index]).long()
    is_centre = torch.zeros_like(heat, dtype=torch.bool)
    is_centre[picture, cell[:, 1].clamp(0, heat.shape[1] - 1), cell[:, 0].clamp(0, heat.shape[2] - 1)] = True
    probability = torch.sigmoid(heat)
    found = -((1.0 - probability) ** 2 * F.logsigmoid(heat))[is_centre].sum()
    invented = -((1.0 - target) ** 4 * probability**2 * F.logsigmoid(-heat))[~is_centre].sum()
    return (found + invented) / max(1, len(picture))


def _yaw_loss(vocabulary: Vocabulary, yaw: Tensor, batch: SceneTensors, picture: Tensor, index: Tensor) -> Tensor:
    angle = batch.yaw[picture, index]
    known = ~torch.isnan(angle)
    if not bool(known.any()):
        return yaw.sum() * 0.0
    orders = yaw_orders(vocabulary).to(angle.device)[batch.words[picture, index, -1]]
    phase = (angle * orders)[known]
    return F.smooth_l1_loss(yaw[known], torch.stack([torch.sin(phase), torch.cos(phase)], dim=1), beta=0.1)


def yaw_orders(vocabulary: Vocabulary) -> Tensor:
    """The symmetry order of each shape word, 1 where the vocabulary names none or any yaw looks the same."""
    return torch.tensor([float(vocabulary.yaw_symmetry_orders.get(word, 1) or 1) for word in vocabulary.words["shape"]])


def learning_rate_share(step: int, steps: int, warmup_steps: int) -> float:
    """Share of the peak learning rate: a linear warm-up, then half a cosine down to nothing."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))))
