# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR's rubber and metal, and the ground's grey, as Blender materials. Uses bpy.

The recipes are read off the generator's material files (facts, not nodes): rubber is a diffuse and a sheen lobe of the same
colour mixed by a Fresnel factor under a faint rough gloss; metal is a blurred and a sharp glossy lobe of the object's colour.
One node named "Color" holds the colour of each material, so an artist changes it in one place and read.py finds it again.
"""

from __future__ import annotations

import bpy

from .constants import COLORS_RGB_BYTES

COLOR_NODE = "Color"
MATERIAL_KEY = "igllm_material"
GROUND_GRAY = 0.8

Rgba = tuple[float, float, float, float]


def color_rgba(color: str) -> Rgba:
    """The linear colour of a CLEVR colour word, alpha 1."""
    red, green, blue = COLORS_RGB_BYTES[color]
    return red / 255.0, green / 255.0, blue / 255.0, 1.0


def material_named(material: str, color: str) -> bpy.types.Material:
    """The shared material of these two words, made on first use. Whoever edits it edits every object that wears it."""
    name = f"CLEVR {material} {color}"
    existing = bpy.data.materials.get(name)
    if existing is not None and existing.get(MATERIAL_KEY) == material and _shows(existing, color):
        return existing
    made = bpy.data.materials.new(name)
    made[MATERIAL_KEY] = material
    made.diffuse_color = color_rgba(color)
    made.metallic = 1.0 if material == "metal" else 0.0
    made.roughness = 0.25 if material == "metal" else 0.7
    tree, rgb = _empty_tree(made, color_rgba(color))
    shader = _metal(tree, rgb) if material == "metal" else _rubber(tree, rgb)
    tree.links.new(shader, tree.nodes["Output"].inputs["Surface"])
    return made


def ground_material() -> bpy.types.Material:
    """The sweep's diffuse grey."""
    existing = bpy.data.materials.get("CLEVR ground")
    if existing is not None:
        return existing
    made = bpy.data.materials.new("CLEVR ground")
    made.diffuse_color = (GROUND_GRAY, GROUND_GRAY, GROUND_GRAY, 1.0)
    tree, rgb = _empty_tree(made, made.diffuse_color)
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    tree.links.new(rgb, diffuse.inputs["Color"])
    tree.links.new(diffuse.outputs[0], tree.nodes["Output"].inputs["Surface"])
    return made


def _shows(material: bpy.types.Material, color: str) -> bool:
    """Whether the material still has the colour that its name promises; an artist may have changed it."""
    node = material.node_tree.nodes.get(COLOR_NODE) if material.node_tree else None
    if node is None:
        return False
    return all(abs(a - b) < 1e-4 for a, b in zip(node.outputs[0].default_value, color_rgba(color), strict=True))


def _empty_tree(material: bpy.types.Material, rgba: Rgba) -> tuple[bpy.types.NodeTree, bpy.types.NodeSocket]:
    """A tree with nothing but an output and the colour; returns it and the colour's socket."""
    if material.node_tree is None:  # before Blender 5.0 a new material has no tree
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.name = "Output"
    rgb = tree.nodes.new("ShaderNodeRGB")
    rgb.name = rgb.label = COLOR_NODE
    rgb.outputs[0].default_value = rgba
    return tree, rgb.outputs[0]


def _mix(
    tree: bpy.types.NodeTree, factor: bpy.types.NodeSocket | float, first: bpy.types.NodeSocket, second: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    mix = tree.nodes.new("ShaderNodeMixShader")
    if isinstance(factor, float):
        mix.inputs[0].default_value = factor
    else:
        tree.links.new(factor, mix.inputs[0])
    tree.links.new(first, mix.inputs[1])
    tree.links.new(second, mix.inputs[2])
    return mix.outputs[0]


def _fresnel(tree: bpy.types.NodeTree, ior: float) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeFresnel")
    node.inputs["IOR"].default_value = ior
    return node.outputs[0]


def _glossy(
    tree: bpy.types.NodeTree, color: bpy.types.NodeSocket | None, roughness: float, anisotropy: float
) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeBsdfAnisotropic")
    node.inputs["Roughness"].default_value = roughness
    node.inputs["Anisotropy"].default_value = anisotropy
    if color is not None:
        tree.links.new(color, node.inputs["Color"])
    return node.outputs[0]


def _rubber(tree: bpy.types.NodeTree, color: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    sheen = tree.nodes.new("ShaderNodeBsdfSheen")
    sheen.inputs["Roughness"].default_value = 0.5
    tree.links.new(color, diffuse.inputs["Color"])
    tree.links.new(color, sheen.inputs["Color"])
    base = _mix(tree, _fresnel(tree, 1.3), diffuse.outputs[0], sheen.outputs[0])
    return _mix(tree, _fresnel(tree, 1.2), base, _glossy(tree, None, 0.35, 0.0))


def _metal(tree: bpy.types.NodeTree, color: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    return _mix(tree, 0.6, _glossy(tree, color, 0.45, 0.25), _glossy(tree, color, 0.1, 0.25))
