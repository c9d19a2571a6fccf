"""The questions of a notebook: each a method, each giving an Answer that becomes pandas, Arrow or a map."""

from __future__ import annotations

from datetime import datetime

import duckdb

from warehouse.answering.answers import Answer, ask, history_query, moment


class Tables:
    """What a snapshot can be asked, as tables. An argument left None asks for all.

        with warehouse.read("published/underwood.duckdb") as reader:
            frame = reader.tables.history("W-17", "richness").pandas()

    Units and meanings are in `Answer.meanings`. Seasons are ids such as `2025-Q4`; `as_of` is an aware
    datetime, and gives what was known then.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def history(
        self,
        woodland_id: str | None = None,
        target: str | None = None,
        *,
        season: str | None = None,
        park: str | None = None,
        as_of: datetime | None = None,
    ) -> Answer:
        """The history of woodlands: one row per woodland, target and season.

        `mean` and `sd` are in the target's unit (richness: taxa in one standard soil sample), `coverage` is
        a share of the area, `n_s2` clear observations per pixel; only rows with `is_final` belong in a trend.
        """
        chosen = {"woodland_id": woodland_id, "target": target, "season": season, "park": park}
        return self._ask(history_query(woodland_id, as_of), "site_history", as_of, **chosen)

    def woodlands(self, park: str | None = None, *, as_of: datetime | None = None) -> Answer:
        """The woodlands that stand, with polygon (longitude, latitude), `area_ha` and standing."""
        if as_of is None:
            return self._ask("versions", "woodland_history", woodland_id=None, park=park, only="present")
        return self._ask("versions", "woodland_history", as_of, park=park)

    def woodland_history(self, woodland_id: str | None = None) -> Answer:
        """Every version of woodlands, with the days it held: `valid_from` up to, not with, `valid_to`."""
        return self._ask("versions", "woodland_history", woodland_id=woodland_id, park=None, only=None)

    def park_summary(
        self,
        target: str | None = None,
        *,
        park: str | None = None,
        season: str | None = None,
        as_of: datetime | None = None,
    ) -> Answer:
        """Ancient and other woodland of each park by season: means weighted by area, `sd` likewise."""
        return self._ask("park_summary", "park_summary", as_of, target=target, park=park, season=season)

    def estimates(
        self, woodland_id: str | None = None, season: str | None = None, target: str | None = None
    ) -> Answer:
        """Every estimate ever recorded: whether it `is_current`, else by what it is `superseded_by`."""
        return self._ask("estimates", "estimate", woodland_id=woodland_id, season=season, target=target)

    def trends(self, target: str | None = None, *, park: str | None = None) -> Answer:
        """The trend of each woodland in the latest assessment: `slope` a year, `q` for the whole family."""
        return self._ask("trends", "latest_trend", target=target, park=park)

    def contrasts(self, target: str | None = None, *, park: str | None = None) -> Answer:
        """Ancient against matched other woodland of each park, in the latest assessment."""
        return self._ask("contrasts", "latest_contrast", target=target, park=park)

    def park_trends(self, target: str | None = None) -> Answer:
        """Trends of whole parks in the latest assessment."""
        return self._ask("park_trends", "latest_park_trend", target=target)

    def alerts(self, target: str | None = None, *, park: str | None = None) -> Answer:
        """Alerts that stand: the surest first, then the largest loss."""
        return self._ask("alerts", "open_alert", target=target, park=park)

    def alert_states(
        self,
        target: str | None = None,
        *,
        park: str | None = None,
        level: str | None = None,
        state: str | None = None,
    ) -> Answer:
        """Every alert and the state its life led to, dismissed and ended ones too."""
        chosen = {"target": target, "park": park, "level": level, "state": state}
        return self._ask("alert_states", "alert_state", None, **chosen)

    def index_history(
        self, woodland_id: str | None = None, index_name: str | None = None, *, park: str | None = None
    ) -> Answer:
        """Growing-season medians of ndvi, nirv and nbr (without unit), by woodland, index and year."""
        chosen = {"woodland_id": woodland_id, "index_name": index_name, "park": park}
        return self._ask("index_history", "index_history", None, **chosen)

    def index_months(self, woodland_id: str | None = None, index_name: str | None = None) -> Answer:
        """Monthly medians of the indices, by woodland, index, year and month."""
        return self._ask("index_months", "index_month", woodland_id=woodland_id, index_name=index_name)

    def completeness(self, season: str | None = None, block_id: str | None = None) -> Answer:
        """Passes expected (NaN where not known) and found, by season, block and stream."""
        return self._ask("completeness", "latest_completeness", season=season, block_id=block_id)

    def scenes(self, season: str | None = None, block_id: str | None = None) -> Answer:
        """Which scenes each season of a block was estimated from, in time order."""
        return self._ask("scenes", "scene", season=season, block_id=block_id)

    def releases(self) -> Answer:
        """Releases of the woodland inventory, in the order they were loaded."""
        return self._ask("releases", "release")

    def lineage(self, woodland_id: str | None = None) -> Answer:
        """What releases made of a woodland, of those it comes from and those it led to; areas in hectares."""
        return self._ask("lineage", "woodland_lineage", woodland_id=woodland_id)

    def successors(self, woodland_id: str | None = None) -> Answer:
        """The present woodlands that an id leads to, each with the share (0-1) of the old area in it."""
        return self._ask("successors", "woodland_successor", woodland_id=woodland_id)

    def promotions(self, target: str | None = None) -> Answer:
        """Models let speak for a target, each with the difference seen beforehand (JSON)."""
        return self._ask("promotions", "promotion", target=target)

    def reports(self) -> Answer:
        """Reports written, with the sha256 of each."""
        return self._ask("reports", "report")

    def _ask(self, name: str, of: str, as_of: datetime | None = None, /, **chosen: str | None) -> Answer:
        if as_of is None:
            return ask(self._connection, name, of, **chosen)
        return ask(self._connection, f"{name}_as_of", of, moment=moment(as_of), **chosen)
