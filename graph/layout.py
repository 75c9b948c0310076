"""A layered drawing (Sugiyama, Tagawa, Toda 1981): ranks from top to bottom, in vertical lanes that do not mix.

Long links get a bend at every rank between their ends; the order within ranks comes from barycentres, and the places
from isotonic regression: as near to the mean of the neighbours as the order and the distances allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

SWEEPS: Final = 12
"""Passes over the ranks, down and up, for the order; as many for the places. More changed nothing in trials."""
BEND: Final = 12.0
"""Width that a passing link takes."""
STRAIGHT: Final = 8.0
"""How much more a link's bends hold to each other than boxes do: long lines stay straight."""

Item = Hashable


@dataclass(frozen=True)
class Box:
    """Something with a place of its own."""

    rank: int
    lane: int
    width: float


@dataclass(frozen=True)
class Layout:
    """Where everything is. ``across``: the centre of every box and bend."""

    across: Mapping[Item, float]
    routes: tuple[tuple[Item, ...], ...]
    """Per link its upper end, its bends, its lower end."""
    lanes: tuple[tuple[float, float], ...]
    """Per lane the range that it takes."""


def layout(boxes: Mapping[str, Box], links: Sequence[tuple[str, str]], gap: float, lane_gap: float) -> Layout:
    """Place the boxes. Links lead from one rank to a lower one; ``gap`` is the distance of neighbours in a rank."""
    items: dict[Item, Box] = {}
    items.update(boxes.items())
    routes: list[tuple[Item, ...]] = []
    for index, (upper, lower) in enumerate(links):
        bends = [(index, rank) for rank in range(boxes[upper].rank + 1, boxes[lower].rank)]
        items |= {(index, rank): Box(rank, boxes[upper].lane, BEND) for index, rank in bends}
        routes.append((upper, *bends, lower))
    above: dict[Item, list[Item]] = defaultdict(list)
    below: dict[Item, list[Item]] = defaultdict(list)
    for route in routes:
        for upper_item, lower_item in pairwise(route):
            below[upper_item].append(lower_item)
            above[lower_item].append(upper_item)
    ranks: list[list[Item]] = [[] for _ in range(max((box.rank for box in items.values()), default=0) + 1)]
    for item, box in items.items():
        ranks[box.rank].append(item)
    ranks = _ordered(ranks, items, above, below)
    across, lanes = _placed(ranks, items, above, below, gap, lane_gap)
    return Layout(across, tuple(routes), lanes)


Neighbours = Mapping[Item, Sequence[Item]]


def _ordered(
    ranks: list[list[Item]], items: Mapping[Item, Box], above: Neighbours, below: Neighbours
) -> list[list[Item]]:
    """Each rank by lane, and within its lane by the mean position of the neighbours; the best of all passes."""
    ranks = [sorted(rank, key=lambda item: items[item].lane) for rank in ranks]
    best, fewest = ranks, _crossings(ranks, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        ranks = [list(rank) for rank in ranks]
        for index in range(1, len(ranks)) if down else range(len(ranks) - 2, -1, -1):
            fixed = {item: place for place, item in enumerate(ranks[index - 1 if down else index + 1])}
            order = {}
            for place, item in enumerate(ranks[index]):
                near = (above if down else below).get(item, ())
                mean = sum(fixed[other] for other in near) / len(near) if near else float(place)
                order[item] = (items[item].lane, mean)
            ranks[index].sort(key=order.__getitem__)
        crossings = _crossings(ranks, below)
        if crossings < fewest:
            best, fewest = ranks, crossings
    return best


def _crossings(ranks: Sequence[Sequence[Item]], below: Neighbours) -> int:
    """Inversions between each rank and the next, counted with a Fenwick tree."""
    total = 0
    for upper, lower in pairwise(ranks):
        place = {item: index for index, item in enumerate(lower)}
        tree, seen = [0] * (len(lower) + 1), 0
        for item in upper:
            ends = sorted(place[other] for other in below.get(item, ()))
            for end in ends:
                index, left = end + 1, 0
                while index:
                    left += tree[index]
                    index &= index - 1
                total += seen - left
            for end in ends:
                index = end + 1
                while index <= len(lower):
                    tree[index] += 1
                    index += index & -index
                seen += 1
    return total


def _placed(
    ranks: Sequence[Sequence[Item]],
    items: Mapping[Item, Box],
    above: Neighbours,
    below: Neighbours,
    gap: float,
    lane_gap: float,
) -> tuple[dict[Item, float], tuple[tuple[float, float], ...]]:
    """Lane by lane, from left to right."""
    across: dict[Item, float] = {}
    lanes: list[tuple[float, float]] = []
    start = 0.0
    for lane in range(max((box.lane for box in items.values()), default=-1) + 1):
        rows = [[item for item in rank if items[item].lane == lane] for rank in ranks]
        own = _lane(rows, items, above, below, gap)
        left = min((own[item] - items[item].width / 2 for item in own), default=0.0)
        right = max((own[item] + items[item].width / 2 for item in own), default=0.0)
        across |= {item: place - left + start for item, place in own.items()}
        lanes.append((start, start + right - left))
        start += right - left + lane_gap
    return across, tuple(lanes)


def _lane(
    rows: Sequence[Sequence[Item]], items: Mapping[Item, Box], above: Neighbours, below: Neighbours, gap: float
) -> dict[Item, float]:
    own = {item for row in rows for item in row}
    places: dict[Item, float] = {}
    for row in rows:
        width = sum(items[item].width + gap for item in row)
        at = -width / 2
        for item in row:
            places[item] = at + (items[item].width + gap) / 2
            at += items[item].width + gap
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wishes, weights = [], []
            for item in row:
                near = [other for other in (*above.get(item, ()), *below.get(item, ())) if other in own]
                pulls = [_pull(item, other) for other in near]
                total = sum(pulls)
                wishes.append(
                    sum(places[other] * pull for other, pull in zip(near, pulls, strict=True)) / total
                    if total
                    else places[item]
                )
                weights.append(total or 1.0)
            distances = [(items[a].width + items[b].width) / 2 + gap for a, b in pairwise(row)]
            places.update(zip(row, spaced(wishes, weights, distances), strict=True))
    return places


def _pull(item: Item, other: Item) -> float:
    return STRAIGHT if isinstance(item, tuple) and isinstance(other, tuple) else 1.0


def spaced(wishes: Sequence[float], weights: Sequence[float], distances: Sequence[float]) -> list[float]:
    """Places in the order given, at least ``distances`` apart, with the least weighted squares from the wishes.

    Without the distances that is isotonic regression, solved by pooling adjacent violators.
    """
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, float, int]] = []
    for wish, weight, offset in zip(wishes, weights, offsets, strict=False):
        mean, mass, count = wish - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_mass, other_count = pools.pop()
            mean = (mean * mass + other * other_mass) / (mass + other_mass)
            mass, count = mass + other_mass, count + other_count
        pools.append((mean, mass, count))
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=False)]
