"""Survivors and their reasons: ``survivors.toml`` is kept by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

REASONS = Path(__file__).parent / "survivors.toml"


def reasons(path: Path = REASONS) -> dict[tuple[str, str], str]:
    """(where, change) → why such a mutant is let live. Raises ValueError for a change told twice
    or a reason without words."""
    told: dict[tuple[str, str], str] = {}
    for group in tomllib.loads(path.read_text(encoding="utf-8"))["survivors"]:
        for change in group["changes"]:
            key = (group["where"], change)
            if key in told:
                raise ValueError(f"expected each survivor once, found two of {key}")
            if len(group["why"].split()) < 3:
                raise ValueError(f"expected a reason in words for {key}, found {group['why']!r}")
            told[key] = group["why"]
    return told


def unexplained(
    survived: Collection[tuple[str, str]], told: Mapping[tuple[str, str], str]
) -> list[tuple[str, str]]:
    """Survivors without a reason."""
    return sorted(set(survived) - set(told))


def stale(
    survived: Collection[tuple[str, str]],
    hunted: Collection[tuple[str, str]],
    told: Mapping[tuple[str, str], str],
) -> list[tuple[str, str]]:
    """Reasons for mutants that were hunted and died."""
    return sorted(key for key in told if key in hunted and key not in survived)
