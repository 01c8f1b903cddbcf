"""Breadth first over all worlds of a setting, each once, and from each to a friendly end."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from listener.core.errors import IllegalInput

from . import promises
from .moves import Explorer
from .promises import Broken, Pair
from .world import Setting, World, first_world, open_ids

LONGEST_FRIENDLY = 400
"""Moves of a friendly environment within which all must close: many times what any needs."""

CALM = 0.7
"""How often a random walk prefers what is no fault: else it has spent them all too soon."""


@dataclass
class Found:
    """What an exploration was. ``complete``: every world within the setting's faults was met."""

    worlds: int = 0
    moves: int = 0
    complete: bool = True
    longest_friendly: int = 0
    pairs: set[Pair] = field(default_factory=set)
    excused: Counter[str] = field(default_factory=Counter)


def explore(setting: Setting, most: int = 10_000_000) -> Found:
    """Raises ``Broken``, with its shortest story, where a promise does not hold."""
    explorer = Explorer(setting)
    start = first_world(setting)
    parents: dict[int, tuple[int, str]] = {hash(start): (0, "start")}
    ending: set[int] = set()
    found = Found(pairs=explorer.ledger.pairs, excused=explorer.ledger.excused)
    level = [start]
    while level:
        next_level: list[World] = []
        for world in level:
            key = hash(world)
            try:
                found.longest_friendly = max(found.longest_friendly, _ends(explorer, world, ending))
                for name, after in explorer.moves(world):
                    found.moves += 1
                    after_key = hash(after)
                    if after_key not in parents:
                        parents[after_key] = (key, name)
                        next_level.append(after)
            except Broken as broken:
                broken.story = [*_story(parents, key), *broken.story]
                raise
            except IllegalInput as illegal:
                fault = Broken(f"an input that cannot happen did: {illegal}")
                fault.story = _story(parents, key)
                raise fault from illegal
            found.worlds += 1
            if found.worlds >= most:
                found.complete = False
                return found
        level = next_level
    return found


def walk(setting: Setting, seed: int, steps: int) -> Found:
    """One history at random, checked as explored ones are, then brought to its friendly end."""
    rng = random.Random(seed)
    explorer = Explorer(setting)
    world = first_world(setting)
    found = Found(pairs=explorer.ledger.pairs, excused=explorer.ledger.excused)
    story: list[str] = []
    try:
        for _ in range(steps):
            moves = list(explorer.moves(world))
            if not moves:
                break
            calm = [move for move in moves if move[1].spent == world.spent]
            name, world = rng.choice(calm if calm and rng.random() < CALM else moves)
            story.append(name)
            found.moves += len(moves)
            found.worlds += 1
        found.longest_friendly = _ends(explorer, world, set())
    except Broken as broken:
        broken.story = [f"seed {seed}", *story, *broken.story]
        raise
    except IllegalInput as illegal:
        raise Broken(f"an input that cannot happen did: {illegal}; {story}") from illegal
    return found


def _ends(explorer: Explorer, world: World, ending: set[int]) -> int:
    """I9: from here, with a friendly environment, everything closes. How many moves were new."""
    path: list[int] = []
    names: list[str] = []
    met: set[int] = set()
    while True:
        key = hash(world)
        if key in ending:
            break
        if key in met or len(path) > LONGEST_FRIENDLY:
            raise _stuck("I9: a friendly environment, and it never closes", names)
        met.add(key)
        path.append(key)
        try:
            move = explorer.friendly(world)
        except Broken as broken:
            broken.story = ["then, all friendly:", *names]
            raise
        if move is None:
            if world.to_submit or open_ids(world.lane):
                raise _stuck("I1: open, nothing due and nothing under way", names)
            try:
                promises.of_end(world)
            except Broken as broken:
                broken.story = ["then, all friendly:", *names]
                raise
            break
        names.append(move[0])
        world = move[1]
    ending.update(path)
    return len(path)


def _stuck(promise: str, names: list[str]) -> Broken:
    broken = Broken(promise)
    broken.story = ["then, all friendly:", *names[:60]]
    return broken


def _story(parents: dict[int, tuple[int, str]], key: int) -> list[str]:
    names: list[str] = []
    while key:
        key, name = parents[key]
        names.append(name)
    return names[::-1]
