"""Promotions: which models came to speak for a target, and what each step changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from warehouse.answering.provenance import Chain
from warehouse.reader import Record
from warehouse.records import PromotionRow

if TYPE_CHECKING:
    from flows.modelling.promotion import HeadsCompared

#: What a comparison says of all woodlands -> the column it is shown in.
_FIGURES = {
    "woodlands": "woodlands",
    "mean change": "mean_change",
    "largest change": "largest_change",
    "alerts kept": "alerts_kept",
    "alerts lost": "alerts_lost",
    "alerts gained": "alerts_gained",
}


def promotion_row(
    compared: HeadsCompared, woodlands: Sequence[Mapping[str, object]], now: datetime
) -> PromotionRow:
    """Return the row of a promotion: the comparison it was decided by, with the alerts of each woodland."""
    return PromotionRow(
        target=compared.new.target.name,
        promoted_at=now,
        encoder_from=compared.encoder_now,
        head_from=compared.now,
        encoder=compared.new.encoder_id,
        head=compared.new.id,
        figures=json.dumps(compared.summary, sort_keys=True),
        woodlands=json.dumps([_plain(row) for row in woodlands], sort_keys=True),
    )


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row without NaN, which JSON does not know."""
    return {key: None if value != value else value for key, value in row.items()}


def promotion_rows(chain: Chain, target: str | None) -> list[dict[str, Any]]:
    """Return every promotion and every other step from one model to another, by target and time."""
    promoted = chain.promotions(target)
    rows = [_promoted(row) for row in promoted] + list(_steps(chain, target, promoted))
    return sorted(rows, key=lambda row: (row["target"], row["at"], row["step"]))


def _promoted(row: Record) -> dict[str, Any]:
    figures = json.loads(row["figures"])
    told = {column: figures.get(name) for name, column in _FIGURES.items()}
    return _named(row, row["promoted_at"], "promoted") | told


def _steps(chain: Chain, target: str | None, promoted: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield the models that spoke first or were not promoted as heads, with the difference in the log."""
    told = {(row["target"], row["encoder"], row["head"], row["head_from"]) for row in promoted}
    for step in chain.models(target):
        if (step["target"], step["encoder"], step["head"], step["head_from"]) not in told:
            yield _stepped(chain, step)


def _stepped(chain: Chain, step: Record) -> dict[str, Any]:
    blank = dict.fromkeys(_FIGURES.values())
    if step["encoder_from"] is None:
        return _named(step, step["recorded_at"], "first") | blank
    found = chain.difference(step)
    figures = {"woodlands": found["n_woodlands"], "mean_change": found["mean_change"]}
    figures["largest_change"] = found["largest_change"]
    return _named(step, step["recorded_at"], _what_changed(step)) | blank | _plain(figures)


def _what_changed(step: Record) -> str:
    pairs = (("encoder", "encoder_from"), ("head", "head_from"), ("config_hash", "config_from"))
    changed = [now.replace("config_hash", "choices") for now, was in pairs if step[now] != step[was]]
    return f"loaded: other {', '.join(changed)}"


def _named(row: Record, at: datetime, step: str) -> dict[str, Any]:
    models = ("encoder_from", "head_from", "encoder", "head")
    return {
        "target": row["target"],
        "at": f"{at:%Y-%m-%d %H:%M}",
        "step": step,
        **{m: row[m] for m in models},
    }


def woodlands_of(chain: Chain, head: str) -> list[dict[str, Any]]:
    """Return what the last promotion of a head changed, woodland by woodland, alerts included."""
    found = [row for row in chain.promotions() if row["head"] == head]
    return json.loads(found[-1]["woodlands"]) if found else []
