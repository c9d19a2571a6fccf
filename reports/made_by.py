"""What made the figures of a report: code, science choices, encoder, head and runs."""

from __future__ import annotations

from dataclasses import dataclass

from reports.judged import NAN


@dataclass(frozen=True)
class EncoderLine:
    """The encoder's card, as far as a reader needs it."""

    id: str
    training_domain: str
    weights_sha256: str
    licence: str = ""


@dataclass(frozen=True)
class HeadLine:
    """The head's card: how well it predicts, tested near and far from its field samples."""

    id: str
    n_samples: int
    r2_spatial: float = NAN
    rmse_spatial: float = NAN
    coverage_spatial: float = NAN
    """Share of held-out samples inside the 90 % interval, 0-1."""
    r2_random: float = NAN
    rmse_random: float = NAN
    coverage_random: float = NAN
    training_domain: str = ""


@dataclass(frozen=True)
class Provenance:
    """What made these numbers, so that they can be made again."""

    code_version: str
    config_hash: str
    encoder: EncoderLine
    head: HeadLine
    run_ids: tuple[str, ...]
    catalogue_source: str
    counts: tuple[tuple[str, int], ...] = ()
    """(what, how many) pairs in the order to print them."""
