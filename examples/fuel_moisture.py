"""A frozen encoder on a scarce ground label: live fuel moisture from Presto embeddings, at unseen sites.

    python examples/fuel_moisture.py [--shared DIR] [--seed 0] [--format table|json]

The label is live fuel moisture: water in living shrubs and trees, per cent of their dry weight, cut and
weighed at 100 sites of the United States (1,578 visits; the training part of the set that the authors of
Presto publish, whose test sites are not in the file). Each visit comes with three months of Sentinel-1,
Sentinel-2 (level 1C), weather, terrain and land cover at one pixel. Presto, with its published weights and
nothing retrained, turns them into 128 numbers.

Every figure is about sites the model has not seen: whole sites are held out, in five folds, repeated with
other folds (seeds seed, seed + 1, ...); what a method can choose, it chooses by sites inside its training
folds. rmse and mae are in per cent moisture, r2 is 1 - SSE / SST against the mean of all labels. Each is
scored over all visits of a repeat and averaged over the repeats; _sd is the spread between repeats, which is
the luck of the folds and not the uncertainty of the label. Everything that was tried is printed.

Features: `raw` the channels of three months; `raw + context` also what else Presto is told (months, place,
land cover); `presto` the embedding; `raw + presto` both. Methods: `ridge` (penalty chosen); `boosted` trees
(their number chosen); `head` the service's own, Bayesian ridge on a transformed target, with Fourier features
if they pay.

Two things about the file. Its NDVI was computed from B7 and B3; here it is computed anew from B8 and B4,
which is what Presto was trained on. Radar at its floor of -49.94 dB is missing: hidden from Presto, and the
mean of the training visits for the others.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from flows.progress import advance, counting, progress_bars
from flows.tables import Format, show
from models.encoders.card import encoder_card
from models.encoders.embeddings import Embeddings
from models.encoders.inputs.presto_series import PrestoSeries, columns, normalise
from models.encoders.networks.presto import Presto, embed_presto
from models.encoders.weights.checkpoint import load_weights
from models.heads.head import fit_head
from models.heads.metrics import score
from monitoring.errors import SourceError, UnderwoodError

Array = NDArray[np.float64]
Groups = NDArray[np.int64]

#: Where the samples and the weights lie below the folder of shared data.
SAMPLES, WEIGHTS = "data/pixel_s1s2_labels_presto/fuel_moisture.npz", "weights/presto/default_model.pt"
#: Channel of the file that Presto does not take (B9), and the NDVI that is computed anew.
B9, NDVI = 10, 17
#: Channels that are the same in every month.
TERRAIN = (15, 16)
#: Radar at or below is the file's mark for missing (-49.9446 dB).
RADAR_FLOOR_DB = -49.9
REPEATS, FOLDS, INNER_FOLDS = 3, 5, 3
#: Processes that fit at the same time.
WORKERS = 2
PENALTIES = np.logspace(-1, 5, 13)
#: At most this many trees, each with few leaves and coarse bins: the sites are few.
MOST_TREES, LEAVES, BINS = 150, 8, 64


@dataclass(frozen=True)
class Visits:
    """Samples of live fuel moisture."""

    raw: Array
    """(n, 3, 18) channels in the file's order and units, NDVI from B8 and B4; NaN = missing radar."""
    month: Groups
    """(n, 3) 0 = January."""
    latlon: Array
    """(n, 2) degrees."""
    land_cover: Groups
    """(n, 3) class of Dynamic World."""
    moisture: Array
    """(n,) per cent of dry weight."""
    site: Groups
    """(n,) number of the site."""
    is_test: NDArray[np.bool_]
    """(n,) the authors' own flag."""

    def rows(self, chosen: Groups) -> Visits:
        """Return some of the visits."""
        return Visits(*(array[chosen] for array in vars(self).values()))


def read_visits(path: Path) -> Visits:
    """Return the samples of the published file; SourceError where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            table = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise SourceError(f"samples {path}: {error}") from error
    return Visits(
        raw=corrected(table["s1_s2_era5_srtm"].astype(np.float64)),
        month=table["month"].astype(np.int64),
        latlon=table["latlon"].astype(np.float64),
        land_cover=table["dynamic_world"].astype(np.int64),
        moisture=table["target"].astype(np.float64),
        site=np.unique(table["site"], return_inverse=True)[1].astype(np.int64),
        is_test=table["is_test"].astype(bool),
    )


def corrected(raw: Array) -> Array:
    """Return the channels (n, t, 18) with NDVI from B8 and B4, and NaN for radar at its floor."""
    x = normalise(np.delete(raw, (B9, NDVI), axis=-1))
    fixed = np.concatenate([raw[..., :NDVI], x[..., columns("NDVI")]], axis=-1)
    radar = fixed[..., :2]
    radar[radar <= RADAR_FLOOR_DB] = np.nan
    return fixed


def presto_series(visits: Visits) -> PrestoSeries:
    """Return the visits as Presto takes them: 17 channels, missing radar hidden."""
    x = normalise(np.delete(visits.raw, B9, axis=-1))
    return PrestoSeries(x, visits.land_cover, visits.latlon, visits.month, np.isnan(x))


def presto_embeddings(visits: Visits, weights: Path) -> Embeddings:
    """Return the embeddings of the visits from the published weights, verified against the packaged card."""
    card = encoder_card("presto")
    network = load_weights(Presto(card.config), card, weights)
    return embed_presto(network, presto_series(visits), progress=counting("embedding visits"))


def feature_sets(visits: Visits, embedding: Array) -> dict[str, Array]:
    """Return the features (n, d) that are compared, by name; none is a copy or a sum of others."""
    changing, terrain = np.delete(visits.raw, TERRAIN, axis=-1), visits.raw[:, 0, list(TERRAIN)]
    raw = np.column_stack([changing.reshape(len(changing), -1), terrain])
    turn = 2 * np.pi * visits.month / 12
    context = np.column_stack([np.cos(turn), np.sin(turn), visits.latlon, cover_shares(visits.land_cover)])
    return {
        "raw": raw,
        "raw + context": np.column_stack([raw, context]),
        "presto": embedding,
        "raw + presto": np.column_stack([raw, embedding]),
    }


def cover_shares(land_cover: Groups) -> Array:
    """Return (n, k) the share of months in each class that occurs, but the first, which the others imply."""
    classes = np.unique(land_cover)[1:]
    return np.asarray((land_cover[..., None] == classes).mean(axis=1))


@dataclass(frozen=True)
class Split:
    """What a method is given: training rows with their labels, and the features of the held-out rows."""

    training: Array
    held_out: Array
    moisture: Array
    """(n,) of the training rows."""
    site: Groups
    latlon: Array
    seed: int

    def inner(self) -> list[tuple[Groups, Groups]]:
        """Return folds of whole sites inside the training rows, as (fitted on, judged by)."""
        folds = GroupKFold(INNER_FOLDS, shuffle=True, random_state=self.seed)
        return list(folds.split(self.training, groups=self.site))


def split_of(features: Array, visits: Visits, fold: Fold) -> Split:
    """Return a split whose missing values are the training rows' means."""
    means = np.nanmean(features[fold.training], axis=0)
    filled = np.where(np.isnan(features), means, features)
    return Split(
        filled[fold.training],
        filled[fold.held_out],
        visits.moisture[fold.training],
        visits.site[fold.training],
        visits.latlon[fold.training],
        fold.seed,
    )


def ridge(split: Split) -> Array:
    """Return what ridge regression on standardised features predicts, its penalty chosen by sites."""
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, cv=split.inner()))
    return np.asarray(model.fit(split.training, split.moisture).predict(split.held_out))


def boosted(split: Split) -> Array:
    """Return what boosted trees predict, their number chosen by sites."""
    errors = [
        [
            np.mean((split.moisture[judged] - predicted) ** 2)
            for predicted in _trees(MOST_TREES, split.seed)
            .fit(split.training[fitted], split.moisture[fitted])
            .staged_predict(split.training[judged])
        ]
        for fitted, judged in split.inner()
    ]
    number = int(np.argmin(np.mean(errors, axis=0))) + 1
    model = _trees(number, split.seed).fit(split.training, split.moisture)
    return np.asarray(model.predict(split.held_out))


def _trees(number: int, seed: int) -> Any:
    return HistGradientBoostingRegressor(
        max_iter=number, max_leaf_nodes=LEAVES, max_bins=BINS, early_stopping=False, random_state=seed
    )


def head(split: Split) -> Array:
    """Return what the service's own head predicts, its form chosen by places inside the training rows."""
    fitted = fit_head(
        split.training.astype(np.float32),
        split.moisture,
        np.full(len(split.moisture), np.nan),
        split.latlon[:, ::-1],
        encoder=encoder_card("presto"),
        target="fuel_moisture",
        seed=split.seed,
    )
    return fitted.predict(split.held_out.astype(np.float32)).mean


METHODS: Mapping[str, Callable[[Split], Array]] = {"ridge": ridge, "boosted": boosted, "head": head}


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat: which visits are fitted on and which are predicted."""

    repeat: int
    training: Groups
    held_out: Groups
    seed: int


def folds_of(site: Groups, seed: int, repeats: int) -> list[Fold]:
    """Return folds of whole sites, dealt anew in each repeat."""
    return [
        Fold(repeat, training, held_out, seed + repeat)
        for repeat in range(repeats)
        for training, held_out in GroupKFold(FOLDS, shuffle=True, random_state=seed + repeat).split(
            site, groups=site
        )
    ]


def compare(
    visits: Visits, features: Mapping[str, Array], folds: Sequence[Fold], workers: int = 1
) -> list[dict[str, Any]]:
    """Return a row of scores for the mean and for every method on every feature set."""
    repeats = 1 + max(fold.repeat for fold in folds)
    predicted = {name: np.full((repeats, len(visits.moisture)), np.nan) for name in _row_names(features)}
    for fold, found in zip(folds, _in_parallel(visits, features, folds, workers), strict=True):
        for name, values in found.items():
            predicted[name][fold.repeat, fold.held_out] = values
        advance("fitting, by folds of sites", 1, len(folds))
    return [_row(name, visits.moisture, values) for name, values in predicted.items()]


def _in_parallel(
    visits: Visits, features: Mapping[str, Array], folds: Sequence[Fold], workers: int
) -> Iterator[dict[tuple[str, str], Array]]:
    """Yield the predictions of each fold, in order, made by so many processes of one thread each."""
    work = functools.partial(predictions, visits, features)
    if workers == 1:
        yield from map(work, folds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, folds)


def _row_names(features: Mapping[str, Array]) -> list[tuple[str, str]]:
    return [("none", "mean"), *((name, method) for name in features for method in METHODS)]


def predictions(visits: Visits, features: Mapping[str, Array], fold: Fold) -> dict[tuple[str, str], Array]:
    """Return what every row of the table predicts for the held-out visits of a fold."""
    mean = visits.moisture[fold.training].mean()
    found: dict[tuple[str, str], Array] = {("none", "mean"): np.full(len(fold.held_out), mean)}
    with threadpool_limits(1):  # the products are small, and the figures stay the same on any machine
        for name, values in features.items():
            split = split_of(values, visits, fold)
            found |= {(name, method): predict(split) for method, predict in METHODS.items()}
    return found


def _row(name: tuple[str, str], moisture: Array, predicted: Array) -> dict[str, Any]:
    """Return the scores of one method, their mean and spread over repeats (repeats, n)."""
    scores = [score(moisture, repeat) for repeat in predicted]
    row: dict[str, Any] = {"features": name[0], "method": name[1]}
    for measure in ("rmse", "mae", "r2"):
        values = np.array([getattr(one, measure) for one in scores], np.float64)
        row[measure] = values.mean()
        row[f"{measure}_sd"] = values.std(ddof=1) if len(values) > 1 else np.nan
    return row


def authors_split(visits: Visits, features: Mapping[str, Array], seed: int) -> list[dict[str, Any]]:
    """Return the same rows for the authors' own training and test sites; none where no test site is there."""
    training, held_out = np.flatnonzero(~visits.is_test), np.flatnonzero(visits.is_test)
    if not (len(training) and len(held_out)):
        return []
    found = predictions(visits, features, Fold(0, training, held_out, seed))
    return [_row(name, visits.moisture[held_out], values[None]) for name, values in found.items()]


def shared_directory() -> Path:
    """Return where the shared data lies: $UNDERWOOD_SHARED, or beside the checkout."""
    return Path(os.environ.get("UNDERWOOD_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def rows_of(shared: Path, seed: int) -> list[dict[str, Any]]:
    """Return every row of the table, each with its split."""
    visits = read_visits(shared / SAMPLES)
    embedding = presto_embeddings(visits, shared / WEIGHTS).values.astype(np.float64)
    features = feature_sets(visits, embedding)
    splits = {
        f"{FOLDS} folds of sites x {REPEATS}": compare(
            visits, features, folds_of(visits.site, seed, REPEATS), WORKERS
        ),
        "authors' test sites": authors_split(visits, features, seed),
    }
    return [{"split": split, **row} for split, rows in splits.items() for row in rows]


def main(
    shared: Annotated[Path | None, typer.Option(help="Folder of the shared data.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first repeat's folds.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="How the rows come out.")] = Format.TABLE,
) -> None:
    """Compare features and methods for live fuel moisture at sites the model has not seen."""
    try:
        with progress_bars():
            rows = rows_of(shared or shared_directory(), seed)
    except UnderwoodError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    show(rows, form)
    if not any(row["split"].startswith("authors") for row in rows):
        print("The file flags no visit as test: the authors' own split cannot be shown.", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
