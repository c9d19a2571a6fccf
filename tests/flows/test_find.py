"""What the histories show, from series to alerts, and what no alert may rest on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from shapely import box

from flows.assess import Findings, find, series_hash
from flows.load import refuse_lost_warehouse
from monitoring.errors import WarehouseError
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.histories import RichnessSeries
from monitoring.woodlands import Status, Woodland

YEARS = np.arange(2017, 2026)
RICHNESS = Target("richness", "taxa per standard sample", high=600.0)
NOISE = np.random.default_rng(20).normal(0, 1, (13, 9))
NONE: tuple[int, ...] = ()


def wood(number: int, status: Status) -> Woodland:
    return Woodland(f"w{number:02}", f"Wood {number}", "Vale", status, box(0, 50, 0.01, 50.01), 1.0)


WOODLANDS = tuple(wood(number, Status.ASNW if number < 4 else Status.OTHER) for number in range(13))


def series(number: int, slope: float = 0.0, outside: tuple[int, ...] = NONE) -> RichnessSeries:
    """Nine years about 60 taxa, those outside left out."""
    inside, values = ~np.isin(YEARS, outside), 60 + slope * np.arange(9) + NOISE[number]
    return RichnessSeries(
        f"w{number:02}", YEARS[inside], values[inside], np.ones(inside.sum()), np.array(outside, np.int64)
    )


def found(decliner: RichnessSeries) -> Findings:
    family = [decliner, *(series(number) for number in range(1, 13))]
    return find(family, WOODLANDS, Science(), Season(2025, 4), RICHNESS)


def test_a_planted_decliner_inside_the_area_of_applicability_alerts() -> None:
    findings = found(series(0, -2.0))
    assert [alert.woodland_id for alert in findings.alerts] == ["w00"]
    assert len(findings.trends) == 13
    assert findings.contrasts[0].n_ancient == 4


@pytest.mark.parametrize("outside", [(2025,), (2017, 2018), (2018, 2021, 2024), tuple(YEARS.tolist())])
def test_a_planted_decliner_outside_the_area_of_applicability_never_alerts(outside: tuple[int, ...]) -> None:
    findings = found(series(0, -2.0, outside))
    assert findings.alerts == ()
    assert findings.verdict.fatal == ""
    assert len(findings.verdict.quarantined) == 0


def test_a_woodland_never_inside_takes_no_part_in_the_contrast() -> None:
    (contrast,) = found(series(0, -2.0, tuple(YEARS.tolist()))).contrasts
    assert (contrast.n_ancient, contrast.n_other, contrast.n_years) == (3, 9, 9)


def test_what_lies_outside_names_the_assessment_and_without_any_the_name_stays() -> None:
    whole = series(0, -2.0)
    plain = RichnessSeries(whole.woodland_id, whole.years, whole.mean, whole.sd)
    assert series_hash([whole]) == series_hash([plain])
    cut = series(0, -2.0, (2020,))
    bare = RichnessSeries(cut.woodland_id, cut.years, cut.mean, cut.sd)
    assert series_hash([cut]) != series_hash([bare])


def test_a_lost_warehouse_is_not_begun_anew_beside_its_snapshot(tmp_path: Path) -> None:
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    refuse_lost_warehouse(warehouse, published)
    published.touch()
    with pytest.raises(
        WarehouseError, match=r"warehouse\.duckdb: missing, while its snapshot .* exists"
    ) as no:
        refuse_lost_warehouse(warehouse, published)
    assert "\n" not in str(no.value)
    shutil.copy(published, warehouse)
    refuse_lost_warehouse(warehouse, published)
