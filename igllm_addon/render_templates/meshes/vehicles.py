# SPDX-License-Identifier: GPL-3.0-or-later
"""Cars and aeroplanes of the shipped set; their noses point along +y. No bpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .parts import Array, Part, Point2, bent, box, extruded, mirrored, turned
from .shipped_model import Model
from .textures import Pattern, Rgb, plain, stripes

_PORT, _STARBOARD = (220, 20, 30), (20, 180, 60)  # the lights at an aeroplane's left and right wing tips
_GLASS, _TYRE, _CHROME = (70, 110, 140), (30, 30, 33), (200, 203, 208)


def _wheels(x: float, front: float, back: float, radius: float, width: float = 0.22) -> list[Part]:
    tyre = turned([(radius * 0.9, -width / 2), (radius, -width / 3), (radius, width / 3), (radius * 0.9, width / 2)], 3, 18)
    hub = turned([(radius * 0.55, 0.0), (radius * 0.5, 0.03), (0.0, 0.05)], 4, 12)
    parts = []
    for y in (front, back):
        for side in (-1, 1):
            outward = hub.turned(y=90.0 * side).moved(side * (x + width / 2))
            parts += [part.moved(0.0, y, radius) for part in (tyre.turned(y=90).moved(side * x), outward)]
    return parts


def _lights(width: float, front: float, back: float, z: float, size: float = 0.2) -> list[Part]:
    """White lamps ahead, red ones behind."""
    return mirrored(
        [
            box((size, 0.06, size * 0.6), 5, 0.02).moved(width / 2 - size * 0.7, front, z),
            box((size, 0.06, size * 0.5), 6, 0.02).moved(width / 2 - size * 0.7, back, z),
        ]
    )


def _body(side_view: Iterable[Point2], width: float, tile: int, narrow: float = 1.0) -> Part:
    """A side view of (y, z), counter-clockwise seen from +x, as wide as `width`; narrow: how much of it is left at the top."""
    part = extruded(side_view, width, tile)
    # extruded lies in x, y with its thickness along z: y, z, x of the car.
    points = part.vertices[:, [2, 0, 1]]
    low, high = points[:, 2].min(), points[:, 2].max()
    points[:, 0] *= 1.0 + (narrow - 1.0) * (points[:, 2] - low) / (high - low)
    return Part(points, part.faces, part.uvs, part.tiles, smooth=False)


def _car(name: str, parts: list[Part], main: Rgb, second: Rgb, extra: Sequence[Pattern] = ()) -> Model:
    patterns = [
        plain(main),
        plain(second),
        plain(_GLASS),
        plain(_TYRE),
        plain(_CHROME),
        plain((255, 250, 210)),
        plain((225, 20, 24)),
    ]
    return Model("car", name, parts, [*patterns, *extra])


def sedan() -> Model:
    """Three boxes."""
    hull = [(-2.2, 0.35), (2.15, 0.3), (2.25, 0.6), (2.1, 0.82), (0.95, 0.95), (-1.4, 0.98), (-2.2, 0.92), (-2.3, 0.6)]
    cabin = [(-1.55, 0.95), (1.05, 0.93), (0.35, 1.42), (-1.0, 1.44)]
    roof = [(-1.02, 1.42), (0.38, 1.40), (0.28, 1.48), (-0.92, 1.50)]
    parts = [_body(hull, 1.75, 0), _body(cabin, 1.6, 2, 0.82), _body(roof, 1.34, 0)]
    parts += [*_wheels(0.80, 1.4, -1.35, 0.34), *_lights(1.75, 2.2, -2.26, 0.68)]
    parts += [box((1.2, 0.06, 0.14), 4).moved(0.0, 2.24, 0.45), box((1.7, 0.06, 0.14), 4).moved(0.0, -2.26, 0.45)]
    return _car("sedan", parts, (196, 30, 36), (60, 60, 64))


def pickup() -> Model:
    """A cab ahead of an open bed."""
    parts = [_body([(-2.4, 0.5), (2.3, 0.5), (2.35, 0.95), (0.9, 1.1), (-2.4, 1.1)], 1.8, 0)]
    parts += [
        _body([(-0.55, 1.08), (1.0, 1.08), (0.55, 1.75), (-0.45, 1.75)], 1.7, 2, 0.86),
        box((1.42, 0.95, 0.07), 0).moved(0.0, 0.06, 1.76),
    ]
    parts += [box((1.56, 1.62, 0.06), 7).moved(0.0, -1.5, 1.12), *mirrored([box((0.1, 1.75, 0.3), 0).moved(0.84, -1.52, 1.2)])]
    parts += [box((1.78, 0.1, 0.3), 1).moved(0.0, -2.36, 1.2)]
    parts += [
        *_wheels(0.82, 1.45, -1.5, 0.42, 0.28),
        *_lights(1.8, 2.33, -2.41, 0.85, 0.24),
        box((1.7, 0.12, 0.16), 4).moved(0.0, 2.38, 0.58),
    ]
    return _car("pickup", parts, (34, 96, 170), (230, 230, 230), [plain((48, 44, 42))])


def van() -> Model:
    """A bus with a row of windows."""
    outline = [(-2.2, 0.35), (2.15, 0.35), (2.3, 0.7), (2.15, 1.25), (1.75, 2.0), (-2.2, 2.05)]
    lower = [(-2.22, 0.33), (2.17, 0.33), (2.34, 0.7), (2.2, 1.1), (-2.22, 1.1)]
    parts = [_body(outline, 1.78, 1, 0.94), _body(lower, 1.84, 0)]
    parts += mirrored([box((0.06, 0.72, 0.5), 2).turned(y=-3).moved(0.87, y, 1.55) for y in (-1.65, -0.75, 0.15)])
    parts += mirrored([box((0.06, 0.6, 0.5), 2).turned(y=-3).moved(0.87, 1.05, 1.55)])
    parts += [box((1.5, 0.06, 0.66), 2).turned(x=28).moved(0.0, 2.0, 1.58), box((1.4, 0.06, 0.55), 2).moved(0.0, -2.2, 1.55)]
    parts += [*_wheels(0.82, 1.35, -1.4, 0.36), *_lights(1.84, 2.3, -2.22, 0.72, 0.26)]
    return _car("van", parts, (40, 150, 140), (240, 236, 222))


def racer() -> Model:
    """An open single-seater with wings."""
    nose = [(-2.0, 0.3), (0.4, 0.3), (2.4, 0.34), (2.4, 0.46), (0.6, 0.8), (-0.6, 1.0), (-2.0, 0.75)]
    parts = [_body(nose, 0.62, 0, 0.6), *mirrored([box((0.42, 1.7, 0.42), 7, 0.08).moved(0.5, -0.5, 0.5)])]
    parts += [box((1.9, 0.4, 0.06), 1).moved(0.0, 2.2, 0.26), box((1.6, 0.42, 0.07), 1).moved(0.0, -2.1, 1.12)]
    parts += mirrored([box((0.05, 0.5, 0.5), 0).moved(0.8, -2.1, 0.98), box((0.04, 0.42, 0.2), 0).moved(0.94, 2.2, 0.34)])
    parts += [turned([(0.16, 0.0), (0.18, 0.12), (0.1, 0.26), (0.0, 0.28)], 6, 14).moved(0.0, 0.15, 0.84)]
    parts += [*_wheels(0.88, 1.45, -1.5, 0.38, 0.36), box((0.2, 0.4, 0.5), 0, 0.05).moved(0.0, -0.75, 1.1)]
    return _car("racer", parts, (240, 190, 20), (30, 30, 36), [stripes((240, 190, 20), (30, 30, 36), 4)])


def taxi() -> Model:
    """A tall hatchback with a sign on its roof and a chequered flank."""
    hull = [(-1.9, 0.32), (1.9, 0.32), (2.0, 0.6), (1.85, 0.9), (1.1, 1.05), (-1.9, 1.1), (-1.95, 0.6)]
    parts = [_body(hull, 1.7, 0), _body([(-1.88, 1.08), (1.12, 1.03), (0.55, 1.62), (-1.7, 1.66)], 1.6, 2, 0.85)]
    parts += [box((1.36, 2.2, 0.08), 0, 0.03).moved(0.0, -0.58, 1.67), box((0.62, 0.26, 0.2), 1, 0.05).moved(0.0, -0.3, 1.8)]
    parts += mirrored([box((0.04, 2.9, 0.16), 7).moved(0.855, -0.1, 0.78)])
    parts += [*_wheels(0.78, 1.2, -1.2, 0.34), *_lights(1.7, 1.95, -1.93, 0.74), box((1.0, 0.06, 0.16), 3).moved(0.0, 1.98, 0.46)]
    return _car("taxi", parts, (244, 184, 30), (250, 250, 250), [_long_checks()])


def _long_checks() -> Pattern:
    def pattern(u: Array, v: Array) -> Array:
        dark = (np.floor(u * 16) + np.floor(v * 2)) % 2
        return np.where(dark[..., None] > 0, np.array([25.0, 25.0, 28.0]), np.array([250.0, 250.0, 250.0]))

    return pattern


def _fuselage(profile: Sequence[Point2], tile: int = 0, around: int = 18) -> Part:
    """A turned body along +y; profile: (radius, y) from the tail to the nose. u = 0.25 … 0.75 of its texture is the underside."""
    return turned(profile, tile, around).turned(x=-90)


def _wing(root: float, span: float, chord: float, tip: float, sweep: float, thickness: float, caps: tuple[int, int]) -> Part:
    """The right wing, from x = root outward, leading edge at y = 0 at the root."""
    outline = [(root, 0.0), (root, -chord), (root + span, -sweep - tip), (root + span, -sweep)]
    return extruded(outline, thickness, 1, caps)


def _wings(part: Part, z: float, y: float, up: float = 0.0) -> list[Part]:
    return [wing.moved(0.0, y, z) for wing in (part.turned(y=-up), part.turned(y=-up).scaled(x=-1.0))]


def _tip_lights(x: float, y: float, z: float, size: float = 0.12) -> list[Part]:
    """Red at the left and green at the right, as on a real one: left and right can be told from below, too."""
    lamp = turned([(0.0, -size), (size, 0.0), (0.0, size)], 6, 8)
    green = turned([(0.0, -size), (size, 0.0), (0.0, size)], 7, 8)
    return [lamp.moved(-x, y, z), green.moved(x, y, z)]


def _plane(name: str, parts: list[Part], hull: Pattern, wing: Rgb, below: Rgb, fin: Rgb, dark: Rgb = (60, 64, 72)) -> Model:
    patterns = [hull, plain(wing), plain(below), plain(fin), plain(dark), plain((120, 190, 225)), plain(_PORT), plain(_STARBOARD)]
    return Model("airplane", name, parts, patterns)


def _hull(above: Rgb, below: Rgb, line: Rgb) -> Pattern:
    """The skin of a fuselage: dark or light below, a line of another colour along both flanks."""

    def pattern(u: Array, v: Array) -> Array:
        around = np.abs(u - 0.75)  # after the turn about x the underside lies at u = 0.75
        around = np.minimum(around, 1.0 - around)
        color = np.where((around < 0.2)[..., None], np.asarray(below, float), np.asarray(above, float))
        return np.where(((around > 0.2) & (around < 0.27))[..., None], np.asarray(line, float), color)

    return pattern


def airliner() -> Model:
    """Two engines under swept wings."""
    parts = [
        _fuselage([(0.0, -3.4), (0.12, -3.3), (0.42, -2.0), (0.46, -1.0), (0.46, 2.2), (0.36, 2.9), (0.16, 3.3), (0.0, 3.4)])
    ]
    parts += _wings(_wing(0.3, 2.9, 1.3, 0.45, 1.7, 0.10, (2, 1)), -0.15, 0.9, 4.0)
    parts += _wings(_wing(0.1, 1.1, 0.7, 0.35, 0.6, 0.07, (2, 1)), 0.15, -2.55, 4.0)
    fin = extruded([(-3.35, 0.3), (-2.2, 0.3), (-2.9, 1.5), (-3.45, 1.5)], 0.09, 3)
    parts += [Part(fin.vertices[:, [2, 0, 1]], fin.faces, fin.uvs, fin.tiles)]
    engine = turned([(0.12, -0.5), (0.2, -0.35), (0.22, 0.3), (0.17, 0.45), (0.0, 0.3)], tiles=(4, 3, 3, 4), around=12).turned(
        x=-90
    )
    parts += [engine.moved(side * 1.15, 0.35, -0.42) for side in (-1, 1)]
    parts += [box((0.5, 0.3, 0.14), 5, 0.03).turned(x=-38).moved(0.0, 2.92, 0.24), *_tip_lights(3.2, -1.0, 0.06, 0.16)]
    return _plane(
        "airliner", parts, _hull((240, 242, 246), (130, 150, 176), (20, 70, 160)), (206, 212, 222), (90, 104, 128), (30, 84, 190)
    )


def biplane() -> Model:
    """Two wings one above the other, struts and a propeller."""
    parts = [_fuselage([(0.0, -2.0), (0.12, -1.95), (0.34, 0.2), (0.4, 1.0), (0.3, 1.35), (0.0, 1.4)])]
    wing = box((4.2, 0.85, 0.08), 1, 0.03, sides={"-z": 2})
    parts += [wing.moved(0.0, 0.5, -0.25), wing.moved(0.0, 0.75, 0.72)]
    parts += mirrored([bent([(1.5, y, -0.22), (1.5, y + 0.25, 0.7)], 0.03, 4, 6) for y in (0.2, 0.75)])
    parts += mirrored([bent([(0.3, 0.6, 0.25), (0.35, 0.75, 0.7)], 0.03, 4, 6)])
    parts += [
        box((1.5, 0.5, 0.06), 1, 0.02, sides={"-z": 2}).moved(0.0, -1.75, 0.08),
        box((0.06, 0.5, 0.7), 3, 0.02, top=0.8).moved(0.0, -1.85, 0.4),
    ]
    parts += [
        box((0.16, 0.04, 1.5), 4, 0.015).turned(y=35).moved(0.0, 1.46, 0.0),
        turned([(0.1, -0.06), (0.08, 0.06), (0.0, 0.12)], 3, 10).turned(x=-90).moved(y=1.44),
    ]
    wheel = turned([(0.2, -0.05), (0.2, 0.05)], 4, 14).turned(y=90)
    parts += [
        *mirrored([wheel.moved(0.5, 0.85, -0.75), bent([(0.5, 0.85, -0.75), (0.2, 0.85, -0.25)], 0.03, 4, 6)]),
        *_tip_lights(2.1, 0.75, 0.72),
    ]
    return _plane(
        "biplane", parts, _hull((206, 34, 34), (150, 20, 24), (250, 220, 70)), (216, 44, 40), (250, 214, 60), (250, 250, 250)
    )


def jet() -> Model:
    """A delta wing, two fins and two nozzles."""
    parts = [
        _fuselage([(0.2, -2.2), (0.42, -1.6), (0.44, 0.0), (0.34, 1.4), (0.14, 2.6), (0.0, 3.1)], around=14).scaled(
            x=1.15, z=0.85
        )
    ]
    parts += _wings(_wing(0.3, 1.75, 2.4, 0.5, 1.75, 0.08, (2, 1)), -0.05, 0.6)
    parts += _wings(_wing(0.3, 0.9, 0.8, 0.4, 0.6, 0.06, (2, 1)), -0.02, -1.9)
    fin = extruded([(-2.3, 0.25), (-1.2, 0.25), (-1.9, 1.1), (-2.4, 1.1)], 0.06, 3)
    tail = Part(fin.vertices[:, [2, 0, 1]], fin.faces, fin.uvs, fin.tiles)
    parts += mirrored([tail.turned(y=14).moved(0.32)])
    nozzle = turned([(0.2, -0.25), (0.22, 0.2), (0.0, 0.2)], 4, 12).turned(x=-90)
    parts += [nozzle.moved(side * 0.2, -2.2, 0.0) for side in (-1, 1)]
    canopy = turned([(0.0, -0.6), (0.17, -0.3), (0.2, 0.1), (0.0, 0.7)], 5, 12).turned(x=-90)
    parts += [canopy.moved(0.0, 1.3, 0.26), *_tip_lights(2.06, -1.5, -0.05, 0.13)]
    return _plane(
        "jet", parts, _hull((110, 126, 104), (176, 186, 190), (84, 100, 76)), (96, 116, 88), (180, 190, 196), (70, 84, 66)
    )


def seaplane() -> Model:
    """A high wing over two floats."""
    parts = [_fuselage([(0.0, -2.2), (0.1, -2.15), (0.3, -0.6), (0.42, 0.3), (0.4, 1.1), (0.24, 1.5), (0.0, 1.55)])]
    parts += [
        box((5.0, 0.9, 0.09), 1, 0.03, sides={"-z": 2}).moved(0.0, 0.35, 0.5),
        box((0.7, 0.9, 0.3), 5, 0.05, top=0.8).moved(0.0, 0.5, 0.32),
    ]
    parts += mirrored([bent([(1.4, 0.3, 0.46), (0.35, 0.3, -0.25)], 0.03, 4, 6)])
    float_ = _fuselage([(0.0, -1.4), (0.12, -1.3), (0.2, -0.2), (0.2, 1.0), (0.1, 1.5), (0.0, 1.6)], 3, 10)
    parts += mirrored(
        [
            float_.moved(0.7, 0.3, -0.95),
            bent([(0.7, 0.7, -0.85), (0.3, 0.7, -0.25)], 0.03, 4, 6),
            bent([(0.7, -0.2, -0.85), (0.3, -0.2, -0.2)], 0.03, 4, 6),
        ]
    )
    parts += [
        box((1.7, 0.5, 0.06), 1, 0.02, sides={"-z": 2}).moved(0.0, -1.95, 0.15),
        box((0.07, 0.55, 0.8), 3, 0.02, top=0.75).moved(0.0, -2.0, 0.5),
    ]
    parts += [box((0.14, 0.04, 1.3), 4, 0.015).turned(y=-25).moved(0.0, 1.6, 0.0), *_tip_lights(2.5, 0.35, 0.5)]
    return _plane(
        "seaplane", parts, _hull((250, 160, 40), (240, 240, 236), (30, 60, 90)), (252, 176, 60), (240, 240, 236), (30, 110, 130)
    )


def glider() -> Model:
    """Very long wings, a thin tail and a large canopy."""
    parts = [_fuselage([(0.0, -2.6), (0.07, -2.55), (0.1, -0.6), (0.3, 0.6), (0.3, 1.2), (0.14, 1.75), (0.0, 1.85)])]
    parts += _wings(_wing(0.15, 3.4, 0.6, 0.28, 0.15, 0.06, (2, 1)), 0.15, 0.55, 5.0)
    parts += [
        box((1.3, 0.36, 0.05), 1, 0.02, sides={"-z": 2}).moved(0.0, -2.4, 0.62),
        box((0.06, 0.45, 0.7), 3, 0.02, top=0.75).moved(0.0, -2.42, 0.3),
    ]
    canopy = turned([(0.0, -0.55), (0.2, -0.2), (0.2, 0.15), (0.0, 0.6)], 5, 12).turned(x=-90)
    parts += [canopy.moved(0.0, 1.0, 0.16), *_tip_lights(3.55, 0.2, 0.46, 0.12)]
    return _plane(
        "glider", parts, _hull((244, 246, 248), (190, 60, 150), (120, 30, 110)), (240, 242, 246), (200, 80, 160), (150, 40, 130)
    )


VEHICLES = (sedan, pickup, van, racer, taxi, airliner, biplane, jet, seaplane, glider)
