"""The demo: the service itself, run on the simulated archive, then held against the planted truth."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from flows.archive import make_archive
from flows.archive.reference_sites import write_reference_sites
from flows.archive.world import build_world
from flows.files import write_whole
from flows.progress import counting
from flows.workspace import Workspace, open_workspace
from monitoring.alerts.alert import Level
from monitoring.science import AlertRule
from monitoring.trends.histories import RichnessSeries
from warehouse.reader import read

FIRST, LAST = "2017-Q4", "2025-Q4"
#: The day the demo pretends it is: its results do not depend on when it is run, and every season is frozen.
DEMO_DAY = datetime(2026, 2, 15, 3, tzinfo=UTC)
#: Shares of steady decliners that must be alerted or watched for the demo to pass.
RECALL_FLOOR = 0.8
SETTINGS = """\
# The demo's settings: the simulated archive beside this file.
catalogue = "archive/catalog.json"
woodlands = "archive/woodlands.gpkg"
reference_sites = "reference_sites.gpkg"
samples = "archive/samples.csv"
home = "service"

[notable_years]
2018 = "drought"
2022 = "drought"
"""


@dataclass(frozen=True)
class Recovery:
    """How the service's alerts compare with the planted truth."""

    found: Mapping[tuple[str, str], int]
    """(truth, level) -> woodlands; level is CONFIRMED, WATCH or `-`."""
    dips: Mapping[int, float]
    """Drought year -> taxa by which stable woodlands stood below the years beside it, on average."""

    def count(self, truth: str, *levels: str) -> int:
        """Return how many woodlands of a planted kind stand at any of the levels."""
        return sum(
            n for (kind, level), n in self.found.items() if kind == truth and (not levels or level in levels)
        )

    @property
    def passed(self) -> bool:
        """True when enough decliners were found and no stable woodland was alerted."""
        found = self.count("decline", Level.CONFIRMED, Level.WATCH)
        return found >= RECALL_FLOOR * self.count("decline") and not self.count("stable", Level.CONFIRMED)


@dataclass(frozen=True)
class Outcome:
    """What the demo ends with."""

    passed: bool
    text: str


def run_demo(directory: Path) -> Outcome:
    """Run the whole line in `directory` and say where everything is and how the truth was recovered."""
    timings: dict[str, float] = {}
    config = directory / "underwood.toml"
    with _timed(timings, "make the archive"):
        made = make_archive(directory / "archive", progress=counting("make archive"))
        write_reference_sites(directory / "reference_sites.gpkg", build_world(made.seed), made.seed)
        write_whole(config, SETTINGS.encode())
    workspace = open_workspace(str(config.absolute()))
    with _timed(timings, "train the head"):
        _train_once(workspace)
    with _timed(timings, f"backfill {FIRST} to {LAST}"):
        _backfill(config.absolute())
    with _timed(timings, "write the report"):
        pdf = _report(workspace, directory / f"report-{LAST}.pdf")
    recovery = recovered(workspace, directory / "archive" / "truth" / "woodlands.csv")
    return Outcome(recovery.passed, _closing_page(workspace, pdf, timings, recovery))


@contextmanager
def _timed(timings: dict[str, float], what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    timings[what] = time.monotonic() - start


def _train_once(workspace: Workspace) -> None:
    from flows.modelling.training import train

    if not workspace.shelf.promoted:
        train(workspace, DEMO_DAY)


def _backfill(config: Path) -> None:
    from flows.pipeline import backfill

    backfill(FIRST, LAST, str(config), final_only=True, now=DEMO_DAY)


def _report(workspace: Workspace, out: Path) -> Path:
    from flows.reporting import record_report, write_season_report

    told = write_season_report(workspace, LAST, park="", out=out, generated_at=DEMO_DAY)
    record_report(workspace, told, DEMO_DAY)
    return told.path


def recovered(workspace: Workspace, truth: Path) -> Recovery:
    """Count woodlands by planted kind and by the level of their open alert."""
    with truth.open(encoding="utf-8", newline="") as file:
        planted = {row["wood_id"]: row["kind"] for row in csv.DictReader(file)}
    with read(workspace.published) as reader:
        level = {alert["woodland_id"]: alert["level"] for alert in reader.alerts()}
        series = reader.series(workspace.science.estimation.target)
    found = Counter((kind, level.get(woodland, "-")) for woodland, kind in planted.items())
    stable = [one for one in series if planted[one.woodland_id] == "stable"]
    return Recovery(found, {year: _dip(stable, year) for year in workspace.settings.notable_years})


def _dip(series: Sequence[RichnessSeries], year: int) -> float:
    """Return how far a year lies below the mean of the years beside it, on average, taxa."""
    dips = []
    for one in series:
        value = dict(zip(one.years.tolist(), one.mean.tolist(), strict=True))
        if {year - 1, year, year + 1} <= value.keys():
            dips.append((value[year - 1] + value[year + 1]) / 2 - value[year])
    return fmean(dips)


def _closing_page(workspace: Workspace, pdf: Path, timings: Mapping[str, float], recovery: Recovery) -> str:
    lines = [
        "",
        f"warehouse  {workspace.published}",
        f"report     {pdf}",
        f"alerts     underwood --config {workspace.settings.config_file} alerts",
        "",
        "planted truth      woodlands  confirmed  watch  nothing",
        *(_truth_line(kind, recovery) for kind in ("decline", "step", "stable")),
        "",
        _verdict(recovery, workspace.science.alert),
        *(_drought_line(year, dip) for year, dip in sorted(recovery.dips.items())),
        "",
        *(f"{seconds:7.1f} s  {what}" for what, seconds in timings.items()),
        f"{sum(timings.values()):7.1f} s  in all",
    ]
    return "\n".join(lines)


def _drought_line(year: int, dip: float) -> str:
    return f"drought of {year}: stable woodlands stood {-dip:+.1f} taxa against the years beside it"


def _truth_line(kind: str, recovery: Recovery) -> str:
    counts = (recovery.count(kind), *(recovery.count(kind, level) for level in ("CONFIRMED", "WATCH", "-")))
    return f"{kind:<17}" + "".join(
        f"{count:>{width}}" for count, width in zip(counts, (11, 11, 7, 9), strict=True)
    )


def _verdict(recovery: Recovery, rule: AlertRule) -> str:
    found, planted = recovery.count("decline", Level.CONFIRMED, Level.WATCH), recovery.count("decline")
    false = recovery.count("stable", Level.CONFIRMED)
    return (
        f"{found} of {planted} steady decliners are alerted or watched, {false} stable woodlands alerted\n"
        f"(confirmed: q <= {rule.q_confirmed:g} and a loss of at least {rule.min_decline_fraction:.0%})."
    )
