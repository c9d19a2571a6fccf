"""Which products of each pass the catalogue lists, and under which processing baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from flows.archive.orbits import Pass, optical_passes
from flows.archive.parks import Park

#: First day of each processing baseline, as sensed; from 04.00 on, digital numbers carry +1000.
BASELINES = (
    (date(2017, 1, 1), "02.12"),
    (date(2019, 7, 1), "02.14"),
    (date(2021, 3, 30), "03.00"),
    (date(2021, 6, 30), "03.01"),
    (date(2022, 1, 25), "04.00"),
    (date(2022, 12, 6), "05.09"),
    (date(2023, 12, 13), "05.10"),
    (date(2024, 7, 23), "05.11"),
)
FIRST_WITH_OFFSET = "04.00"
REPROCESSED_BASELINE, REPROCESSED_FROM = "05.00", datetime(2023, 5, 1, tzinfo=UTC)
#: (park code, year, month) whose first pass is listed twice: as first processed, and again years later.
REPROCESSED = (("HF", 2021, 7), ("OW", 2019, 8), ("OW", 2020, 5))
#: Everything sensed before this was processed in one campaign around it.
CAMPAIGN = datetime(2020, 10, 7, 21, 0, tzinfo=UTC)


@dataclass(frozen=True)
class OpticalProduct:
    """One Sentinel-2 L2A product: a pass, processed once."""

    sensing: Pass
    baseline: str
    generated_at: datetime
    first_of_month: bool
    """The park's first listed pass of its month."""

    @property
    def offset(self) -> int:
        """What its digital numbers carry on top of reflectance x 10000."""
        return 1000 if self.baseline >= FIRST_WITH_OFFSET else 0

    @property
    def id(self) -> str:
        """Planetary Computer's item id: the product's name without its baseline."""
        one = self.sensing
        stamps = f"{one.sensed_at:%Y%m%dT%H%M%S}_R{one.relative_orbit:03d}_T{one.park.tile}"
        return f"{one.satellite.name}_MSIL2A_{stamps}_{self.generated_at:%Y%m%dT%H%M%S}"

    @property
    def product_uri(self) -> str:
        """Name of the product's folder, with its baseline."""
        return self.id.replace("_R", f"_N{self.baseline.replace('.', '')}_R", 1) + ".SAFE"


def optical_products(park: Park, seed: int) -> tuple[OpticalProduct, ...]:
    """Return every listed Sentinel-2 product of a park, re-processed copies after their originals."""
    return tuple(_products(park, optical_passes(park, seed), seed))


def _products(park: Park, passes: Sequence[Pass], seed: int) -> Iterator[OpticalProduct]:
    seen: set[tuple[int, int]] = set()
    for one in passes:
        month = (one.sensed_at.year, one.sensed_at.month)
        first = month not in seen
        seen.add(month)
        delay = float(np.random.default_rng([seed, park.number, 5, one.orbit]).uniform(0.15, 0.9))
        yield OpticalProduct(one, baseline_of(one.sensed_at.date()), _generated(one, delay), first)
        if first and (park.code, *month) in REPROCESSED:
            again = REPROCESSED_FROM + timedelta(days=200.0 * delay)
            yield OpticalProduct(one, REPROCESSED_BASELINE, again, first)


def baseline_of(sensed_on: date) -> str:
    """Return the processing baseline in force on a day."""
    return [baseline for start, baseline in BASELINES if start <= sensed_on][-1]


def _generated(one: Pass, delay: float) -> datetime:
    if one.sensed_at < CAMPAIGN:
        return CAMPAIGN + timedelta(days=90.0 * delay)
    return one.sensed_at + timedelta(days=delay)
