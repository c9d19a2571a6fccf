"""Which fields of a model card are its identity: they decide the numbers, the others describe them."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitoring.errors import WarehouseError

#: What decides an encoder's embeddings, and a head's predictions. Who pinned the weights, what was measured
#: of them, their licence and training domain may be worded anew, and fields may be added.
IDENTITY: Mapping[str, tuple[str, ...]] = {
    "encoder": (
        "id",
        "weights_sha256",
        "architecture",
        "config",
        "dims",
        "input",
        "selection",
        "normalisation",
        "clear_rule",
        "radar_rule",
        "offset_rule",
    ),
    "head": (
        "id",
        "tensors_sha256",
        "target",
        "encoder_id",
        "encoder_weights_sha256",
        "dims",
        "candidate",
    ),
}


def refuse_other_models(stated: Sequence[Mapping[str, str]], recorded: Sequence[Mapping[str, str]]) -> None:
    """Raise WarehouseError where a card is another model than a recorded one of its id, with the difference.

    Rows have the columns of `model_card`; of a recorded card there may be several wordings.
    """
    by_id = {row["id"]: row for row in stated}
    for row in recorded:
        difference = _other_identity(row, by_id[row["id"]])
        if difference:
            raise WarehouseError(
                f"model card {row['id']}: differs from the recorded one of that id in {difference}"
            )


def _other_identity(recorded: Mapping[str, str], stated: Mapping[str, str]) -> str:
    """Return the first field of identity in which a card's row is not the one recorded, with both values.

    Empty where the identity is the same. A field that one of the two cards lacks, as one of an older version
    of this software may, is not a difference.
    """
    return next(_differences("", _identity(recorded), _identity(stated)), "")


def _identity(row: Mapping[str, str]) -> dict[str, Any]:
    card = json.loads(row["card"])
    decisive = {name: card[name] for name in IDENTITY[row["kind"]] if name in card}
    return {"kind": row["kind"], **decisive, "sha256": row["sha256"]}


def _differences(where: str, recorded: Any, stated: Any) -> Iterator[str]:
    """Yield a line for each difference between two JSON values; of objects, the fields both have."""
    if isinstance(recorded, dict) and isinstance(stated, dict):
        for name in recorded:
            if name in stated:
                yield from _differences(f"{where}.{name}".lstrip("."), recorded[name], stated[name])
    elif recorded != stated:
        yield f"{where}: {reprlib.repr(recorded)} recorded, {reprlib.repr(stated)} now"
