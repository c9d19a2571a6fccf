"""The candidates by name: what a stored head is restored with, and what is compared by default."""

from __future__ import annotations

from models.heads.candidates import boosting, forest, fourier, landmarks, mean, mlp, ridge
from models.heads.candidates.contract import Candidate
from models.heads.candidates.stack import make_stack
from monitoring.errors import ModelError

#: In the order in which they are shown.
SINGLE = {
    each.name: each
    for each in (
        mean.CANDIDATE,
        ridge.CANDIDATE,
        fourier.CANDIDATE,
        landmarks.CANDIDATE,
        forest.CANDIDATE,
        boosting.CANDIDATE,
        mlp.CANDIDATE,
    )
}
#: Those that a stack is made of.
STACKED = {name: each for name, each in SINGLE.items() if name != mean.CANDIDATE.name}
STACK = make_stack(STACKED)
CANDIDATES = SINGLE | {STACK.name: STACK}
#: Sets of candidates by a word of their own.
SETS = {
    "quick": ("mean", "ridge", "fourier", "landmarks"),
    "all": tuple(CANDIDATES),
    "single": tuple(SINGLE),
    "fast": tuple(name for name, each in SINGLE.items() if each.is_fast),
}


def chosen_candidates(asked: str) -> tuple[str, ...]:
    """Return the names of a set, or of a list with commas; ModelError for an unknown one."""
    names = SETS.get(asked) or tuple(part.strip() for part in asked.split(",") if part.strip())
    unknown = next((name for name in names if name not in CANDIDATES), None)
    if unknown or not names:
        known = ", ".join((*SETS, *CANDIDATES))
        raise ModelError(f"candidate {unknown or asked!r}: known are {known}")
    return names


def candidate(name: str) -> Candidate:
    """Return the candidate of a name; ModelError for an unknown one."""
    if name not in CANDIDATES:
        raise ModelError(f"candidate {name!r}: known are {', '.join(CANDIDATES)}")
    return CANDIDATES[name]
