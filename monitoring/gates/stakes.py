"""What is at stake: the loss that matters, and whether a change is large beside it."""

from __future__ import annotations

import math

from monitoring.errors import SettingsError


def loss_refused_unless_positive(loss: float) -> float:
    """Return the loss that matters, over the record; SettingsError unless finite and above 0."""
    if not (math.isfinite(loss) and loss > 0):
        raise SettingsError(f"loss that matters {loss}: must be a finite number above 0")
    return loss


def per_cent(share: float) -> str:
    """Return `60 %`; `unknown` for NaN."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else "unknown"


def p_words(p: float) -> str:
    """Return `p 0.008`, and `p below 0.0001` where four digits would say zero."""
    return f"p {p:.4f}".rstrip("0") if p >= 1e-4 else "p below 0.0001"
