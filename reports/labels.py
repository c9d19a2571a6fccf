"""Where to put labels so that they cover neither each other nor the symbols they name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Distances from symbol to label centre that are tried in turn, as multiples of the label's height.
_REACH = (1.1, 1.5, 2.1, 2.9, 3.9, 5.2, 7.0, 9.5)
_DIRECTIONS = 12
#: Farther than this many heights away, a label covers what it would rather not.
_NEAR = 2.5


@dataclass(frozen=True)
class Box:
    """A rectangle on paper: centre and size, all in one unit."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: Box) -> bool:
        """True when the two rectangles share any area."""
        wide, high = (self.width + other.width) / 2, (self.height + other.height) / 2
        return abs(self.x - other.x) < wide and abs(self.y - other.y) < high

    def lies_in(self, other: Box) -> bool:
        """True when no part of this rectangle is outside the other."""
        wide, high = (other.width - self.width) / 2, (other.height - self.height) / 2
        return abs(self.x - other.x) <= wide and abs(self.y - other.y) <= high

    def crossed_by(self, line: Leader) -> bool:
        """True when the line enters the rectangle (Liang and Barsky 1984)."""
        enter, leave = 0.0, 1.0
        for start, end, middle, side in (
            (line.x0, line.x1, self.x, self.width),
            (line.y0, line.y1, self.y, self.height),
        ):
            low, high, run = middle - side / 2 - start, middle + side / 2 - start, end - start
            if run == 0:
                if low > 0 or high < 0:
                    return False
                continue
            enter = max(enter, min(low / run, high / run))
            leave = min(leave, max(low / run, high / run))
        return enter <= leave


@dataclass(frozen=True)
class Leader:
    """The straight line from a symbol to its label."""

    x0: float
    y0: float
    x1: float
    y1: float

    def crosses(self, other: Leader) -> bool:
        """True when the two lines cut through each other."""
        return (
            self._side(other.x0, other.y0) * self._side(other.x1, other.y1) < 0
            and other._side(self.x0, self.y0) * other._side(self.x1, self.y1) < 0
        )

    def _side(self, x: float, y: float) -> float:
        return (self.x1 - self.x0) * (y - self.y0) - (self.y1 - self.y0) * (x - self.x0)


def place_labels(
    labels: Sequence[Box], frame: Box, never: Sequence[Box], rather_not: Sequence[Box] = ()
) -> tuple[Box, ...]:
    """Return where each label goes, in order; each comes in centred on the symbol that it names.

    No label meets another or anything in `never`, and none leaves the frame, as long as there is room;
    `rather_not` is respected where that leaves a place. Without any room a label stays nearest to its symbol.
    """
    placed: list[Box] = []
    leaders: list[Leader] = []
    for label in labels:
        box = _place(label, frame, (*placed, *never), leaders, rather_not)
        placed.append(box)
        leaders.append(Leader(label.x, label.y, box.x, box.y))
    return tuple(placed)


def _place(
    label: Box, frame: Box, taken: Sequence[Box], leaders: Sequence[Leader], rather_not: Sequence[Box]
) -> Box:
    free = [
        box
        for box in _candidates(label)
        if box.lies_in(frame) and not any(box.meets(other) for other in taken)
    ]
    clear = [box for box in free if _is_clear(label, box, taken, leaders)]
    near = (box for box in clear if math.hypot(box.x - label.x, box.y - label.y) <= _NEAR * label.height)
    quiet = (box for box in near if not any(box.meets(other) for other in rather_not))
    return next(quiet, next(iter(clear or free), label))


def _is_clear(label: Box, box: Box, taken: Sequence[Box], leaders: Sequence[Leader]) -> bool:
    """True when the leader runs over no other label or symbol, and no leader over this label."""
    line = Leader(label.x, label.y, box.x, box.y)
    others = (other for other in taken if not other.crossed_by(Leader(label.x, label.y, label.x, label.y)))
    return not (
        any(other.crossed_by(line) for other in others)
        or any(box.crossed_by(leader) or line.crosses(leader) for leader in leaders)
    )


def _candidates(label: Box) -> Iterator[Box]:
    for reach in _REACH:
        for turn in range(_DIRECTIONS):
            # The first try is to the upper right, where a reader looks for a label.
            angle = math.radians(30 + 360 / _DIRECTIONS * turn)
            x = label.x + reach * label.height * math.cos(angle) * max(1.0, label.width / label.height)
            yield Box(x, label.y + reach * label.height * math.sin(angle), label.width, label.height)
