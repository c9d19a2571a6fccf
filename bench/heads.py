"""The richness head on the simulated archive: skill where nobody sampled, honest intervals, a warning beyond.

    python bench/heads.py [demo] [--candidates all|single|fast] [--seed 0] [--out FILE]

`demo` is a folder that `underwood demo` has filled. Its field samples are embedded anew, each in its own
year, and a head is fitted to them as `underwood train` fits it. Then

    squares       every candidate under folds of whole 1 km squares, and under random folds: R2, |ME| in per
                  cent of the mean label, coverage of the 90 % intervals that were calibrated without the
                  fold, and the gap in R2
    schemes       the chosen candidate under every way of making folds, from its card
    left out      the chosen candidate and its area of applicability, both fitted without a region: errors
                  outside the area over errors inside, in that region alone, and among all samples, the
                  others being held out by squares. Regions: the parks, and five clusters of places
    truth         the estimates in the published warehouse, where there is one, against what was planted in
                  each wood and year: R2, |ME| and how often mean -/+ 1.645 sd holds the truth

All but `truth` are about labels: counts of one sample, which no head can predict to their own noise.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from flows.demo import DEMO_DAY
from flows.modelling.training import Lesson, fit_from_cube
from flows.progress import counting, progress_bars
from flows.workspace import Workspace, open_workspace
from models.heads.applicability import feature_weights, fit_applicability
from models.heads.bootstrap import ScoreIntervals
from models.heads.candidates.contract import Z_90
from models.heads.candidates.registry import candidate, chosen_candidates
from models.heads.comparison import scored
from models.heads.crew import Crew, one_thread
from models.heads.folds import Folds, block_groups, deal, random_folds
from models.heads.head import Head
from models.heads.holding import Trial, corrected_by, hold_out, latent_of
from models.heads.metrics import score
from models.heads.nndm import place_clusters
from models.heads.samples import HeadSamples
from warehouse.reader import read

#: Errors (m,) and whether each is inside the area.
Judged = tuple[np.ndarray, np.ndarray]

SQUARE_M, N_FOLDS = 1000.0, 5
#: Clusters of places: the archive's parks are two, far apart; five is what the scheme `region` leaves out.
REGIONS = {"parks": 2, "clusters": 5}
WORKERS = 2


def fitted(workspace: Workspace, names: tuple[str, ...], seed: int) -> Head:
    path = workspace.settings.samples
    if path is None:
        raise SystemExit("the demo's settings name no samples")
    lesson = Lesson(workspace.target, path, candidates=names, seed=seed, workers=WORKERS)
    return fit_from_cube(workspace, lesson, DEMO_DAY)


def in_squares(samples: HeadSamples, names: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Return each candidate under folds of squares and under random folds."""
    squares = block_groups(samples.labels.coordinates, SQUARE_M)
    ways = {
        "squares": deal(squares, N_FOLDS, "1 km squares"),
        "random": random_folds(len(squares), seed, N_FOLDS),
    }
    trials = [
        Trial(name, samples.training(squares), folds, seed) for name in names for folds in ways.values()
    ]
    found = iter(hold_out(trials, Crew(WORKERS, counting), "squares and random"))
    rows = []
    for name in names:
        scores = {way: scored(samples, next(found), squares, seed) for way in ways}
        figures = {way: figures_of(each, samples) for way, each in scores.items()}
        gap = figures["random"]["r2"] - figures["squares"]["r2"]
        rows.append({"candidate": name, **figures, "gap_r2": round(gap, 4)})
    return rows


def figures_of(scores: ScoreIntervals, samples: HeadSamples) -> dict[str, Any]:
    found = {
        name: rounded(part["estimate"]) for name, part in asdict(scores).items() if isinstance(part, dict)
    }
    bias = 100 * abs(found["me"]) / float(samples.value.mean())
    return {**found, "r2_95": [rounded(scores.r2.low), rounded(scores.r2.high)], "me_percent": round(bias, 2)}


def rounded(value: float | None) -> float:
    return float("nan") if value is None else round(float(value), 4)


def left_out(samples: HeadSamples, name: str, n_regions: int, seed: int) -> dict[str, Any]:
    """Return the errors inside and outside the area of applicability of heads that lack a region, by region.

    `alone` is the region that was left out; `all` also holds the other samples, each held out with its
    square from the same head and judged by the area without its fold.
    """
    region = place_clusters(samples.labels.coordinates, n_regions)
    found = [without(samples, name, region == number, seed) for number in range(int(region.max()) + 1)]
    alone, whole = ([ratio_of(*part[which]) for part in found] for which in ("alone", "all"))
    together = {which: ratio_of(*joined([part[which] for part in found])) for which in ("alone", "all")}
    return {"regions": [{"alone": a, "all": w} for a, w in zip(alone, whole, strict=True)], **together}


def without(samples: HeadSamples, name: str, region: np.ndarray, seed: int) -> dict[str, Judged]:
    """Return error and whether it is inside, of the region (n,) and of all samples, for a head without it."""
    training = samples.training(block_groups(samples.labels.coordinates, SQUARE_M))
    rest = training.rows(~region)
    folds = folds_of(rest.group)
    (near,) = hold_out([Trial(name, rest, folds, seed)], Crew(WORKERS, counting), "leave a region out")
    with one_thread():
        module = candidate(name).fit(rest, seed)
        raw = latent_of(module, training.embeddings[region], training.effort[region])
        weights = feature_weights(module, rest, seed)
        far_inside = fit_applicability(rest.embeddings, weights, folds.fold).contains(
            training.embeddings[region]
        )
        near_inside = inside_without_fold(rest.embeddings, weights, folds)
    far = replace(near, latent=corrected_by(raw, near.correction))
    transform, value = samples.target.transform, samples.value
    alone = far.natural_mean(transform) - value[region], far_inside
    return {
        "alone": alone,
        "all": joined([alone, (near.natural_mean(transform) - value[~region], near_inside)]),
    }


def joined(parts: Sequence[Judged]) -> Judged:
    errors, inside = zip(*parts, strict=True)
    return np.concatenate(errors), np.concatenate(inside)


def inside_without_fold(embeddings: np.ndarray, weights: np.ndarray, folds: Folds) -> np.ndarray:
    inside = np.zeros(len(embeddings), bool)
    for seen, held_out in folds.splits():
        area = fit_applicability(embeddings[seen], weights, folds.fold[seen])
        inside[held_out] = area.contains(embeddings[held_out])
    return inside


def folds_of(group: np.ndarray) -> Folds:
    number = np.unique(group, return_inverse=True)[1]
    return deal(number, N_FOLDS, "1 km squares")


def ratio_of(error: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    within, beyond = (
        float(np.sqrt(np.mean(e**2))) if len(e) else np.nan for e in (error[inside], error[~inside])
    )
    return {
        "n": len(error),
        "outside": int((~inside).sum()),
        "rmse_inside": rounded(within),
        "rmse_outside": rounded(beyond),
        "ratio": rounded(beyond / within),
    }


def against_truth(workspace: Workspace, truth: Path) -> dict[str, Any] | None:
    """Return how the published estimates of final seasons compare with the planted expectation."""
    if not (workspace.published.is_file() and truth.is_file()):
        return None
    with truth.open(encoding="utf-8", newline="") as file:
        planted = {(row["wood_id"], int(row["year"])): float(row["richness"]) for row in csv.DictReader(file)}
    with read(workspace.published) as reader:
        rows = [row for row in reader.history(target=workspace.target.name) if row["is_final"]]
    everywhere = truth_figures(rows, planted)
    inside = truth_figures([row for row in rows if row["is_applicable"]], planted)
    return {"all": everywhere, "applicable": inside, "head": rows[0]["head"] if rows else ""}


def truth_figures(rows: Iterable[dict[str, Any]], planted: dict[tuple[str, int], float]) -> dict[str, Any]:
    known = [(row, planted[key]) for row in rows if (key := (row["woodland_id"], year_of(row))) in planted]
    if not known:
        return {"n": 0}
    mean, sd = (np.array([float(row[name]) for row, _ in known]) for name in ("mean", "sd"))
    true = np.array([value for _, value in known])
    found = score(true, mean, np.abs(mean - true) <= Z_90 * sd)
    return {
        "n": len(known),
        "r2": rounded(found.r2),
        "rmse": rounded(found.rmse),
        "me": rounded(found.me),
        "me_percent": round(100 * abs(float(found.me)) / float(true.mean()), 2),
        "coverage_90": rounded(found.coverage_90),
        "mean_sd": rounded(float(sd.mean())),
    }


def year_of(row: dict[str, Any]) -> int:
    return int(str(row["season"])[:4])


def report_on(demo: Path, names: tuple[str, ...], seed: int) -> dict[str, Any]:
    workspace = open_workspace(str((demo / "underwood.toml").absolute()))
    start = time.monotonic()
    head = fitted(workspace, names, seed)
    seconds = time.monotonic() - start
    card, samples = head.card, head.evaluation.samples
    schemes = [
        {"scheme": row.scheme, "folds": row.n_folds, "note": row.note, **figures_of(row.scores, samples)}
        for row in card.schemes
        if row.scores is not None
    ]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "encoder": card.encoder_id,
        "samples": card.n_samples,
        "fit_s": round(seconds, 1),
        "choice": card.choice,
        "parts": asdict(card.parts),
        "squares": in_squares(samples, names, seed),
        "schemes": schemes,
        "left_out": {name: left_out(samples, card.candidate, n, seed) for name, n in REGIONS.items()},
        "applicability": asdict(card.applicability),
        "truth": against_truth(workspace, demo / "archive" / "truth" / "richness.csv"),
    }


def table(report: dict[str, Any]) -> str:
    lines = [f"{report['samples']} samples, {report['choice']}", "", _heads("1 km squares", "gap R2")]
    lines += [_line(row["candidate"], row["squares"], f"{row['gap_r2']:9.3f}") for row in report["squares"]]
    lines += ["", _heads("chosen, by scheme", "")]
    lines += [_line(row["scheme"], row, "") for row in report["schemes"]]
    lines += ["", f"{'left out':<18}{'n':>6}{'outside':>9}{'RMSE in':>9}{'out':>7}{'ratio':>7}"]
    for name, found in report["left_out"].items():
        parts = [*((f"{name} {k}", row) for k, row in enumerate(found["regions"])), (name, found)]
        lines += [
            _left_out_line(f"{what}, {which}", row[which])
            for what, row in parts
            for which in ("alone", "all")
        ]
    return "\n".join([*lines, "", f"against the planted truth: {report['truth']}"])


def _heads(what: str, last: str) -> str:
    return f"{what:<18}{'R2':>7}{'RMSE':>7}{'|ME| %':>8}{'cover':>7}{last:>9}"


def _line(name: str, row: dict[str, Any], last: str) -> str:
    return (
        f"{name:<18}{row['r2']:7.3f}{row['rmse']:7.2f}{row['me_percent']:8.2f}{row['coverage_90']:7.3f}{last}"
    )


def _left_out_line(name: str, row: dict[str, Any]) -> str:
    figures = f"{row['rmse_inside']:9.2f}{row['rmse_outside']:7.2f}{row['ratio']:7.2f}"
    return f"{name:<18}{row['n']:>6}{row['outside']:>9}{figures}"


def plain(value: Any) -> Any:
    """Return what JSON can hold: NaN becomes null."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path, nargs="?", default=Path("demo"))
    parser.add_argument("--candidates", default="all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with progress_bars():
        report = report_on(asked.demo, chosen_candidates(asked.candidates), asked.seed)
    print(table(report))
    if asked.out:
        asked.out.write_text(json.dumps(plain(report), indent=1) + "\n")


if __name__ == "__main__":
    main()
