"""An old season assessed after a later one: its findings are recorded, and of alerts it says nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from flows.assessing.find import Findings
from flows.assessing.recording import Recorded, record, record_provisional
from flows.assessing.season import AssessReceipt
from flows.quality.gate import Verdict
from flows.workspace import Workspace, open_workspace
from monitoring.alerts.alert import Alert, Level
from monitoring.trends.parks import ParkTrend
from warehouse.reader import read
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[2] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

WHOLE = ParkTrend(
    "whole", "", "all", "area", 2, 9, -1.0, -2.0, 0.0, 0.02, -30.0, -2.5, 0.01, 0.02, world.NAN, world.NAN,
    world.NAN, world.NAN, 0.1, "", "yearly means",
)  # fmt: skip
SOUND = Verdict("trends", pd.DataFrame(), pd.DataFrame(), ())


class Service:
    """A warehouse with nine years of estimates, and assessments recorded in it."""

    def __init__(self, folder: Path) -> None:
        config = folder / "underwood.toml"
        config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
        self.workspace: Workspace = open_workspace(str(config))
        self.workspace.warehouse.parent.mkdir(parents=True, exist_ok=True)
        with open_writer(self.workspace.warehouse, now=world.NOW) as writer:
            world.prepare(writer)
            world.load(writer, folder, world.history())

    def assess(self, season: str, raised: Sequence[str] = (), q: float = 0.01) -> Recorded:
        """Record an assessment of a final season that tests both woodlands and raises an alert on some."""
        judged = replace(world.assessment(season, f"series-{season}"), run_id=self._run(season))
        trends = tuple(world.trend_row(name, judged, q).trend for name in ("a", "b"))
        alerts = tuple(world.alert_row(name, judged).alert for name in raised)
        is_look = season == "2025-Q4"
        return record(
            self.workspace, judged, Findings(trends, (), alerts, SOUND, (WHOLE,)), world.NOW, is_look=is_look
        )

    def assess_provisional(self, season: str, raised: Sequence[str] = ()) -> Recorded:
        """Record an assessment of a season that is not final."""
        judged = replace(world.assessment(season, f"series-{season}"), run_id=self._run(season))
        alerts = [_provisional(world.alert_row(name, judged).alert) for name in raised]
        return record_provisional(self.workspace, judged, alerts, {"a", "b"}, world.NOW)

    def _run(self, season: str) -> str:
        with open_writer(self.workspace.warehouse, now=world.NOW) as writer:
            writer.record_run(replace(world.RUN, run_id=f"run-{season}", season=season))
        return f"run-{season}"

    @property
    def log(self) -> list[tuple[str, str, str]]:
        """Every event: woodland, kind, season."""
        with read(self.workspace.warehouse) as reader:
            return [(each.woodland_id, each.kind.value, each.season) for each in reader.alert_events()]

    def standing(self) -> list[tuple[str, str]]:
        """Every alert: woodland and state."""
        with read(self.workspace.warehouse) as reader:
            return [(row["woodland_id"], row["state"]) for row in reader.alert_states()]

    def n_trends(self, season: str) -> int:
        with read(self.workspace.warehouse) as reader:
            return len(reader.connection.execute("from trend where season = ?", [season]).fetchall())


def _provisional(alert: Alert) -> Alert:
    return replace(alert, level=Level.PROVISIONAL, kind="fall", q=world.NAN)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_an_old_season_assessed_late_records_its_trends_and_raises_no_alert(service: Service) -> None:
    service.assess("2025-Q4", ["a"])
    late = service.assess("2019-Q4", ["a", "b"])
    assert late.is_look_back
    assert service.n_trends("2019-Q4") == 2
    assert service.log == [("a", "raised", "2025-Q4")]
    assert service.standing() == [("a", "open")]


def test_an_old_season_assessed_late_neither_closes_nor_raises_anew(service: Service) -> None:
    service.assess("2022-Q4", ["a", "b"])
    service.assess("2023-Q4", q=0.9)
    service.assess("2024-Q4", q=0.9)  # both have ended
    service.assess("2025-Q4", ["a"])
    before = service.log
    assert service.assess("2024-Q4", ["b"]).is_look_back
    assert service.assess("2023-Q4", q=0.9).is_look_back
    assert service.log == before


def test_a_later_season_counts_also_where_it_was_no_yearly_look_and_raised_nothing(service: Service) -> None:
    service.assess("2023-Q4")
    assert service.assess("2019-Q4", ["b"]).is_look_back
    assert service.log == []
    assert service.standing() == []


def test_seasons_in_the_order_of_time_live_as_ever_and_the_newest_may_be_assessed_again(
    service: Service,
) -> None:
    for season, raised in (("2023-Q4", ["a"]), ("2024-Q4", ["a"]), ("2025-Q4", ["a"]), ("2025-Q4", ["b"])):
        assert not service.assess(season, raised).is_look_back
    assert [one for one in service.log if one[0] == "a"] == [
        ("a", "raised", "2023-Q4"),
        ("a", "renewed", "2024-Q4"),
        ("a", "renewed", "2025-Q4"),
    ]
    assert ("b", "raised", "2025-Q4") in service.log


def test_a_provisional_season_hides_no_final_one_and_is_hidden_by_any_later_one(service: Service) -> None:
    service.assess("2024-Q4")
    assert not service.assess_provisional("2026-Q1", ["a"]).is_look_back
    assert not service.assess("2025-Q4", ["b"]).is_look_back
    assert service.assess_provisional("2025-Q2", ["b"]).is_look_back
    assert service.log == [("a", "raised", "2026-Q1"), ("b", "raised", "2025-Q4")]


def test_a_receipt_of_a_look_back_says_why_it_names_no_alert() -> None:
    assert AssessReceipt("2019-Q4", 64, 70, 0, (), is_look_back=True).as_markdown() == (
        "2019-Q4: 64 woodlands tested. A later season has been judged before, so nothing is said of alerts."
    )
