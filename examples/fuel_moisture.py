"""A frozen encoder on a scarce ground label: live fuel moisture from Presto embeddings, at unseen sites.

    python examples/fuel_moisture.py [--candidates all] [--shared DIR] [--seed 0] [--format table|json|csv]

The label is live fuel moisture: water in living shrubs and trees, per cent of their dry weight, cut and
weighed at 100 sites of the United States (1,578 visits; the training part of the set that the authors of
Presto publish, whose test sites are not in the file). Each visit comes with three months of Sentinel-1,
Sentinel-2 (level 1C), weather, terrain and land cover at one pixel. Presto, with its published weights and
nothing retrained, turns them into 128 numbers.

Every candidate head of the service is fitted to each set of features by the service's own machinery: five
folds of whole sites, tuned by sites inside the training folds, chosen by the folds alone. rmse, mae and me
are in per cent moisture, r2 is 1 - SSE / SST against the mean of all labels, coverage_90 the share inside
90 % intervals that were calibrated without the fold; below each figure what 95 % of bootstrap samples of
whole sites lie between. Beside each choice stands what folds of random visits would have said of it.

Features: `raw` the channels of three months; `raw + context` also what else Presto is told (months, place,
land cover); `presto` the embedding; `raw + presto` both. Candidates: all, single, fast or a list with commas.
On two cores `fast` took five minutes and `all` twenty: the stack fits all others four times.

For reference, RMSE published for the authors' test sites, which are other sites than these (Tseng et al.
2023, arXiv:2304.14065, table 10): linear regression 28.20, random forest 23.84, Presto fine-tuned 25.28.

Two things about the file. Its NDVI was computed from B7 and B3; here it is computed anew from B8 and B4,
which is what Presto was trained on. Radar at its floor of -49.94 dB (3 numbers of 2 visits) is missing:
hidden from Presto, and the median of its channel for the others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from flows.progress import counting, progress_bars
from flows.tables import Format, show
from flows.targets import read_target
from models.encoders.card import encoder_card
from models.encoders.embeddings import Embeddings
from models.encoders.inputs.presto_series import PrestoSeries, columns, normalise
from models.encoders.networks.presto import Presto, embed_presto
from models.encoders.weights.checkpoint import load_weights
from models.heads.bootstrap import ScoreInterval, ScoreIntervals
from models.heads.candidates.registry import chosen_candidates
from models.heads.card import Compared
from models.heads.comparison import EMBEDDING, Tried, choose, scored, under_schemes
from models.heads.crew import Crew
from models.heads.holding import Trial, hold_out
from models.heads.samples import HeadSamples, Labels, usable_samples
from models.heads.schemes import Scheme, make_schemes
from monitoring.errors import SourceError, UnderwoodError
from monitoring.samples import NO_YEAR

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
#: Processes that fit at the same time.
WORKERS = 2
#: Scores of the table, and those that random folds are compared by.
MEASURES = ("rmse", "mae", "r2", "me", "ccc", "rpiq", "coverage_90")
GAP = ("rmse", "r2")


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

    def rows(self, chosen: Groups) -> Visits:
        """Return some of the visits."""
        return Visits(*(array[chosen] for array in vars(self).values()))

    @property
    def labels(self) -> Labels:
        """The visits as a head takes them."""
        n = len(self.moisture)
        return Labels(
            ids=tuple(f"visit-{number}" for number in range(n)),
            value=self.moisture,
            coordinates=self.latlon[:, ::-1],
            effort=np.empty((n, 0)),
            year=np.full(n, NO_YEAR),
            group=self.site,
        )


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
    raw = raw_features(visits.raw)
    turn = 2 * np.pi * visits.month / 12
    context = np.column_stack([np.cos(turn), np.sin(turn), visits.latlon, cover_shares(visits.land_cover)])
    return {
        "raw": raw,
        "raw + context": np.column_stack([raw, context]),
        "presto": embedding,
        "raw + presto": np.column_stack([raw, embedding]),
    }


def raw_features(raw: Array) -> Array:
    """Return the channels (n, 50), terrain once; missing radar is the median of its channel and month."""
    changing, terrain = np.delete(raw, TERRAIN, axis=-1), raw[:, 0, list(TERRAIN)]
    values = np.column_stack([changing.reshape(len(changing), -1), terrain])
    return np.where(np.isnan(values), np.nanmedian(values, axis=0), values)


def cover_shares(land_cover: Groups) -> Array:
    """Return (n, k) the share of months in each class that occurs, but the first, which the others imply."""
    classes = np.unique(land_cover)[1:]
    return np.asarray((land_cover[..., None] == classes).mean(axis=1))


@dataclass(frozen=True)
class Setting:
    """What every candidate on every set of features is judged by."""

    samples: HeadSamples
    by_site: Scheme
    random: Scheme
    seed: int
    crew: Crew


def setting_of(visits: Visits, embedding: Array, seed: int, crew: Crew) -> Setting:
    """Return the visits as samples, and the folds of whole sites and of random visits."""
    samples = usable_samples(embedding, visits.labels, read_target("fuel_moisture"))
    schemes = make_schemes(samples.labels.coordinates, seed=seed, group=samples.labels.group)
    by_name = {scheme.name: scheme for scheme in schemes}
    return Setting(samples, by_name["group"], by_name["random"], seed, crew)


def compare(setting: Setting, features: Mapping[str, Array], names: Sequence[str]) -> dict[str, list[Tried]]:
    """Return every candidate on every set of features, by the name of the set."""
    assert setting.by_site.folds is not None
    asked = [(kind, name) for kind in features for name in names]
    training = {
        kind: on(setting, values).training(setting.by_site.blocks) for kind, values in features.items()
    }
    trials = [Trial(name, training[kind], setting.by_site.folds, setting.seed) for kind, name in asked]
    tried: dict[str, list[Tried]] = {kind: [] for kind in features}
    for (kind, name), held in zip(asked, hold_out(trials, setting.crew, "fit, by sites"), strict=True):
        scores = scored(setting.samples, held, setting.by_site.blocks, setting.seed)
        tried[kind].append(Tried(EMBEDDING, name, held, Compared(kind, name, scores)))
    return tried


def on(setting: Setting, features: Array) -> HeadSamples:
    """Return the samples with these features (n, d)."""
    return setting.samples.seen_as(features)


def rows_on(setting: Setting, features: Array, tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """Return a row for each candidate on one set of features; that of the chosen one says why."""
    chosen, reason = choose(tried)
    random = at_random(setting, features, chosen.candidate)
    said = {"choice": reason, **{f"random {name}": interval(random, name) for name in GAP}}
    silent = dict.fromkeys(said)
    return [score_row(each) | (said if each is chosen else silent) for each in tried]


def at_random(setting: Setting, features: Array, name: str) -> ScoreIntervals:
    """Return the scores that folds of random visits would give a candidate on some features."""
    (seen,) = under_schemes(
        on(setting, features), name, [setting.random], setting.by_site.blocks, setting.seed, setting.crew
    )
    assert seen.row.scores is not None
    return seen.row.scores


def score_row(tried: Tried) -> dict[str, Any]:
    """Return the scores of one candidate on one set of features, each with its interval."""
    row = tried.row
    scores = {name: interval(row.scores, name) for name in MEASURES}
    return {"features": row.features, "candidate": row.candidate, **scores}


def interval(scores: ScoreIntervals, name: str) -> list[float | None]:
    """Return estimate, low and high of a score."""
    found: ScoreInterval = getattr(scores, name)
    return [found.estimate, found.low, found.high]


def readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose intervals stand below their figures."""
    return {name: _in_two_lines(value) if isinstance(value, list) else value for name, value in row.items()}


def _in_two_lines(interval: Sequence[float | None]) -> str:
    estimate, low, high = ("-" if value is None else f"{value:.3g}" for value in interval)
    return f"{estimate}\n{low} to {high}"


def shared_directory() -> Path:
    """Return where the shared data lies: $UNDERWOOD_SHARED, or beside the checkout."""
    return Path(os.environ.get("UNDERWOOD_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def rows_of(shared: Path, names: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Return a row for every candidate on every set of features."""
    visits = read_visits(shared / SAMPLES)
    embedding = presto_embeddings(visits, shared / WEIGHTS).values.astype(np.float64)
    features = feature_sets(visits, embedding)
    setting = setting_of(visits, embedding, seed, Crew(WORKERS, counting))
    tried = compare(setting, features, names)
    return [row for kind, found in tried.items() for row in rows_on(setting, features[kind], found)]


def show_tables(rows: Sequence[dict[str, Any]]) -> None:
    """Write the table of scores, and that of the choices."""
    scores = [readable(row) for row in rows]
    show(scores, Format.TABLE, brief=("features", "candidate", *MEASURES))
    gaps = [name for measure in GAP for name in (measure, f"random {measure}")]
    show([row for row in scores if row["choice"]], Format.TABLE, brief=("features", *gaps, "choice"))


def main(
    candidates: Annotated[str, typer.Option(help="all, single, fast or a list with commas.")] = "all",
    shared: Annotated[Path | None, typer.Option(help="Folder of the shared data.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of whatever is drawn.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="How the rows come out.")] = Format.TABLE,
) -> None:
    """Compare features and candidates for live fuel moisture at sites the model has not seen."""
    try:
        with progress_bars():
            rows = rows_of(shared or shared_directory(), chosen_candidates(candidates), seed)
    except UnderwoodError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if form is Format.TABLE:
        show_tables(rows)
    else:
        show(rows, form)


if __name__ == "__main__":
    typer.run(main)
