"""The chain behind a figure: what the warehouse holds of a report, an alert, a trend, an estimate, a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from monitoring.identities import ESTIMATE, NAMESPACE, spelled
from monitoring.woodlands import Woodland
from warehouse.answering.answers import Record, moment, rows
from warehouse.publish import write_lease
from warehouse.reader import opened, read, woodland_of

#: What an assessment is named by, apart from what it says of one woodland.
_ASSESSED = ("season", "target", "encoder", "head", "config_hash", "series_hash")
#: Shortest length of a degree of latitude, metres (WGS 84, at the equator).
_DEGREE_M = 110_574.0
#: Nobody looks for woodlands nearer to a pole, where a degree of longitude has no length left.
_MOST_NORTHERN = 89.0


@contextmanager
def read_chain(path: Path) -> Iterator[Chain]:
    """Open a published snapshot for following provenance; errors as `warehouse.reader.read`."""
    with read(path) as reader:
        yield Chain(reader.connection)


@contextmanager
def read_unpublished(path: Path, *, wait_s: float) -> Iterator[Chain]:
    """Open the warehouse itself under its lease, for what was recorded since the last snapshot.

    Nobody writes meanwhile, so little is to be asked. LeaseHeldError after `wait_s`.
    """
    with write_lease(path, wait_s=wait_s), opened(path) as connection:
        yield Chain(connection)


class Chain:
    """An open warehouse as provenance asks it. `as_of` None asks for what is known now."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def report(self, sha256: str, as_of: datetime | None = None) -> Record | None:
        """A report by the SHA-256 of its PDF, as first recorded."""
        return self._first("report", sha256=sha256, as_of=as_of)

    def report_alerts(self, sha256: str) -> tuple[Record, ...]:
        """The alerts a report told of, with the level and state they had: alert_id, level, state."""
        return self._rows("report_alerts", sha256=sha256)

    def alert(self, alert_id: str, as_of: datetime | None = None) -> Record | None:
        """An alert with the figures it was last raised with, and its woodland's name and park."""
        return self._first("alert", id=alert_id, as_of=as_of)

    def events(self, alert_id: str, as_of: datetime | None = None) -> tuple[Record, ...]:
        """What happened to an alert, in order."""
        return self._rows("events", id=alert_id, as_of=as_of)

    def trend(self, woodland_id: str, assessment: Record) -> Record | None:
        """A woodland's trend in the assessment that a row of it names."""
        named = {name: assessment[name] for name in _ASSESSED}
        return self._first("trend", woodland_id=woodland_id, **named)

    def gates(self, assessment: Record, woodland_id: str, park: str, block_id: str) -> tuple[Record, ...]:
        """What the gates found in an assessment that may reach a woodland."""
        named = {name: assessment[name] for name in _ASSESSED}
        return self._rows("gates", woodland_id=woodland_id, park=park, block_id=block_id, **named)

    def look(self, target: str, season: str) -> int | None:
        """The number of the yearly look at a season; None where it was none."""
        found = self._first("look", target=target, season=season)
        return int(found["number"]) if found else None

    def series(self, row: Record) -> tuple[Record, ...]:
        """The estimates that a trend or a provisional alert rests on, as known when it was recorded."""
        return self._rows(
            "series",
            woodland_id=row["woodland_id"],
            target=row["target"],
            season=row["season"],
            quarter=row["season"][-1],
            moment=row["recorded_at"],
        )

    def estimates(
        self, woodland_id: str, season: str, target: str | None = None, as_of: datetime | None = None
    ) -> tuple[Record, ...]:
        """The estimates of a woodland-season that hold, or held at a moment; by target."""
        asked = {"woodland_id": woodland_id, "season": season, "target": target}
        if as_of is None:
            return self._rows("estimate", **asked)
        return self._rows("estimate_as_of", **asked, as_of=as_of)

    def estimates_of_season(self, season: str) -> tuple[Record, ...]:
        """The estimates that hold for a season, by block, target and woodland."""
        return self._rows("estimates_of_season", season=season)

    def estimate_of_id(self, estimate_id: str, as_of: datetime | None = None) -> Record | None:
        """The estimate that an id of `monitoring.identities` names.

        Every row of the log is named until it is found, the newest season first.
        """
        asked = {"namespace": NAMESPACE.hex, "kind": spelled(ESTIMATE), "as_of": as_of}
        asked["digits"] = estimate_id.replace("-", "")
        for row in self._rows("recorded_seasons"):
            found = self._first("estimate_of_id", season=row["season"], **asked)
            if found:
                return found
        return None

    def run(self, run_id: str) -> Record | None:
        """An execution."""
        return self._first("run", run_id=run_id)

    def card(self, card_id: str) -> Record | None:
        """A model card in its last wording: id, kind, card (JSON), sha256 of the weights."""
        return self._first("card", id=card_id)

    def block_season(self, estimate: Record) -> Record | None:
        """How the block-season of an estimate stood; None where its inputs are of no recorded standing."""
        names = ("season", "block_id", "inputs_hash")
        return self._first("block_season", **{name: estimate[name] for name in names})

    def scenes(self, season: str, block_id: str, moment: datetime | None = None) -> tuple[Record, ...]:
        """Scenes that a block-season was ever estimated from, up to a moment, in time order."""
        return self._rows("scenes", season=season, block_id=block_id, moment=moment)

    def boundary(self, woodland_id: str, boundary: str) -> Record | None:
        """A version of a woodland's polygon, without the polygon, and its release."""
        return self._first("boundary", woodland_id=woodland_id, boundary=boundary)

    def neighbours(self, estimate: Record, within_m: float) -> tuple[tuple[Woodland, str, bool], ...]:
        """Woodlands near that of an estimate, in every version known when it was recorded, the newest last.

        Each with the name of its polygon, and whether it was present then.
        """
        place = self.boundary(estimate["woodland_id"], estimate["boundary"])
        if place is None:
            return ()
        north = within_m / _DEGREE_M
        shrunk = math.cos(math.radians(min(abs(place["latitude"]) + north, _MOST_NORTHERN)))
        found = self._rows(
            "neighbours",
            woodland_id=estimate["woodland_id"],
            boundary=estimate["boundary"],
            moment=estimate["recorded_at"],
            degrees_north=north,
            degrees_east=north / shrunk,
        )
        return tuple((woodland_of(row), row["boundary"], row["is_present"]) for row in found)

    def promotions(self, target: str | None = None, as_of: datetime | None = None) -> tuple[Record, ...]:
        """Promotions of heads, by target and time; `figures` and `woodlands` as JSON text."""
        return self._rows("promotions", target=target, as_of=as_of)

    def models(self, target: str | None = None, as_of: datetime | None = None) -> tuple[Record, ...]:
        """Which models spoke for each target, one after the other, each beside the one before."""
        return self._rows("models", target=target, as_of=as_of)

    def difference(self, step: Record) -> Record:
        """How the estimates of a model differ from those of the one before it; `step` as of `models`."""
        names = ("target", "encoder", "head", "config_hash", "encoder_from", "head_from", "config_from")
        (found,) = self._rows("difference", **{name: step[name] for name in names})
        return found

    def _first(self, name: str, **parameters: object) -> Record | None:
        return next(iter(self._rows(name, **parameters)), None)

    def _rows(self, name: str, **parameters: object) -> tuple[Record, ...]:
        stored = {
            key: moment(each) if isinstance(each, datetime) else each for key, each in parameters.items()
        }
        return rows(self._connection, f"chain/{name}", **stored)
