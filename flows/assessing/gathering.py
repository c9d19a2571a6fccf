"""Gathering: the histories of a season and all evidence beside them, from warehouse and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.assessing.evidence import Evidence
from flows.assessing.histories import Histories
from flows.estimating.references import reference_embeddings, reference_sites
from flows.replay.rows import replay_differences
from flows.sources.disturbances.reading import read_disturbances
from flows.sources.site_attributes import SiteAttributes, read_site_attributes
from flows.sources.weather.reading import weather_years
from flows.workspace import Workspace
from monitoring.corroboration.disturbances import Disturbance
from monitoring.seasons import Season
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site, site_of
from monitoring.weather.years import WeatherYears
from monitoring.woodlands import Woodland
from warehouse.reader import Reader


def histories_of(workspace: Workspace, reader: Reader, season: Season) -> Histories:
    """Return the annual histories up to a final season, their sites, and what lies behind the estimates."""
    target = workspace.science.estimation.target
    return Histories(
        series=reader.series(target, up_to=season),
        sites=sites_of(workspace),
        seen=reader.seen_years(target, up_to=season),
    )


def sites_of(workspace: Workspace) -> dict[str, Site]:
    """Return the site of every woodland of the boundary file, by id."""
    table = workspace.settings.site_attributes
    known = read_site_attributes(table) if table else {}
    block_of = {name: block.id for block in workspace.blocks.values() for name in block.woodland_ids}
    return {
        woodland.id: _site(woodland, known.get(woodland.id, SiteAttributes()), block_of.get(woodland.id, ""))
        for woodland in workspace.woodlands
    }


def _site(woodland: Woodland, known: SiteAttributes, block: str) -> Site:
    return site_of(woodland, known.leaf_type, known.elevation_m, block)


def evidence_of(
    workspace: Workspace, reader: Reader, season: Season, series: Sequence[RichnessSeries]
) -> Evidence:
    """Return what is known beside the histories: references, replay, weather, indices, disturbances."""
    judged = {one.woodland_id for one in series}
    woodlands = [woodland for woodland in workspace.woodlands if woodland.id in judged]
    indices = (row for row in reader.index_history() if row["year"] <= season.year)
    references = reference_sites(workspace, season)
    return Evidence(
        references=references,
        embeddings=reference_embeddings(workspace, references),
        replayed=tuple(one for one in replay_differences(workspace) if one.woodland_id in judged),
        weather=tuple(_until(each, season.year) for each in _weather(workspace, woodlands)),
        index_rows=tuple(indices),
        disturbances=_disturbances(workspace, woodlands, season, series),
    )


def _weather(workspace: Workspace, woodlands: Sequence[Woodland]) -> tuple[WeatherYears, ...]:
    table = workspace.settings.weather
    if table is None:
        return ()
    inside = {woodland.id: woodland.geometry.representative_point() for woodland in woodlands}
    points = {name: (point.x, point.y) for name, point in inside.items()}
    return weather_years(table, points, workspace.science.weather)


def _until(weather: WeatherYears, year: int) -> WeatherYears:
    """Return the weather up to a year: later years are no part of what is judged."""
    kept = weather.years <= year
    return replace(
        weather,
        years=weather.years[kept],
        hot_days=weather.hot_days[kept],
        dry_days=weather.dry_days[kept],
        compound_days=weather.compound_days[kept],
    )


def _disturbances(
    workspace: Workspace, woodlands: Sequence[Woodland], season: Season, series: Sequence[RichnessSeries]
) -> tuple[Disturbance, ...]:
    first = min((int(one.years[0]) for one in series if len(one.years)), default=season.year)
    years = range(first, season.year + 1)
    return tuple(
        each
        for layer in workspace.settings.disturbances
        for each in read_disturbances(layer.path, woodlands, years, layer.as_layer)
    )
