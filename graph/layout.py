"""A layered drawing (Sugiyama, Tagawa, Toda 1981): ranks from top to bottom, frames that hold what belongs together.

Long links get a bend at every rank between their ends. Things are ordered by barycentres, and stand as near to the mean
of what they are joined to as order, distances and frames allow. Frames that share no rank may stand below one another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Final

SWEEPS: Final = 16
"""Passes over the ranks, down and up, for the order; as many for the places. More changed nothing in trials."""
ROUNDS: Final = 60
"""Of the projections that keep things apart; after as many, what is left is far below a pixel in trials."""
BEND: Final = 8.0
"""Width that a passing link takes."""
STRAIGHT: Final = 8.0
"""How much more a link's bends hold to each other than boxes do: long lines stay straight."""

Item = Hashable
Apart = tuple[Item, Item, float]
"""Left, right, and how far at least the centre of the one is from that of the other."""


@dataclass(frozen=True)
class Box:
    """Something with a place of its own. ``frame`` absent: it stands outside of all."""

    rank: int
    frame: Hashable | None
    width: float


@dataclass(frozen=True)
class Room:
    """Distances: of neighbours in a rank, of frames, and by frame of its border from what it holds."""

    gap: float
    between: float
    inside: Mapping[Hashable, float]


@dataclass(frozen=True)
class Layout:
    """Where everything is. ``across``: the centre of every box and bend."""

    across: Mapping[Item, float]
    routes: tuple[tuple[Item, ...], ...]
    """Per link its upper end, its bends, its lower end."""
    frames: Mapping[Hashable, tuple[float, float]]
    """The range that each takes."""


def layout(boxes: Mapping[str, Box], links: Sequence[tuple[str, str]], room: Room) -> Layout:
    """Place the boxes. Links lead from one rank to a lower one."""
    items, routes = _with_bends(boxes, links)
    drawing = _Drawing(items, routes, room)
    order = drawing.ordered()
    used = {box.frame for box in boxes.values()}
    across = _facing(drawing.placed(order), items, [frame for frame in room.inside if frame in used])
    left = min((across[item] - items[item].width / 2 for item in across), default=0.0)
    frames: dict[Hashable, tuple[float, float]] = {}
    for item, box in items.items():
        if box.frame is not None:
            pad = box.width / 2 + room.inside[box.frame]
            start, end = frames.get(box.frame, (float("inf"), float("-inf")))
            frames[box.frame] = min(start, across[item] - pad), max(end, across[item] + pad)
    left = min((left, *(start for start, _ in frames.values())))
    moved = {item: place - left for item, place in across.items()}
    return Layout(moved, routes, {name: (start - left, end - left) for name, (start, end) in frames.items()})


def _facing(
    across: Mapping[Item, float], items: Mapping[Item, Box], frames: Sequence[Hashable]
) -> Mapping[Item, float]:
    """Mirrored where the first frame is on the right of the last: both ways are as good, and one is expected."""
    if not frames:
        return across
    first, last = (
        fmean(across[item] for item, box in items.items() if box.frame == frame) for frame in (frames[0], frames[-1])
    )
    return {item: -place for item, place in across.items()} if first > last else across


def _with_bends(
    boxes: Mapping[str, Box], links: Sequence[tuple[str, str]]
) -> tuple[dict[Item, Box], tuple[tuple[Item, ...], ...]]:
    """A bend is in a frame of its link's ends for as long as that frame goes on."""
    held: dict[Hashable, list[int]] = defaultdict(list)
    for box in boxes.values():
        if box.frame is not None:
            held[box.frame].append(box.rank)
    items: dict[Item, Box] = dict(boxes.items())
    routes: list[tuple[Item, ...]] = []
    for index, (upper, lower) in enumerate(links):
        bends: list[Item] = []
        for rank in range(boxes[upper].rank + 1, boxes[lower].rank):
            ends = boxes[upper].frame, boxes[lower].frame
            frame = next((end for end in ends if end in held and min(held[end]) <= rank <= max(held[end])), None)
            items[index, rank] = Box(rank, frame, BEND)
            bends.append((index, rank))
        routes.append((upper, *bends, lower))
    return items, tuple(routes)


class _Drawing:
    def __init__(self, items: Mapping[Item, Box], routes: Sequence[Sequence[Item]], room: Room) -> None:
        self._items, self._room = items, room
        self._above: dict[Item, list[Item]] = defaultdict(list)
        self._below: dict[Item, list[Item]] = defaultdict(list)
        for route in routes:
            for upper, lower in pairwise(route):
                self._below[upper].append(lower)
                self._above[lower].append(upper)
        self._depth = max((box.rank for box in items.values()), default=-1) + 1

    def ordered(self) -> list[Item]:
        """Everything from left to right: what shares a frame together; the order with the fewest crossings."""
        order = self._together({item: float(index) for index, item in enumerate(self._items)})
        places = self._apart(dict.fromkeys(order, 0.0), order)
        best, fewest = order, self._badness(order, places)
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            wishes = dict(places)
            for row in self._rows(order) if down else reversed(self._rows(order)):
                for item in row:
                    near = (self._above if down else self._below).get(item)
                    if near:
                        wishes[item] = fmean(wishes[other] for other in near)
            order = self._together(wishes)
            places = self._apart(wishes, order)
            badness = self._badness(order, places)
            if badness < fewest:
                best, fewest = order, badness
        return best

    def placed(self, order: Sequence[Item]) -> dict[Item, float]:
        """Near to the mean of the neighbours; half a step at a time, because the neighbours move as well."""
        places = self._apart(dict.fromkeys(order, 0.0), order)
        for _ in range(2 * SWEEPS):
            wishes = {}
            for item in order:
                near = [*self._above.get(item, ()), *self._below.get(item, ())]
                pulls = [self._pull(item, other) for other in near]
                mean = fmean([places[other] for other in near], pulls) if near else places[item]
                wishes[item] = (places[item] + mean) / 2
            places = self._apart(wishes, order)
        return places

    def _pull(self, item: Item, other: Item) -> float:
        return STRAIGHT if isinstance(item, tuple) and isinstance(other, tuple) else 1.0

    def _group(self, item: Item) -> Hashable:
        frame = self._items[item].frame
        return item if frame is None else ("frame", frame)

    def _together(self, wishes: Mapping[Item, float]) -> list[Item]:
        groups: dict[Hashable, list[Item]] = defaultdict(list)
        for item in wishes:
            groups[self._group(item)].append(item)
        for group in groups.values():
            group.sort(key=wishes.__getitem__)
        return [
            item
            for group in sorted(groups.values(), key=lambda group: fmean(wishes[item] for item in group))
            for item in group
        ]

    def _rows(self, order: Sequence[Item]) -> list[list[Item]]:
        rows: list[list[Item]] = [[] for _ in range(self._depth)]
        for item in order:
            rows[self._items[item].rank].append(item)
        return rows

    def _apart(self, wishes: Mapping[Item, float], order: Sequence[Item]) -> dict[Item, float]:
        """Each as near to its wish as the distances allow."""
        weights = {item: float(len(self._above[item]) + len(self._below[item]) or 1) for item in order}
        return separated(wishes, weights, order, self._distances(order))

    def _distances(self, order: Sequence[Item]) -> list[Apart]:
        """Of neighbours within a frame, and of what stands at the sides of two frames that are beside each other."""
        ranks: dict[Hashable, list[int]] = defaultdict(list)
        rows: dict[tuple[Hashable, int], list[Item]] = defaultdict(list)
        for item in order:
            rank = self._items[item].rank
            ranks[self._group(item)].append(rank)
            rows[self._group(item), rank].append(item)
        found = [(a, b, self._next_to(a, b)) for row in rows.values() for a, b in pairwise(row)]
        beside: dict[tuple[Hashable, Hashable], None] = {}
        for rank in range(self._depth):
            here = [group for group, own in ranks.items() if min(own) <= rank <= max(own)]
            beside |= dict.fromkeys(pairwise(here))
        for left, right in beside:
            ends = [rows[left, rank][-1] for rank in dict.fromkeys(ranks[left])]
            starts = [rows[right, rank][0] for rank in dict.fromkeys(ranks[right])]
            found += [(a, b, self._beside(a, b)) for a in ends for b in starts]
        return found

    def _next_to(self, left: Item, right: Item) -> float:
        bends = isinstance(left, tuple) and isinstance(right, tuple)
        return (self._items[left].width + self._items[right].width) / 2 + self._room.gap / (3 if bends else 1)

    def _beside(self, left: Item, right: Item) -> float:
        boxes = self._items[left], self._items[right]
        frames = [box.frame for box in boxes if box.frame is not None]
        if not frames:
            return self._next_to(left, right)
        gap = self._room.between if len(frames) == 2 else self._room.gap
        return sum(box.width for box in boxes) / 2 + sum(self._room.inside[frame] for frame in frames) + gap

    def _badness(self, order: Sequence[Item], places: Mapping[Item, float]) -> tuple[int, float]:
        """Crossings, then how far links go sideways."""
        length = sum(abs(places[a] - places[b]) for a, near in self._below.items() for b in near)
        return crossings(self._rows(order), self._below), length


def crossings(ranks: Sequence[Sequence[Item]], below: Mapping[Item, Sequence[Item]]) -> int:
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


def separated(
    wishes: Mapping[Item, float], weights: Mapping[Item, float], order: Sequence[Item], distances: Sequence[Apart]
) -> dict[Item, float]:
    """Places with the least weighted squares from the wishes that keep the distances, by Hildreth's projections; what
    is left of a distance in the end is made good from left to right, in ``order``."""
    places = dict(wishes)
    pressures = [0.0] * len(distances)
    give = {item: 1 / weight for item, weight in weights.items()}
    for _ in range(ROUNDS):
        most = 0.0
        for index, (left, right, distance) in enumerate(distances):
            lack = distance - places[right] + places[left]
            push = max(-pressures[index], lack / (give[left] + give[right]))
            if push:
                pressures[index] += push
                places[left] -= push * give[left]
                places[right] += push * give[right]
                most = max(most, abs(push))
        if most < 1e-3:
            break
    position = {item: index for index, item in enumerate(order)}
    for left, right, distance in sorted(distances, key=lambda apart: position[apart[0]]):
        places[right] = max(places[right], places[left] + distance)
    return places
