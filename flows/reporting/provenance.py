"""Provenance: what made the numbers of a report, from the cards and runs the warehouse holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from flows.reporting.words import current_model
from reports.made_by import EncoderLine, HeadLine, Provenance
from warehouse.reader import Reader


def provenance_of(reader: Reader, target: str, park: str) -> Provenance:
    """Return what made the numbers of the report, from the cards and runs the warehouse holds."""
    model = current_model(reader, target)
    cards = {row["id"]: json.loads(row["card"]) for row in reader.models()}
    rows = reader.history(target=target, park=park or None)
    scenes = reader.scenes()
    return Provenance(
        code_version=version("underwood"),
        config_hash=model["config_hash"],
        encoder=_encoder_line(cards[model["encoder"]]),
        head=_head_line(cards[model["head"]]),
        run_ids=tuple(sorted({row["run_id"] for row in rows})),
        catalogue_source=", ".join(sorted({row["source"] for row in scenes})) or "published embeddings",
        counts=(
            ("Scenes used", len({(row["source"], row["id"]) for row in scenes})),
            ("Estimates", len(rows)),
            ("Runs of seasons", len({row["run_id"] for row in rows})),
        ),
    )


def _encoder_line(card: Mapping[str, Any]) -> EncoderLine:
    weights = card["weights_sha256"] or "not stated by the publisher"
    return EncoderLine(card["id"], card["training_domain"], weights, card["licence"])


def _head_line(card: Mapping[str, Any]) -> HeadLine:
    honest, flattered = _scheme_scores(card, card.get("primary", "")), _scheme_scores(card, "random")
    return HeadLine(
        id=card["id"],
        n_samples=card["n_samples"],
        r2_spatial=honest["r2"],
        rmse_spatial=honest["rmse"],
        coverage_spatial=honest["coverage_90"],
        r2_random=flattered["r2"],
        rmse_random=flattered["rmse"],
        coverage_random=flattered["coverage_90"],
        training_domain=f"{card['n_samples']} field samples{_extent(card['domain'])}",
    )


def _scheme_scores(card: Mapping[str, Any], scheme: str) -> dict[str, float]:
    """Return the scores of a head under a scheme; NaN where its card has none, as early ones."""
    rows = {row["scheme"]: row["scores"] for row in card.get("schemes", ())}
    scores = rows.get(scheme) or {}
    names = ("r2", "rmse", "coverage_90")
    return {name: _number(scores[name]["estimate"] if scores else None) for name in names}


def _extent(domain: Mapping[str, Any]) -> str:
    if domain["west"] is None:
        return ""
    return (
        f", {domain['west']:.2f} to {domain['east']:.2f} degrees east, "
        f"{domain['south']:.2f} to {domain['north']:.2f} degrees north"
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
