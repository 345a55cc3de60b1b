# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks/decode.py measured, as figures and as a table."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture decoded by both sides. Seconds of the processor; passes through the language model; characters of the program;
    whether `generate` wrote a valid program, and whether it is ours."""

    objects: int
    our_seconds: float
    seconds: float
    second_pass_seconds: float
    our_passes: int
    passes: int
    characters: int
    is_valid: bool
    is_identical: bool


def report_of(pairs: list[Pair]) -> dict[str, Any]:
    """Medians over the pairs; ratios are those of pairs, with their tenth and ninetieth percentile."""
    valid = [pair for pair in pairs if pair.is_valid]
    return {
        "pairs": len(pairs),
        "objects_mean": statistics.mean(pair.objects for pair in pairs),
        "times_generate": _spread([pair.seconds / pair.our_seconds for pair in pairs]),
        "times_generate_with_second_pass": _spread(
            [(pair.seconds + pair.second_pass_seconds) / pair.our_seconds for pair in pairs]
        ),
        "our_ms": _spread([1000.0 * pair.our_seconds for pair in pairs]),
        "generate_ms": _spread([1000.0 * pair.seconds for pair in pairs]),
        "second_pass_ms": _spread([1000.0 * pair.second_pass_seconds for pair in pairs]),
        "our_passes_mean": statistics.mean(pair.our_passes for pair in pairs),
        "generate_passes_mean": statistics.mean(pair.passes for pair in pairs),
        "characters_mean": statistics.mean(pair.characters for pair in pairs),
        "valid_share": len(valid) / len(pairs),
        "identical_share_of_valid": sum(pair.is_identical for pair in valid) / len(valid) if valid else None,
    }


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "median": statistics.median(ordered),
        "p10": ordered[round(0.1 * last)],
        "p90": ordered[round(0.9 * last)],
    }


def table(report: dict[str, Any]) -> str:
    """The figures for people."""
    rows = [
        ("times as fast as `generate`", _told(report["times_generate"], 2)),
        ("the same, with IG-LLM's second pass", _told(report["times_generate_with_second_pass"], 2)),
        ("ms a picture, ours", _told(report["our_ms"], 1)),
        ("ms a picture, `generate`", _told(report["generate_ms"], 1)),
        ("ms of a second pass", _told(report["second_pass_ms"], 1)),
        ("passes a picture, ours", f"{report['our_passes_mean']:.1f}"),
        ("passes a picture, `generate`", f"{report['generate_passes_mean']:.1f}"),
        ("characters of a program", f"{report['characters_mean']:.0f}"),
    ]
    if report.get("is_trained", True):
        rows.append(("valid programs of `generate`", _percent(report["valid_share"])))
        rows.append(("of these identical with ours", _percent(report["identical_share_of_valid"])))
    head = f"{report['pairs']} pairs, {report['objects_mean']:.1f} objects a picture; median (10 % … 90 %), processor time.\n\n"
    lines = [f"| {what} | {figure} |" for what, figure in (("", report["model"]), ("---", "---"), *rows)]
    return head + "\n".join(lines) + "\n"


def _told(spread: dict[str, float], digits: int) -> str:
    return f"{spread['median']:.{digits}f} ({spread['p10']:.{digits}f} … {spread['p90']:.{digits}f})"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100.0 * share:.1f} %"
