# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes are closed, face outward, and lie on the surface that visibility traces."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from igllm_addon.render_templates.clevr.shapes import MESHES, SIGNED_DISTANCES

SHAPES = ["cube", "sphere", "cylinder"]


@pytest.mark.parametrize("shape", SHAPES)
def test_vertices_lie_on_the_signed_distance_surface(shape: str) -> None:
    mesh = MESHES[shape]()

    assert np.abs(SIGNED_DISTANCES[shape](mesh.vertices)).max() < 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_normals_are_the_gradient_of_the_distance(shape: str) -> None:
    mesh = MESHES[shape]()
    step = 1e-4

    outside = SIGNED_DISTANCES[shape](mesh.vertices + step * mesh.normals)

    assert outside == pytest.approx(np.full(len(mesh.vertices), step), abs=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_half_extent_is_one_on_every_axis(shape: str) -> None:
    mesh = MESHES[shape]()

    assert np.abs(mesh.vertices).max(axis=0) == pytest.approx([1.0, 1.0, 1.0], abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mesh_is_closed_and_every_edge_is_used_once_each_way(shape: str) -> None:
    mesh = MESHES[shape]()

    edges = Counter(pair for face in mesh.faces for pair in zip(face, face[1:] + face[:1], strict=True))

    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)


@pytest.mark.parametrize("shape", SHAPES)
def test_faces_turn_counter_clockwise_seen_from_outside(shape: str) -> None:
    mesh = MESHES[shape]()
    corners = np.array([face[:3] for face in mesh.faces])
    a, b, c = (mesh.vertices[corners[:, k]] for k in range(3))

    outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), (a + b + c) / 3.0)

    assert (outward > 0.0).all()
