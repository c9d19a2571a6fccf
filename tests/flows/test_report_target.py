"""What a report calls its target, and what it says of woodlands without a trend."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from shapely import box

from flows.reporting import target_words, woodland_lines
from monitoring.errors import ReportError
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.sites import site_of
from monitoring.woodlands import Status, Woodland
from warehouse.reader import Reader, read
from warehouse.records import EstimateRow, ModelRow, RunRow
from warehouse.staging import write_estimates
from warehouse.writer import open_writer

NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)
CARBON = Target("soil_organic_carbon", "g per kg", high=600.0)
CARDS = {
    "richness-1": {"target": "richness"},
    "carbon-1": {"target": dataclasses.asdict(CARBON)},
    "ph-1": {"target": "ph"},
}
SCIENCE = '{"estimation": {"min_applicable_share": 0.8}}'


def estimate(woodland_id: str, year: int, target: str, head: str, share: float) -> EstimateRow:
    return EstimateRow(
        woodland_id=woodland_id,
        season=f"{year}-Q4",
        target=target,
        encoder="encoder-1",
        head=head,
        config_hash="config-1",
        inputs_hash="inputs-1",
        mean=40.0,
        sd=5.0,
        sd_place=4.0,
        sd_year=3.0,
        coverage=0.9,
        applicable_share=share,
        n_pixels=100,
        n_s2=30.0,
        n_s1_ascending=12.0,
        n_s1_descending=0.0,
        run_id="run-1",
    )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Three woodlands, one never estimated; three targets, each with a head of its own."""
    path = tmp_path_factory.mktemp("service") / "warehouse.duckdb"
    rows = [
        *(
            estimate("w0", year, "richness", "richness-1", share)
            for year, share in ((2024, 0.3), (2025, 0.9))
        ),
        *(estimate("w1", year, "richness", "richness-1", 1.0) for year in (2024, 2025)),
        estimate("w0", 2025, "soil_organic_carbon", "carbon-1", 1.0),
        estimate("w0", 2025, "ph", "ph-1", 1.0),
    ]
    with open_writer(path, now=NOW) as writer:
        writer.load_woodlands([wood(number) for number in range(3)], now=NOW)
        heads = [ModelRow("head", name, json.dumps(card), "00") for name, card in CARDS.items()]
        writer.load_models([ModelRow("encoder", "encoder-1", "{}", "00"), *heads], now=NOW)
        writer.record_run(RunRow("run-1", "2025-Q4", "config-1", SCIENCE, "0.1.0", NOW))
        writer.load_estimates(write_estimates(Path(path.parent) / "staged.parquet", rows), now=NOW)
    with read(path) as opened:
        yield opened


def wood(number: int) -> Woodland:
    return Woodland(f"w{number}", f"Wood {number}", "Vale", Status.ASNW, box(0, 50, 0.01, 50.01), 1.0)


def test_richness_is_spoken_of_in_its_own_words(reader: Reader) -> None:
    words = target_words(reader, "richness")
    assert (words.name, words.unit) == ("ectomycorrhizal richness", "taxa per standard soil sample")


def test_another_target_goes_by_its_name_in_the_unit_on_its_heads_card(reader: Reader) -> None:
    words = target_words(reader, "soil_organic_carbon")
    assert (words.name, words.unit, words.short_unit) == ("soil organic carbon", "g per kg", "g per kg")
    assert words.slope_unit == "g per kg per year"
    assert words.meaning == "Expected soil organic carbon in one standard sample, g per kg"


def test_a_unit_that_no_card_states_is_not_made_up(reader: Reader) -> None:
    assert target_words(reader, "ph").unit == "unit not stated"


def test_a_target_nobody_estimated_has_no_report(reader: Reader) -> None:
    with pytest.raises(ReportError, match="target 'nitrogen': the warehouse holds no estimate of it"):
        target_words(reader, "nitrogen")


def test_a_woodland_without_a_trend_says_what_it_has_instead(reader: Reader) -> None:
    sites = {f"w{number}": site_of(wood(number)) for number in range(3)}
    lines = {line.id: line for line in woodland_lines(reader, "richness", "", Season(2025, 4), sites)}
    assert lines["w0"].reason == "1 year with an estimate to test: 1 more outside the area of applicability"
    assert (lines["w0"].years_outside, lines["w0"].history[0].applicable_share) == ((2024,), 0.3)
    assert lines["w1"].reason == "2 years with an estimate to test"
    assert lines["w2"].reason == "no annual estimate yet"
