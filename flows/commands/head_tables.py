"""What is on the card of a head, as tables for people and as rows for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from flows.tables import Format, Row, show

if TYPE_CHECKING:
    from models.heads.bootstrap import ScoreInterval, ScoreIntervals
    from models.heads.card import Compared, HeadCard, SchemeScores

#: Scores a card holds, in the order in which they are shown.
SCORES = ("r2", "rmse", "mae", "me", "ccc", "rpiq", "coverage_90")
#: Scores that a table shows with their interval, and without; rows for programs hold every score.
WITH_INTERVAL, WITHOUT = ("r2", "rmse"), ("me", "coverage_90")
#: Errors that correlate over more than this do so everywhere: half the circumference of the Earth.
ROUND_THE_EARTH_M = 2.0e7
#: What the features of a head are called on its card.
EMBEDDING = "embedding"


def show_card(card: HeadCard, form: Format) -> None:
    """Show how a head was held out, what it was chosen among, and what was found wrong in its samples."""
    if form is not Format.TABLE:
        show([*map(_compared_row, [card] * len(card.comparison), card.comparison), *scheme_rows(card)], form)
        return
    for title, rows in _sections(card):
        typer.echo(f"\n{title}")
        show(rows, form, empty="none")
    for row in card.schemes:
        if row.note:
            typer.echo(f"{row.scheme}: {row.note}")
    typer.echo(f"\nChosen: {card.choice}.")
    typer.echo(gap_of(card))


def _sections(card: HeadCard) -> list[tuple[str, list[Row]]]:
    """Return the tables of a card, each under its title."""
    unit = card.target.unit
    compared: list[Row] = [
        {"candidate": _called(card, row), **_figures(row.scores)} for row in card.comparison
    ]
    held_out: list[Row] = [
        {"scheme": row.scheme, "folds": row.n_folds or None, "blocks": row.n_blocks or None}
        | _figures(row.scores)
        for row in card.schemes
    ]
    interval = "95 % intervals over blocks"
    return [
        (f"Defects of the sample table; {_counted(card)}", [asdict(row) for row in card.defects]),
        (f"Compared by the folds `{card.primary}`: {unit}, {interval}", compared),
        (f"{card.candidate} held out by every scheme: {unit}, {interval}", held_out),
        ("Uncertainty and area of applicability", _trust(card)),
    ]


def _counted(card: HeadCard) -> str:
    return f"{card.n_samples} samples used, {card.n_dropped} left out (no embedding, or no effort)"


def _called(card: HeadCard, row: Compared) -> str:
    features = "" if row.features == EMBEDDING else f" on {row.features}"
    chosen = " *" if row.features == EMBEDDING and row.candidate == card.candidate else ""
    return f"{row.candidate}{features}{chosen}"


def _figures(scores: ScoreIntervals | None) -> dict[str, object]:
    """Return the scores that fit a terminal."""
    found: dict[str, object] = {
        name: _figure(getattr(scores, name)) if scores else None for name in WITH_INTERVAL
    }
    return found | {name: _rounded(getattr(scores, name).estimate) if scores else None for name in WITHOUT}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _figure(interval: ScoreInterval) -> str | None:
    if interval.estimate is None:
        return None
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:.3g}"
    return f"{interval.estimate:.3g} ({interval.low:.3g} to {interval.high:.3g})"


def _compared_row(card: HeadCard, row: Compared) -> Row:
    chosen = row.features == EMBEDDING and row.candidate == card.candidate
    what = {"part": "compared", "scheme": card.primary, "features": row.features, "candidate": row.candidate}
    stated = next(each for each in card.schemes if each.scheme == card.primary)
    counts = {"folds": stated.n_folds, "blocks": stated.n_blocks}
    return {**what, "chosen": chosen, **counts, **score_columns(row.scores), "note": None}


def scheme_rows(card: HeadCard) -> list[Row]:
    """Return a head's scores under every scheme, as numbers."""
    return [_scheme_row(card, row) for row in card.schemes]


def _scheme_row(card: HeadCard, row: SchemeScores) -> Row:
    what = {"part": "held out", "scheme": row.scheme, "features": EMBEDDING, "candidate": card.candidate}
    counts = {"folds": row.n_folds, "blocks": row.n_blocks}
    is_quoted = row.scheme == card.primary
    return {**what, "chosen": is_quoted, **counts, **score_columns(row.scores), "note": row.note or None}


def score_columns(scores: ScoreIntervals | None) -> dict[str, float | None]:
    """Return every score as three columns: the estimate, and the bounds of its 95 % interval."""
    found: dict[str, float | None] = {}
    for name in SCORES:
        each = getattr(scores, name) if scores else None
        found |= {
            name: each.estimate if each else None,
            f"{name}_low": each.low if each else None,
            f"{name}_high": each.high if each else None,
        }
    return found


def _trust(card: HeadCard) -> list[Row]:
    """Return what a head's error consists of, and where it may be applied."""
    parts, area = card.parts, card.applicability
    stated: dict[str, object] = {
        f"share of the error: {name}": f"{getattr(parts, name):.0%}" for name in ("label", "place", "year")
    }
    stated |= {
        "evidence": parts.evidence,
        "intervals stretched by": f"{card.conformal.lower:.3g} below, {card.conformal.upper:.3g} above",
        "errors of cells correlate over": _reach(parts.correlation.range_m),
        "threshold of dissimilarity": f"{area.threshold:.3g}",
        f"held-out samples outside ({area.scheme})": _share(area.share_outside),
        "RMSE inside, outside": f"{_number(area.rmse_inside)}, {_number(area.rmse_outside)}",
    }
    return [{"what": what, "value": value} for what, value in stated.items()]


def _reach(range_m: float) -> str:
    return f"{range_m:.0f} m" if range_m < ROUND_THE_EARTH_M else "any distance"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "- (fewer than ten)" if value is None else f"{value:.3g}"


def gap_of(card: HeadCard) -> str:
    """Return what a random split would have promised, beside what held-out places show."""
    by_scheme = {row.scheme: row.scores for row in card.schemes}
    random, honest = by_scheme.get("random"), by_scheme.get(card.primary)
    if not (random and honest and random.r2.estimate is not None and honest.r2.estimate is not None):
        return ""
    return (
        f"A random split would have promised R2 {random.r2.estimate:.3f}; held-out blocks "
        f"({card.primary}) show {honest.r2.estimate:.3f}: {honest.r2.estimate - random.r2.estimate:+.3f}."
    )
