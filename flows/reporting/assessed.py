"""Assessed: what the gates and the trends of parks say beside woodlands."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from monitoring.gates.finding import Scope
from monitoring.trends.parks import WHOLE
from monitoring.trends.sites import Site
from reports.judged import ArtefactLine, ParkTrendLine
from warehouse.reader import Reader, Record


def artefact_lines(
    reader: Reader, target: str, park: str, sites: Mapping[str, Site], names: Mapping[str, str]
) -> tuple[ArtefactLine, ...]:
    """Return what the gates found that may reach a park (park empty: any), in order of gate and scope.

    names: of the woodlands of the report, by id.
    """
    blocks = {sites[each].block for each in names if each in sites}
    return tuple(
        ArtefactLine(
            gate=row["gate"],
            name=row["name"],
            scope=row["scope"],
            of=names.get(row["of"], row["of"]),
            state=row["state"],
            reason=row["reason"],
        )
        for row in reader.gate_findings(target)
        if not park or _reaches(row, park, blocks, names)
    )


def _reaches(row: Record, park: str, blocks: Collection[str], woodlands: Collection[str]) -> bool:
    inside: dict[str, Collection[str]] = {
        Scope.ALL: (row["of"],),
        Scope.PARK: (park,),
        Scope.BLOCK: blocks,
        Scope.WOODLAND: woodlands,
    }
    return row["of"] in inside[row["scope"]]


def park_trend_lines(reader: Reader, target: str, park: str) -> tuple[ParkTrendLine, ...]:
    """Return the trends of the whole and of every park; of one park only where it is named."""
    names = [field.name for field in dataclasses.fields(ParkTrendLine)]
    return tuple(
        ParkTrendLine(**{name: row[name] for name in names})
        for row in reader.park_trends(target)
        if not park or row["scope"] == WHOLE or row["park"] == park
    )
