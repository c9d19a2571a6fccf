"""Plain Parquet through pandas, laid out as each question is best answered: three copies of the same rows.

A file per season, as loads leave them; for histories a file per two last digits of the id, in the order of
woodlands, in small row groups that the footer lets a reader skip; for the summary of a park a file per park.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

KEY = ["woodland_id", "target", "season"]
#: Rows of a row group: of a season, and where one history is looked for.
SEASON_GROUP, HISTORY_GROUP = 10_000, 2_000
WEIGHTED = ["mean", "sd", "sd_place", "sd_year", "coverage", "applicable_share"]
STRATUM = ["park", "is_ancient", "season", "target", "encoder", "head", "config_hash"]


@dataclass(frozen=True)
class Files:
    """The three layouts in one folder."""

    folder: Path

    @property
    def by_season(self) -> Path:
        return self.folder / "by_season"

    @property
    def by_woodland(self) -> Path:
        return self.folder / "by_woodland"

    @property
    def by_park(self) -> Path:
        return self.folder / "by_park"

    def of_season(self, season: str) -> Path:
        return self.by_season / f"{season}.parquet"

    def of_woodland(self, woodland_id: str) -> Path:
        return self.by_woodland / f"{woodland_id[-2:]}.parquet"

    def of_park(self, park: str) -> Path:
        return self.by_park / f"{park}.parquet"

    def lay_out(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the rows of `site_history` in all three layouts."""
        for season in _distinct(connection, "season"):
            where, order = f"season = '{season}'", "woodland_id, target"
            put(rows_of(connection, where, order), self.of_season(season), SEASON_GROUP)
        for park in _distinct(connection, "park"):
            where, order = f"park = '{park}'", "season, target, woodland_id"
            put(rows_of(connection, where, order), self.of_park(park), SEASON_GROUP)
        for digit in _distinct(connection, "woodland_id[-1:]"):
            where, order = f"woodland_id[-1:] = '{digit}'", "woodland_id, target, season"
            rows = rows_of(connection, where, order)
            ends = pc.utf8_slice_codeunits(rows["woodland_id"], -2)
            for digits in ends.unique().to_pylist():
                put(rows.filter(pc.equal(ends, digits)), self.of_woodland(digits), HISTORY_GROUP)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each layout."""
        layouts = (self.by_season, self.by_woodland, self.by_park)
        return {each.name: sum(file.stat().st_size for file in each.iterdir()) for each in layouts}


def rows_of(connection: duckdb.DuckDBPyConnection, where: str, order: str) -> pa.Table:
    return connection.sql(f"select * from site_history where {where} order by {order}").to_arrow_table()


def put(rows: pa.Table, path: Path, group_rows: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, row_group_size=group_rows, compression="zstd")


def history(path: Path, woodland_id: str, target: str) -> list[dict[str, Any]]:
    """Return a history as records, from a file or a folder of them."""
    wanted = [("woodland_id", "==", woodland_id), ("target", "==", target)]
    found: list[dict[str, Any]] = (
        pd.read_parquet(path, filters=wanted).sort_values("season").to_dict("records")
    )
    return found


def summary(path: Path) -> pd.DataFrame:
    """Return the summary of a file's rows, worked out."""
    rows = pd.read_parquet(path, columns=[*STRATUM, "is_final", "is_applicable", "area_ha", *WEIGHTED])
    rows = rows.assign(**{name: rows[name] * rows["area_ha"] for name in WEIGHTED}, n_woodlands=1)
    groups = rows.groupby(STRATUM, as_index=False, sort=True, observed=True)
    found = groups[["n_woodlands", "area_ha", *WEIGHTED]].sum()
    found["is_final"] = groups["is_final"].all()["is_final"]
    found["n_not_applicable"] = found["n_woodlands"] - groups["is_applicable"].sum()["is_applicable"]
    return found.assign(**{name: found[name] / found["area_ha"] for name in WEIGHTED})


def write(frame: pd.DataFrame, path: Path, group_rows: int) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    frame.to_parquet(draft, row_group_size=group_rows, compression="zstd", index=False)
    draft.replace(path)


def add_to_woodlands(by_woodland: Path, frame: pd.DataFrame) -> None:
    """Add a season to the files of all woodlands."""
    for digits, rows in frame.groupby(frame["woodland_id"].str[-2:]):
        path = by_woodland / f"{digits}.parquet"
        both = pd.concat([pd.read_parquet(path), rows]).drop_duplicates(KEY, keep="last")
        write(both.sort_values(KEY), path, HISTORY_GROUP)


def _distinct(connection: duckdb.DuckDBPyConnection, what: str) -> list[str]:
    found = connection.execute(f"select distinct {what} from site_history order by all").fetchall()
    return [value for (value,) in found]
