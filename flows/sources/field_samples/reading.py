"""The reader of field samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from flows.sources.field_samples.columns import Needs, SampleColumns, effort_key, find_columns
from flows.sources.field_samples.defects import KEPT, MERGED, Defect, DefectiveRow, SampleReading
from flows.sources.field_samples.rows import (
    CommaNumberError,
    StatedSample,
    UnusableRowError,
    cell,
    stated_sample,
)
from flows.sources.field_samples.rules import is_of_known_continent, refuse_unbelieved
from flows.sources.field_samples.tables import read_header, read_rows
from monitoring.errors import SampleError
from monitoring.targets import Target

TWIN = Defect("alike in all but the id", "one sample under two ids: the first speaks", MERGED)
LIKE = Defect("alike in all but the id, by chance", "values this small coincide", KEPT)
REPLICATE = Defect("several samples at one coordinate", "replicates: they tell a label's error", KEPT)
UNKNOWN_CONTINENT = Defect("continent not stated or unknown", "nothing to hold the place against", KEPT)


def read_samples(
    path: Path,
    target: Target,
    columns: SampleColumns | None = None,
    *,
    year_if_missing: int | None = None,
    needs_year: bool = True,
    needs_coordinates: bool = True,
) -> SampleReading:
    """Return the field samples of a CSV or Parquet table, and every row with a defect.

    year_if_missing: the year to take where a row states none. Without needs_year or needs_coordinates a row
    may leave them empty; what it does state must still be possible. SampleError when the table cannot be
    read, uses an id twice, writes numbers with a comma, or has no usable row.
    """
    path, needs = Path(path), Needs(needs_year, year_if_missing, needs_coordinates)
    found = find_columns(path, read_header(path), columns or SampleColumns(), target, needs)
    reading = _judged(path, list(_rows(path, found)), target, needs)
    if not reading.samples:
        listed = ", ".join(f"{count} rows: {reason}" for reason, count in reading.counts.items())
        raise SampleError(f"sample table {path}: no usable sample ({listed or 'it is empty'})")
    return reading


def _rows(path: Path, found: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the cells of each row by what they hold."""
    # One column may serve twice: a site that is also the id.
    names = list(dict.fromkeys(found.values()))
    for texts in read_rows(path, names):
        by_name = dict(zip(names, (cell(text) for text in texts), strict=True))
        yield {key: by_name[name] for key, name in found.items()}


def _judged(path: Path, rows: Sequence[Mapping[str, str]], target: Target, needs: Needs) -> SampleReading:
    _refuse_repeats(path, [row["id"] for row in rows])
    believed: list[StatedSample] = []
    defective: list[DefectiveRow] = []
    for number, cells in enumerate(rows, 1):
        try:
            stated = stated_sample(number, cells, target, needs)
            refuse_unbelieved(stated, target.rules, has_counts="count" in cells)
            believed.append(stated)
        except UnusableRowError as error:
            defective.append(DefectiveRow(number, cells["id"], error.defect, error.value))
        except CommaNumberError as error:
            raise SampleError(
                f"sample table {path}: row {number}: {error}: "
                "write decimals with a point and thousands with nothing"
            ) from error
    twins = list(_alike(believed, target))
    merged = {twin.row for twin in twins if twin.defect is TWIN}
    kept = [stated for stated in believed if stated.row not in merged]
    defective += [*twins, *_remarks(kept, rows, target)]
    return SampleReading(
        tuple(stated.sample for stated in kept), tuple(sorted(defective, key=lambda each: each.row))
    )


def _refuse_repeats(path: Path, ids: Sequence[str]) -> None:
    """SampleError where rows share an id: it could be either of them that an embedding belongs to."""
    repeated = [name for name, count in Counter(ids).items() if name and count > 1]
    if repeated:
        rows = [str(number) for number, name in enumerate(ids, 1) if name == repeated[0]]
        more = f"; {len(repeated) - 1} more ids are used twice" if len(repeated) > 1 else ""
        raise SampleError(
            f"sample table {path}: id {repeated[0]!a} is used by rows {' and '.join(rows[:3])}, "
            f"an id names one sample{more}"
        )


def _alike(believed: Iterable[StatedSample], target: Target) -> Iterator[DefectiveRow]:
    """Yield the rows that equal an earlier one in all but the id."""
    first: dict[str, StatedSample] = {}
    for stated in believed:
        sample = stated.sample
        if math.isnan(sample.longitude):
            continue
        place = sample.longitude, sample.latitude, sample.year, sample.group
        earlier = first.setdefault(repr((place, sample.value, sample.effort, stated.count)), stated)
        if earlier is not stated:
            limit = target.rules.alike_from
            defect = TWIN if limit is not None and sample.value >= limit else LIKE
            yield DefectiveRow(stated.row, sample.id, defect, earlier.sample.id)


def _remarks(
    kept: Sequence[StatedSample], rows: Sequence[Mapping[str, str]], target: Target
) -> Iterator[DefectiveRow]:
    """Yield what is told of samples although they are used."""
    places = Counter((stated.sample.longitude, stated.sample.latitude) for stated in kept)
    for stated in kept:
        sample, cells = stated.sample, rows[stated.row - 1]
        place = sample.longitude, sample.latitude
        if places[place] > 1 and not math.isnan(place[0]):
            yield DefectiveRow(stated.row, sample.id, REPLICATE, f"{place[0]:g} {place[1]:g}")
        if (
            "continent" in cells
            and target.rules.inside_stated_continent
            and not is_of_known_continent(stated)
        ):
            yield DefectiveRow(stated.row, sample.id, UNKNOWN_CONTINENT, stated.continent)
        for effort in target.effort:
            if cells.get(effort_key(effort.name)) == "":
                yield DefectiveRow(stated.row, sample.id, _unstated(effort.name), "")


def _unstated(effort: str) -> Defect:
    return Defect(f"no {effort}", "effort is not stated", KEPT)
