"""Reference sites: what the encoder and the head in use say of ground that should not change, for gate G1.

Their pixels are read, embedded and predicted as those of woodlands are, in blocks of their own. The blocks'
ids begin with a word that no woodland's block begins with, and only the blocks of woodlands are ever loaded:
no trend, control, summary or report can see a site.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.estimating.estimate import inputs_hash, staged_path
from flows.estimating.judged import judge_estimates
from flows.estimating.site_embeddings import read_site_embeddings, site_embeddings_path
from flows.ingesting.listing import Listing, listing_path, read_listing
from flows.workspace import Workspace
from monitoring.errors import SeasonError
from monitoring.gates.reference_sites import PanelEmbeddings, ReferenceSite
from monitoring.grid import Block
from monitoring.seasons import Season
from monitoring.trends.histories import RichnessSeries
from warehouse.records import EstimateRow
from warehouse.staging import rows_of


def reference_series(workspace: Workspace, up_to: Season | None = None) -> tuple[RichnessSeries, ...]:
    """Return the annual values of every reference site, in the order of the file; final seasons only.

    `up_to` is the last season included; None includes all.

    Years under the floors that a woodland's estimate is held to are absent. Those outside the area of
    applicability are not: heath and quarries mostly are, and the question is only whether they change.
    """
    rows: dict[str, list[EstimateRow]] = defaultdict(list)
    for row in reference_rows(workspace):
        if up_to is None or row.season <= up_to.id:
            rows[row.woodland_id].append(row)
    return tuple(_series(site.id, rows[site.id]) for site in workspace.references.outlines)


def reference_sites(workspace: Workspace, up_to: Season | None = None) -> tuple[ReferenceSite, ...]:
    """Return every reference site with its kind, park, block and series, as gate G1 takes them."""
    block_of = {
        site: block.id for block in workspace.reference_blocks.values() for site in block.woodland_ids
    }
    read, series = workspace.references, reference_series(workspace, up_to)
    return tuple(
        ReferenceSite(kind, site.park, own, block_of[site.id])
        for site, kind, own in zip(read.outlines, read.kinds, series, strict=True)
    )


def reference_embeddings(workspace: Workspace, sites: Sequence[ReferenceSite]) -> PanelEmbeddings | None:
    """Return the mean embeddings of reference sites in the years of their series; None where there are none.

    Years in which fewer than half of the sites have one are left out, or a year that was quarantined in some
    blocks would take every site of them with it.
    """
    wanted = {(year, site.series.woodland_id) for site in sites for year in site.series.years.tolist()}
    found = {key: means for key, means in _site_embeddings(workspace) if key in wanted}
    counted = Counter(year for year, _ in found)
    years = sorted(year for year, n in counted.items() if 2 * n >= len(sites))
    if not years:
        return None
    nothing = np.full_like(next(iter(found.values())), np.nan)
    means = [[found.get((year, site.series.woodland_id), nothing) for year in years] for site in sites]
    return PanelEmbeddings(np.array(years, np.int64), np.array(means))


def reference_rows(workspace: Workspace) -> tuple[EstimateRow, ...]:
    """Return the staged estimates of all reference sites, by the encoder, head and science in use.

    Those of a season whose passes are not complete, or that the estimates' gate refuses, are left out.
    """
    return tuple(
        row
        for season in final_seasons(workspace)
        if (paths := list(_staged(workspace, season)))
        for row in rows_of(judge_estimates(workspace, season, paths).sound, EstimateRow)
    )


def final_seasons(workspace: Workspace) -> tuple[Season, ...]:
    """Return the final seasons in which any reference block was read, in time order."""
    if not workspace.reference_blocks:
        return ()
    found = []
    for folder in sorted(workspace.staging.glob("*-Q4")):
        try:
            season = Season.parse(folder.name)
        except SeasonError:
            continue  # somebody else's folder
        blocks = workspace.reference_blocks.values()
        found += (
            [season] if any(listing_path(workspace.staging, b.id, season).exists() for b in blocks) else []
        )
    return tuple(found)


def _staged(workspace: Workspace, season: Season) -> Iterator[Path]:
    for block, listing in _final_listings(workspace, season):
        path = _staged_path(workspace, block, season, listing)
        if path.exists():
            yield path


def _site_embeddings(workspace: Workspace) -> Iterator[tuple[tuple[int, str], NDArray[np.float64]]]:
    """Yield ((year, site), mean embedding) of all that is staged by the encoder, head and science in use."""
    for season in final_seasons(workspace):
        for block, listing in _final_listings(workspace, season):
            path = site_embeddings_path(_staged_path(workspace, block, season, listing))
            embedded = read_site_embeddings(path) if path.exists() else {}
            yield from (((season.year, site), means) for site, means in embedded.items())


def _final_listings(workspace: Workspace, season: Season) -> Iterator[tuple[Block, Listing]]:
    for block in workspace.reference_blocks.values():
        where = listing_path(workspace.staging, block.id, season)
        listing = read_listing(where) if where.exists() else None
        if listing is not None and _is_final(listing):
            yield block, listing


def _is_final(listing: Listing) -> bool:
    return not listing.refused and (listing.completeness is None or listing.completeness.is_complete)


def _staged_path(workspace: Workspace, block: Block, season: Season, listing: Listing) -> Path:
    return staged_path(workspace, block, season, inputs_hash(block, listing, workspace.settings))


def _series(site_id: str, rows: Sequence[EstimateRow]) -> RichnessSeries:
    known = sorted((row for row in rows if math.isfinite(row.mean)), key=lambda row: row.season)
    return RichnessSeries(
        woodland_id=site_id,
        years=np.array([Season.parse(row.season).year for row in known], np.int64),
        mean=np.array([row.mean for row in known], np.float64),
        sd=np.array([row.sd for row in known], np.float64),
        sd_year=np.array([row.sd_year for row in known], np.float64),
    )
