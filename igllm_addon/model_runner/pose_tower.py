# SPDX-License-Identifier: GPL-3.0-or-later
"""The vision tower for objects that turn in space under a fixed camera: where they are, what they are, and how they are turned.

A small network finds the objects' centres and how deep they lie. How an object is turned shows in all of it, so its surroundings,
as wide as a ball that holds it, are then magnified from the picture and read by a network of their own; that one also corrects
place and depth. The rotation is told relative to the ray on which the object lies and leaves as two rows of a matrix, which have
no jumps.

Letters: B pictures, H height and W width in pixels, h = H/4 and w = W/4 cells, N described places, K peaks, F features of
a place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.vocabulary import WORD_FIELDS, Vocabulary
from .config import FixedCamera
from .glimpse import Glimpse
from .pose_geometry import (
    Alike,
    about_view,
    camera_focal_px,
    matrix_from_rows,
    matrix_world_from_camera,
    mean_rotation,
    point_seen,
    turn_toward,
)
from .second_look import windows
from .vision import STRIDE, strongest_peaks
from .vision_config import PoseConfig

_PADDED_TO = 16
_COARSE_START = -4.0  # logit of an empty centre map: about one cell in fifty
_WINDOW_PER_RADIUS = 1.05  # half a window's side, in radii of the ball that holds an object
_CORRECTION = (
    0.2  # of the ball's radius in the picture, and of the logarithm of a depth: one unit of the second look's corrections
)
_CROP_STRIDE = 4
_AGREEMENTS = 2  # rounds of bringing rotations together: about the one that is nearest to all, then about the mean
_WORTHWHILE = 0.1  # score of a peak below which it is looked at once
_OF_POSE = ("place", "log_depth", "location", "rotation", "rows")
_TURN_WIDTH = 192  # of the hidden layer that leads to the rotation


@dataclass(frozen=True, slots=True)
class PoseMaps:
    """heat (B, h, w): logits of an object's centre. fine (B, C, h, w): features; context (B, C16): the whole picture's. pictures
    (B, 3, H, W): what was looked at."""

    heat: Tensor
    fine: Tensor
    context: Tensor
    pictures: Tensor


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What the small network says at N places. place (N, 2): the centre, in units of the focal length; log_depth (N,)."""

    place: Tensor
    log_depth: Tensor

    def take(self, rows: Tensor) -> FirstLook:
        """At these places."""
        return FirstLook(self.place[rows], self.log_depth[rows])


@dataclass(frozen=True, slots=True)
class PoseDescription:
    """What the magnified surroundings of N places say. features (N, F); words: field -> logits; place and log_depth as in
    FirstLook; location (N, 3) and rotation (N, 3, 3) in the world's frame; rows (N, 6), two rows as the network tells them, of
    which the rotation was made."""

    features: Tensor
    words: dict[str, Tensor]
    place: Tensor
    log_depth: Tensor
    location: Tensor
    rotation: Tensor
    rows: Tensor

    def take(self, rows: Tensor) -> PoseDescription:
        """At these places."""
        words = {name: logits[rows] for name, logits in self.words.items()}
        return PoseDescription(self.features[rows], words, *(getattr(self, name)[rows] for name in _OF_POSE))

    def followed_by(self, others: PoseDescription) -> PoseDescription:
        """These places, then the others."""
        words = {name: torch.cat([logits, others.words[name]]) for name, logits in self.words.items()}
        poses = (torch.cat([getattr(self, name), getattr(others, name)]) for name in _OF_POSE)
        return PoseDescription(torch.cat([self.features, others.features]), words, *poses)

    def with_rows(self, rows: Tensor, others: PoseDescription) -> PoseDescription:
        """With what `others` says at these places."""
        words = {name: logits.index_copy(0, rows, others.words[name]) for name, logits in self.words.items()}
        poses = (getattr(self, name).index_copy(0, rows, getattr(others, name)) for name in _OF_POSE)
        return PoseDescription(self.features.index_copy(0, rows, others.features), words, *poses)


class PoseTower(nn.Module):
    """Fully convolutional: any width near the one it was trained at, any height. The picture's centre is the principal point."""

    origin: Tensor
    world_from_camera: Tensor

    def __init__(self, vision: PoseConfig, camera: FixedCamera, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.camera, self.vocabulary = vision, camera, vocabulary
        c4, c8, c16 = vision.channels
        fine = vision.fine_channels
        self.stem = _conv(3 * STRIDE**2 + 2, c4)
        self.stage8 = nn.Sequential(_conv(c4, c8, 2), *(_Block(c8) for _ in range(vision.blocks[0])))
        self.stage16 = nn.Sequential(_conv(c8, c16, 2), *(_Block(c16) for _ in range(vision.blocks[1])))
        self.from16, self.merge8 = nn.Conv2d(c16, c8, 1), _conv(c8, c8)
        self.from8, self.from4, self.merge4 = nn.Conv2d(c8, fine, 1), nn.Conv2d(c4, fine, 1), _conv(fine, fine)
        self.heat = nn.Conv2d(fine, 1, 1)
        nn.init.constant_(self.heat.bias, _COARSE_START)  # type: ignore[arg-type]
        self.offset, self.depth = _head(fine + c8 + 2, 2), _head(fine + c8 + 2, 1)
        self.crop = _crop_network(vision)
        known = vision.feature_width + 3
        self.fields = tuple(name for name in WORD_FIELDS if name in vocabulary.words)
        self.words = nn.ModuleDict({name: nn.Linear(vision.feature_width, len(vocabulary.words[name])) for name in self.fields})
        self.turn, self.correction = _turn_head(vision.feature_width, len(vocabulary.words.get("shape", ("",)))), _head(known, 3)
        self.alike = Alike.of(vocabulary)
        self.register_buffer("origin", torch.tensor(camera.location), persistent=False)
        self.register_buffer("world_from_camera", matrix_world_from_camera(camera), persistent=False)

    def forward(self, pictures: Tensor) -> PoseMaps:
        stem = self.stem(self._cells(pictures))
        at8 = self.stage8(stem)
        at16 = self.stage16(at8)
        at8 = self.merge8(at8 + F.interpolate(self.from16(at16), size=at8.shape[2:], mode="nearest"))
        wide = F.interpolate(at8, size=stem.shape[2:], mode="nearest")
        fine = self.merge4(F.relu(self.from4(stem) + F.interpolate(self.from8(at8), size=stem.shape[2:], mode="nearest")))
        return PoseMaps(self.heat(fine)[:, 0], torch.cat([fine, wide], dim=1), at16.mean(dim=(2, 3)), pictures)

    def first_look(self, maps: PoseMaps, picture: Tensor, row: Tensor, column: Tensor) -> FirstLook:
        """What stands about the cells (row, column) of the pictures `picture`, all (N,) integers."""
        cell = self._place_of(maps.pictures, torch.stack([column + 0.5, row + 0.5], dim=1) * STRIDE)
        local = torch.cat([maps.fine[picture, :, row, column], cell], dim=1)
        place = cell + self.offset(local) * (STRIDE / self._focal_px)
        return FirstLook(place, math.log(self.camera.distance_m) + self.depth(local)[:, 0])

    def described(self, pictures: Tensor, picture: Tensor, first: FirstLook, score: Tensor) -> PoseDescription:
        """As describe, from as many looks and rolls as the config says where a peak's score (N,) is worth it."""
        looks, rolls = self.config.looks, self.config.rolls
        once = self.describe(pictures, picture, first)
        sure = torch.nonzero(score >= _WORTHWHILE)[:, 0]
        if looks == rolls == 1 or not len(sure):
            return once
        place, seen = first.take(sure), once.take(sure)
        quarters = torch.arange(0, 4, 4 // rolls, device=sure.device)
        for look in range(0 if rolls > 1 else 1, looks):
            turned = quarters if look else quarters[1:]  # what the unturned picture says at first is known
            if look:
                place = FirstLook(seen.place, seen.log_depth)
            around = FirstLook(place.place.repeat(len(turned), 1), place.log_depth.repeat(len(turned)))
            others = self.describe(pictures, picture[sure].repeat(len(turned)), around, turned.repeat_interleave(len(sure)))
            seen = others if look else seen.followed_by(others)
            seen = self._agreed(seen) if rolls > 1 else seen
        return once.with_rows(sure, seen)

    def describe(self, pictures: Tensor, picture: Tensor, first: FirstLook, quarters: Tensor | None = None) -> PoseDescription:
        """What the magnified surroundings of the places of a first look at the pictures (B, 3, H, W) show; picture (N,): in which
        of them a place is. quarters (N,): by how many quarters of a turn, counter-clockwise, each is turned before it is looked
        at; what is told is what the pictures show as they are."""
        if quarters is None:
            quarters = torch.zeros_like(picture)
        roll = about_view(0.5 * math.pi * quarters.to(first.place.dtype)).round()  # (N, 3, 3)
        place, log_depth = first.place.detach(), first.log_depth.detach()
        radius = self.camera.object_radius_m / torch.exp(log_depth)  # in units of the focal length
        middle = place.new_tensor((pictures.shape[3] / 2, pictures.shape[2] / 2))
        centre_px = middle + place * place.new_tensor((self._focal_px, -self._focal_px))
        half_px = radius * (_WINDOW_PER_RADIUS * self._focal_px)
        crops = _turned(windows(pictures, picture, centre_px, half_px, self.config.crop_px), quarters)
        features = self.crop(F.pixel_unshuffle(crops, _CROP_STRIDE).contiguous(memory_format=torch.channels_last))
        turned_place = torch.einsum("nij,nj->ni", roll[:, :2, :2], place)
        known = torch.cat([features, turned_place * 3.0, (log_depth - math.log(self.camera.distance_m))[:, None]], dim=1)
        corrections = _CORRECTION * self.correction(known)
        place = place + torch.einsum("nij,ni->nj", roll[:, :2, :2], corrections[:, :2]) * radius[:, None]
        log_depth = log_depth + corrections[:, 2]
        words = {name: self.words[name](features) for name in self.fields}
        rows = self._rows(features, words.get("shape")).float()
        rotation = self.world_from_camera @ turn_toward(place.detach()) @ roll.transpose(1, 2) @ matrix_from_rows(rows)
        location = point_seen(self.origin, self.world_from_camera, place, torch.exp(log_depth))
        return PoseDescription(features, words, place, log_depth, location, rotation, rows)

    def _agreed(self, seen: PoseDescription) -> PoseDescription:
        """The mean of what several rolls of the same N places say, R·N rows, the places of the first roll first; features and
        rows are the first roll's."""
        rolls = self.config.rolls
        count = len(seen.log_depth) // rolls
        words = {name: F.log_softmax(logits, dim=1).reshape(rolls, count, -1).mean(0) for name, logits in seen.words.items()}
        place, log_depth = seen.place.reshape(rolls, count, 2).mean(dim=0), seen.log_depth.reshape(rolls, count).mean(dim=0)
        rotations = seen.rotation.reshape(rolls, count, 3, 3)
        shape = words["shape"].argmax(dim=1) if "shape" in words else torch.zeros_like(log_depth, dtype=torch.long)
        one, other = rotations.repeat_interleave(rolls, dim=0), rotations.repeat(rolls, 1, 1, 1)
        apart = self.alike.distance(one.flatten(0, 1), other.flatten(0, 1), shape.repeat(rolls * rolls))
        nearest_to_all = apart.reshape(rolls, rolls, count).sum(dim=1).argmin(dim=0)
        rotation = rotations[nearest_to_all, torch.arange(count, device=shape.device)]
        for _ in range(_AGREEMENTS):
            alike = self.alike.nearest(seen.rotation, rotation.repeat(rolls, 1, 1), shape.repeat(rolls))
            rotation = mean_rotation(alike.reshape(rolls, count, 3, 3))
        location = point_seen(self.origin, self.world_from_camera, place, torch.exp(log_depth))
        return PoseDescription(seen.features[:count], words, place, log_depth, location, rotation, seen.rows[:count])

    def glimpse(self, pictures: Tensor, count: int) -> Glimpse:
        """What the language model gets to see: the `count` strongest peaks, left to right, and the picture as a whole."""
        maps = self(pictures)
        score, row, column = strongest_peaks(maps.heat, count)
        b, k = score.shape
        picture = torch.arange(b, device=score.device).repeat_interleave(k)
        first = self.first_look(maps, picture, row.flatten(), column.flatten())
        seen = self.described(pictures, picture, first, score.flatten())
        words = [torch.softmax(seen.words[name], dim=1) for name in self.fields]
        logit = torch.logit(score.clamp(1e-4, 1.0 - 1e-4)).reshape(-1, 1)
        rotation = seen.rotation.flatten(1)
        tokens = torch.cat([seen.features, logit, *words, rotation, seen.place * 3.0, seen.location], dim=1)
        middle = pictures.new_tensor((pictures.shape[3] / 2, pictures.shape[2] / 2))
        place_px = middle + seen.place * pictures.new_tensor((self._focal_px, -self._focal_px))
        return Glimpse(
            tokens=tokens.reshape(b, k, -1),
            scene=maps.context,
            score=score,
            camera=pictures.new_zeros(b, 2),
            location=seen.location.reshape(b, k, 3),
            rotation=rotation.reshape(b, k, 9),
            place_px=place_px.reshape(b, k, 2),
        )

    def _rows(self, features: Tensor, shape: Tensor | None) -> Tensor:
        """(N, 6): two rows of each object's rotation. Every shape has an answer of its own, since how a mug is turned and how a
        chair is turned shows in different things; shape, the logits (N, S), say how much each answer counts."""
        answers: Tensor = self.turn(features).unflatten(1, (-1, 6))
        return answers[:, 0] if shape is None else (torch.softmax(shape, dim=1)[..., None] * answers).sum(dim=1)

    @property
    def token_width(self) -> int:
        """Numbers of a visual token."""
        words = sum(len(self.vocabulary.words[name]) for name in self.fields)
        return self.config.feature_width + 1 + words + 9 + 2 + 3

    @property
    def _focal_px(self) -> float:
        return camera_focal_px(self.camera, self.config.input_width_px)

    def _place_of(self, pictures: Tensor, uv: Tensor) -> Tensor:
        """Pixels (N, 2) as places in units of the focal length."""
        middle = uv.new_tensor((pictures.shape[3] / 2, pictures.shape[2] / 2))
        return (uv - middle) * uv.new_tensor((1.0, -1.0)) / self._focal_px

    def _cells(self, pictures: Tensor) -> Tensor:
        """Pictures with their coordinates as two more channels, padded, in cells of the stride: (B, 3·16 + 2, h, w)."""
        b, _, height, width = pictures.shape
        padded = F.pad(pictures - 0.5, (0, -width % _PADDED_TO, 0, -height % _PADDED_TO))
        rows, columns = padded.shape[2] // STRIDE, padded.shape[3] // STRIDE
        v = (height / 2 - (torch.arange(rows, device=pictures.device) + 0.5) * STRIDE) / self._focal_px
        u = ((torch.arange(columns, device=pictures.device) + 0.5) * STRIDE - width / 2) / self._focal_px
        coordinates = torch.stack([u.expand(rows, columns), v[:, None].expand(rows, columns)])
        cells = torch.cat([F.pixel_unshuffle(padded, STRIDE), coordinates.expand(b, -1, -1, -1)], dim=1)
        return cells.contiguous(memory_format=torch.channels_last)


def _turned(crops: Tensor, quarters: Tensor) -> Tensor:
    """Squares (N, 3, S, S), each turned counter-clockwise by so many quarters of a turn (N,)."""
    result = crops.clone()
    for quarter in range(1, 4):
        rows = torch.nonzero(quarters == quarter)[:, 0]
        if len(rows):
            result[rows] = torch.rot90(crops[rows], quarter, (2, 3))
    return result


class _Block(nn.Module):
    """A residual block without normalisation, which would cost a third of a step; it starts as the identity (SkipInit, De and
    Smith 2020, arXiv 2002.10444)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.share * self.second(F.relu(self.first(x))))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(layer, nn.ReLU())


def _crop_network(vision: PoseConfig) -> nn.Sequential:
    """A magnified crop, in cells of the stride, to `feature_width` numbers. Where in the crop something is matters, so nothing
    is pooled."""
    layers: list[nn.Module] = []
    inputs = 3 * _CROP_STRIDE**2
    for index, (channels, blocks) in enumerate(zip(vision.crop_channels, vision.crop_blocks, strict=True)):
        layers += [_conv(inputs, channels, 1 if index == 0 else 2), *(_Block(channels) for _ in range(blocks))]
        inputs = channels
    cells = (vision.crop_px // (_CROP_STRIDE * 2 ** (len(vision.crop_channels) - 1))) ** 2
    summary = (nn.Linear(inputs * cells, vision.feature_width), nn.LayerNorm(vision.feature_width), nn.GELU())
    return nn.Sequential(*layers, nn.Flatten(), *summary)


def _turn_head(features: int, shapes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, _TURN_WIDTH), nn.GELU(), nn.Linear(_TURN_WIDTH, 6 * shapes))


def _head(inputs: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(64, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), last)
