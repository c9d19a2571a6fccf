"""Ways to hold samples out, side by side: from the flattering random split to whole regions.

Each answers another question. `random`: how well is a near-copy predicted. `coordinate`: another place next
door. `1 km` ... `100 km`: a place that far from every training sample. `region`: a region without a sample.
`nndm`: the places of the map, as far from the samples as they lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.heads.folds import (
    BLOCK_SIZES_M,
    TOLERATED_IMBALANCE,
    Coordinates,
    Folds,
    Groups,
    block_groups,
    deal,
    distinct_places,
    largest_share,
    linked_groups,
    random_folds,
    refuse_coordinates,
)
from models.heads.nndm import bounding_grid, matched_folds, place_clusters
from monitoring.errors import ModelError

#: Link distances of the spatial schemes, kilometres.
BLOCK_KM = (1.0, 10.0, 50.0, 100.0)
#: Clusters of places that stand in for regions where none are given.
N_REGIONS = 5
#: Each region is a fold of its own up to this many; of more, several whole regions share a fold.
MAX_REGION_FOLDS = 20
#: What is wrong where prediction places are not known.
GRID_CAUTION = "no prediction places given: a grid over the samples' bounding box stands in, sea included"


@dataclass(frozen=True)
class Scheme:
    """One way to hold n samples out."""

    name: str
    folds: Folds | None
    """None where the samples do not allow it."""
    blocks: Groups
    """(n,) what the bootstrap resamples."""
    reason: str
    """Why folds is None, or a caution; empty where nothing is wrong."""


def make_schemes(
    coordinates: Coordinates,
    *,
    seed: int,
    group: Groups | None = None,
    region: Groups | None = None,
    prediction_places: Coordinates | None = None,
    n_folds: int = 5,
    block_km: Sequence[float] = BLOCK_KM,
) -> tuple[Scheme, ...]:
    """Return every scheme the n samples could be judged by, the impossible ones with the reason.

    coordinates (n, 2) longitude, latitude in degrees; where a `group` is given (n,), some or all may be NaN,
    and the schemes that need them are impossible. region (n,) numbers, else five clusters of places.
    prediction_places (m, 2), else a grid. Fewer groups than n_folds make as many folds as groups. Where no
    link distance gives balanced folds, a scheme `square` of blocks is added. ModelError for bad input.

    Blocks are the groups dealt out; for `random` and `coordinate`, whose groups lie next door, those of the
    primary scheme, so that intervals can be compared.
    """
    _refuse(coordinates, seed, group, region, prediction_places, n_folds)
    missing = _missing(coordinates)
    if missing:
        apart = _impossible(["coordinate", *_names(block_km), "region", "nndm"], len(coordinates), missing)
    else:
        apart = _spatial(coordinates, prediction_places, n_folds, block_km)
    if region is not None:
        apart = [_region(coordinates, region) if each.name == "region" else each for each in apart]
    if group is not None:
        apart.append(_group(coordinates, group, n_folds))
    return _with_common_blocks([_random(len(coordinates), seed, n_folds), *apart])


def primary_scheme(schemes: Sequence[Scheme]) -> Scheme:
    """Return the scheme to choose by and to quote: `group`, else the strictest balanced spatial one.

    Balanced: as many folds as asked for, none above 1.5 equal shares. Where none is, the most even one.
    ModelError where all samples lie at one place.
    """
    by_name = {each.name: each for each in schemes}
    if "group" in by_name and by_name["group"].folds is not None:
        return by_name["group"]
    linked = [each for each in schemes if each.name.endswith(" km")][::-1]
    spatial = [*linked, *(by_name[name] for name in ("square", "coordinate") if name in by_name)]
    possible = [(each, each.folds) for each in spatial if each.folds is not None]
    if not possible:
        raise ModelError(f"folds: nothing keeps samples apart ({'; '.join(_reasons(schemes))})")
    return _strictest(possible)


def _strictest(possible: Sequence[tuple[Scheme, Folds]]) -> Scheme:
    """Return the first balanced one of those with the most folds, else the most even of them."""
    most = max(folds.n_folds for _, folds in possible)
    full = [(each, folds) for each, folds in possible if folds.n_folds == most]
    balanced = [each for each, folds in full if _is_balanced(folds)]
    return balanced[0] if balanced else min(full, key=lambda pair: largest_share(pair[1]))[0]


def _reasons(schemes: Sequence[Scheme]) -> list[str]:
    return sorted({each.reason for each in schemes if each.folds is None})


def _is_balanced(folds: Folds) -> bool:
    return largest_share(folds) <= TOLERATED_IMBALANCE / folds.n_folds


def _random(n: int, seed: int, n_folds: int) -> Scheme:
    folds = random_folds(n, seed, min(n_folds, n)) if n > 1 else None
    return Scheme("random", folds, np.zeros(n, np.int64), "" if folds else "one sample only")


def _group(coordinates: Coordinates, group: Groups, n_folds: int) -> Scheme:
    scheme = _dealt("group", group, n_folds, "whole groups", "all samples are of one group")
    return _cautioned(scheme, _split_places(coordinates, group))


def _region(coordinates: Coordinates, region: Groups) -> Scheme:
    n_regions = len(np.unique(region))
    n_folds = min(n_regions, MAX_REGION_FOLDS)
    scheme = _dealt("region", region, n_folds, f"{n_regions} regions", "all samples are of one region")
    return _cautioned(scheme, _split_places(coordinates, region))


def _spatial(
    coordinates: Coordinates, prediction_places: Coordinates | None, n_folds: int, block_km: Sequence[float]
) -> list[Scheme]:
    """Return all schemes made from coordinates, none of which is missing."""
    places, place = distinct_places(coordinates)
    if len(places) < 2:
        names = ["coordinate", *_names(block_km), "region", "nndm"]
        return _impossible(names, len(place), "all samples lie at one place")
    linked = [_linked(coordinates, km, n_folds) for km in sorted(block_km)]
    return [
        _dealt("coordinate", place, n_folds, "one group per coordinate", ""),
        *linked,
        *_squares(coordinates, n_folds, linked),
        _clustered(coordinates),
        _matched(coordinates, prediction_places, min(n_folds, len(places))),
    ]


def _linked(coordinates: Coordinates, km: float, n_folds: int) -> Scheme:
    groups = linked_groups(coordinates, km * 1000)
    return _dealt(
        f"{km:g} km", groups, n_folds, f"linked within {km:g} km", f"all samples chain within {km:g} km"
    )


def _squares(coordinates: Coordinates, n_folds: int, linked: Sequence[Scheme]) -> Iterator[Scheme]:
    """Yield the largest balanced square blocks where no link distance parts the samples evenly."""
    if any(_is_full(each.folds, n_folds) for each in linked):
        return
    for size_m in BLOCK_SIZES_M:
        blocks = block_groups(coordinates, size_m)
        scheme = _dealt("square", blocks, n_folds, f"blocks of {size_m:g} m", "")
        if _is_full(scheme.folds, n_folds):
            yield scheme
            return


def _is_full(folds: Folds | None, n_folds: int) -> bool:
    return folds is not None and folds.n_folds == n_folds and _is_balanced(folds)


def _clustered(coordinates: Coordinates) -> Scheme:
    clusters = place_clusters(coordinates, N_REGIONS)
    n_clusters = int(clusters.max()) + 1
    method = f"{n_clusters} clusters of places, each left out"
    return _dealt("region", clusters, n_clusters, method, "the places do not fall into clusters")


def _matched(coordinates: Coordinates, prediction_places: Coordinates | None, n_folds: int) -> Scheme:
    ahead = bounding_grid(coordinates) if prediction_places is None else prediction_places
    found = matched_folds(coordinates, ahead, n_folds)
    method = (
        f"{found.folds.method}: held out {found.held_out_m / 1000:.3g} km from training on average, "
        f"predicted {found.prediction_m / 1000:.3g} km, apart by {found.wasserstein_m / 1000:.3g} km"
    )
    folds = replace(found.folds, method=method)
    scheme = Scheme("nndm", folds, found.groups, folds.caution)
    return _cautioned(scheme, GRID_CAUTION if prediction_places is None else "")


def _dealt(name: str, groups: Groups, n_folds: int, method: str, too_few: str) -> Scheme:
    """Return whole groups dealt to folds; `too_few` says why one group makes none."""
    _, number = np.unique(groups, return_inverse=True)
    blocks = np.asarray(number, np.int64)
    n_groups = int(blocks.max()) + 1
    if n_groups < 2:
        return Scheme(name, None, blocks, too_few)
    folds = deal(blocks, min(n_folds, n_groups), method)
    return Scheme(name, folds, blocks, folds.caution)


def _cautioned(scheme: Scheme, caution: str) -> Scheme:
    """Return the scheme with one more caution."""
    return replace(scheme, reason="; ".join(filter(None, [scheme.reason, caution])))


def _split_places(coordinates: Coordinates, groups: Groups) -> str:
    """Return how many places lie in more than one group, which lets near-copies leak; empty where none."""
    if _missing(coordinates):
        return ""
    _, place = distinct_places(coordinates)
    groups_of_place = np.bincount(np.unique(np.column_stack([place, groups]), axis=0)[:, 0])
    n_split = int((groups_of_place > 1).sum())
    return f"{n_split} places have samples in more than one group" if n_split else ""


def _with_common_blocks(schemes: list[Scheme]) -> tuple[Scheme, ...]:
    """Return the schemes, those of no distance with the blocks of the primary one.

    Where there is none, `random` keeps its single block: too few for an interval.
    """
    try:
        blocks = primary_scheme(schemes).blocks
    except ModelError:
        return tuple(schemes)
    nearby = ("random", "coordinate")
    return tuple(replace(each, blocks=blocks) if each.name in nearby else each for each in schemes)


def _impossible(names: Sequence[str], n: int, reason: str) -> list[Scheme]:
    return [Scheme(name, None, np.zeros(n, np.int64), reason) for name in names]


def _names(block_km: Sequence[float]) -> list[str]:
    return [f"{km:g} km" for km in sorted(block_km)]


def _missing(coordinates: Coordinates) -> str:
    """Return how many samples have no coordinates; empty where all have."""
    n = int((~np.isfinite(coordinates).all(axis=1)).sum())
    return f"{n} of {len(coordinates)} samples have no coordinates" if n else ""


def _refuse(
    coordinates: Coordinates,
    seed: int,
    group: Groups | None,
    region: Groups | None,
    prediction_places: Coordinates | None,
    n_folds: int,
) -> None:
    if n_folds < 2:
        raise ModelError(f"folds: {n_folds} asked for, needs at least 2")
    if not len(coordinates):
        raise ModelError("folds: no sample")
    for name, labels in (("group", group), ("region", region)):
        if labels is not None and labels.shape != (len(coordinates),):
            raise ModelError(f"{name}: {labels.shape} labels for {len(coordinates)} samples")
    if group is None or not _missing(coordinates):
        refuse_coordinates(coordinates)
    if prediction_places is not None:
        refuse_coordinates(prediction_places, "prediction places")
        if not len(prediction_places):
            raise ModelError("prediction places: none given")
