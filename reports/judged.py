"""What an assessment says beyond slopes, as plain values: tests, alerts, artefacts, parks, calibration.

Missing numbers are NaN and missing words empty, as where an older version recorded the assessment.
"""

from __future__ import annotations

from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True)
class HowTested:
    """How one woodland was tested: what its p, q and probability of decline rest on."""

    slope: float
    """Of the tested series, by generalised least squares, target's unit per year."""
    se: float
    degrees_of_freedom: float
    """Of `se`; infinite where all woodlands scatter alike."""
    memory: float
    """First-order autocorrelation of yearly noise, pooled over the family."""
    look: int = 0
    """Which yearly look, from 1; 0: not counted."""
    q_allowed: float = NAN
    """What q had to reach at this look."""
    p_mann_kendall: float = NAN
    """Exact, one-sided: shown, not what q rests on."""
    decline_probability: float = NAN
    """Of a slope below minus the minimum effect, after shrinkage, 0-1."""
    posterior_slope: float = NAN
    """Slope after shrinkage, target's unit per year."""
    posterior_sd: float = NAN
    method: str = ""


@dataclass(frozen=True)
class EvidenceLine:
    """What something other than richness says of one woodland."""

    kind: str
    verdict: str
    """`agrees`, `silent` or `disagrees`."""
    text: str
    source: str = ""


@dataclass(frozen=True)
class AlertLine:
    """One alert: how sure, what bears it out, what holds it back, and where its life stands."""

    woodland_id: str
    level: str
    """`CONFIRMED`, `WATCH` or `PROVISIONAL`."""
    season: str
    """Season its figures were judged at."""
    reason: str = ""
    kind: str = ""
    """`decline`, `step` or `fall`."""
    decline_fraction: float = NAN
    """Loss over the record as a share of its start; of a fall, over the year."""
    severity: str = ""
    confidence: str = ""
    """`corroborated`, `richness alone` or `contradicted`."""
    course: str = ""
    """`sustained`, `extreme-year dip`, `uncertain` or `no weather given`."""
    held_by: str = ""
    """Gates that hold it below CONFIRMED, such as `G2, G4`."""
    cause: str = ""
    state: str = "open"
    """`open`, `acknowledged`, `assigned`, `dismissed`, `expired` or `retracted`."""
    assignee: str = ""
    field_result: str = ""
    raised_season: str = ""
    last_note: str = ""
    evidence: tuple[EvidenceLine, ...] = ()

    @property
    def is_standing(self) -> bool:
        """True until it was dismissed or has ended."""
        return self.state in ("open", "acknowledged", "assigned")


@dataclass(frozen=True)
class ArtefactLine:
    """What one gate found in one scope."""

    gate: str
    """`G1` to `G6`."""
    name: str
    scope: str
    """`all`, `park`, `block` or `woodland`."""
    of: str
    """Park, block or name of the woodland; empty for all."""
    state: str
    """`passed`, `red` or `not judged`."""
    reason: str


@dataclass(frozen=True)
class ParkTrendLine:
    """The trend of the woodland of one class in one park, or of the whole, under one weighting."""

    park: str
    """Empty for the whole."""
    woodland_class: str
    """`all`, `ancient` or `other`."""
    weighting: str
    """`area` or `woodland`."""
    n_woodlands: int
    n_years: int
    slope: float = NAN
    """Of the yearly weighted mean departure, target's unit per year, with its interval."""
    slope_low: float = NAN
    slope_high: float = NAN
    p_permutation: float = NAN
    p_dietz_killeen: float = NAN
    p_homogeneity: float = NAN
    """Small where woodlands go different ways."""
    p_homogeneity_of_parks: float = NAN
    """Small where parks do; of the whole only."""
    memory: float = NAN
    warning: str = ""
    reason: str = ""


@dataclass(frozen=True)
class BalanceLine:
    """How alike ancient woodland and what it is compared with are in one property."""

    property: str
    ancient_before: float
    other_before: float
    difference_before: float
    """Standardised: in standard deviations."""
    ancient: float
    other: float
    difference: float
    is_matched_on: bool = False
    is_balanced: bool = False


@dataclass(frozen=True)
class CalibratedLine:
    """One figure of a calibration."""

    measure: str
    """What it tells, such as `share of the declining that is CONFIRMED`."""
    world: str
    """What was simulated, such as `autocorrelation 0.3`."""
    n_years: int
    """0 where it is of no one length."""
    sims: int
    value: float
    """A share 0-1, unless `is_count`."""
    bound: float = NAN
    """What is promised; NaN where nothing is."""
    is_kept: bool = True
    is_count: bool = False


@dataclass(frozen=True)
class Calibration:
    """How often this rule is wrong, and right, in simulated worlds whose truth is known."""

    n_worlds: int = 0
    """Simulated families; 0 where not stated."""
    share_with_a_confirmed: float = NAN
    """Share of families in which nothing declines that had a CONFIRMED all the same, 0-1."""
    note: str = ""
    power: float = NAN
    """Share of declining woodlands that were CONFIRMED, 0-1."""
    power_world: str = ""
    """Which of them, and where."""
    calibrated_on: str = ""
    """Date in words."""
    command: str = ""
    """What computed it."""
    is_current: bool = True
    """False where it was computed under other scientific choices than the report's."""
    lines: tuple[CalibratedLine, ...] = ()
