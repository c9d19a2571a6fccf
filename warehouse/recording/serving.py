"""The serving tables: what the log comes to now, made anew for whatever a load touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from warehouse.database import query

#: Seasons added behind the others before the table is brought into the order of woodlands again.
CLUSTER_AFTER = 1


class Serving:
    """Which parts of the serving tables are behind the log, and how they catch up.

    To be used inside the transaction of the load: a reader of the committed tables never sees them apart.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._seasons: set[str] = set()

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        """Catch up at the end of what happens inside; where that fails, its touches are taken back."""
        try:
            yield
            self._catch_up()
        finally:
            self._seasons.clear()

    def touch(self, seasons: Iterable[str]) -> None:
        """Say that the log of these seasons has grown."""
        self._seasons.update(seasons)

    def touch_target(self, target: str | None = None) -> None:
        """Say that every season of a target, or of all, may come to something else."""
        self._seasons.update(self._column("estimated_seasons", target=target))

    def renew_woodlands(self) -> None:
        """Make the woodlands anew, at once: estimates are loaded by what they say."""
        self._make("current_woodland")
        self.touch_target()

    def rebuild(self) -> None:
        """Make all of it anew, whatever the tables hold, in the order of woodlands."""
        self._make("current_woodland")
        self._make("current_estimate", season=None)
        self._make("current_summary", season=None)

    def cluster(self) -> int:
        """Bring the estimates into the order of woodlands; return how many seasons were out of it."""
        descents = self.seasons_out_of_order
        if descents:
            comments = self._comments()
            self._connection.execute(query("cluster_estimates"))
            self._connection.execute("drop table current_estimate")
            self._connection.execute("alter table clustered_estimate rename to current_estimate")
            for statement in comments:
                self._connection.execute(statement)
        return descents

    @property
    def seasons_out_of_order(self) -> int:
        """How many seasons were added since the estimates were clustered."""
        (descents,) = self._column("descents")
        return int(descents)

    def _catch_up(self) -> None:
        """Make anew what is behind, and nothing else."""
        if self._seasons and self._is_respoken():
            self.renew_woodlands()
        for season in sorted(self._seasons):
            self._make("current_estimate", season=season)
            self._make("current_summary", season=season)

    def _is_respoken(self) -> bool:
        """Return whether some woodland's history is now of another polygon than the table says."""
        (is_redrawn,) = self._column("has_redrawn_woodlands")
        return bool(is_redrawn) and bool(self._column("respoken_woodlands"))

    def _make(self, table: str, **key: str | None) -> None:
        self._connection.execute(query(f"clear_{table}"), key)
        self._connection.execute(query(f"fill_{table}"), key)

    def _comments(self) -> list[str]:
        return [str(statement) for statement in self._column("comments_of_estimates")]

    def _column(self, name: str, **parameters: str | None) -> list[Any]:
        return [first for (first, *_) in self._connection.execute(query(name), parameters).fetchall()]
