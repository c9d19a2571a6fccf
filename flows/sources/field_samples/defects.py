"""Defects: what was wrong with rows of a sample table, by which rule, and what became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from monitoring.samples import FieldSample

REFUSED, MERGED, KEPT = "refused", "merged", "kept"


@dataclass(frozen=True)
class Defect:
    """Something that rows of a table may have, and the rule that answers it."""

    what: str
    """One of a few texts, so that rows can be counted by it."""
    rule: str
    """Why the outcome is what it is."""
    outcome: str
    """`refused`: no sample; `merged`: the same sample as an earlier row; `kept`: a sample all the same."""


@dataclass(frozen=True)
class DefectiveRow:
    """A row and its defect."""

    row: int
    """Position in the table, from 1, the header not counted."""
    sample_id: str
    defect: Defect
    value: str
    """What the row holds there."""

    @property
    def reason(self) -> str:
        """What the row has, in the words it is counted by."""
        return self.defect.what


@dataclass(frozen=True)
class DefectCount:
    """One line of the table of defects."""

    what: str
    rule: str
    outcome: str
    rows: int


@dataclass(frozen=True)
class SampleReading:
    """What a table of field samples gave."""

    samples: tuple[FieldSample, ...]
    """In the table's order."""
    defective: tuple[DefectiveRow, ...] = ()
    """A row may be kept with several defects; refused or merged it is with one."""

    @property
    def refused(self) -> tuple[DefectiveRow, ...]:
        """The rows that no sample was made of."""
        return tuple(each for each in self.defective if each.defect.outcome == REFUSED)

    @property
    def merged(self) -> tuple[DefectiveRow, ...]:
        """The rows that an earlier row speaks for."""
        return tuple(each for each in self.defective if each.defect.outcome == MERGED)

    @property
    def rows(self) -> int:
        """Number of rows in the table."""
        return len(self.samples) + len(self.refused) + len(self.merged)

    @property
    def places(self) -> int:
        """Number of distinct coordinates among the samples that have some."""
        located = (each for each in self.samples if each.longitude == each.longitude)
        return len({(each.longitude, each.latitude) for each in located})

    @property
    def counts(self) -> dict[str, int]:
        """Number of refused rows by reason."""
        return dict(Counter(refused.reason for refused in self.refused).most_common())

    @property
    def defects(self) -> tuple[DefectCount, ...]:
        """The table of defects: refused before merged before kept, then the most frequent first."""
        order = (REFUSED, MERGED, KEPT)
        counted = Counter(each.defect for each in self.defective).items()
        ranked = sorted(counted, key=lambda item: (order.index(item[0].outcome), -item[1], item[0].what))
        return tuple(DefectCount(each.what, each.rule, each.outcome, rows) for each, rows in ranked)


def defect_table(reading: SampleReading) -> str:
    """Return the table of defects as Markdown, with what is left in the last line."""
    lines = ["| what a row holds | rule | outcome | rows |", "|---|---|---|---:|"]
    lines += [f"| {each.what} | {each.rule} | {each.outcome} | {each.rows:,} |" for each in reading.defects]
    left = f"{len(reading.samples):,} samples at {reading.places:,} coordinates, of {reading.rows:,} rows."
    return "\n".join([*lines, "", left])
