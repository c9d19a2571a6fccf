"""Sites: what is known of a woodland beside its history, to find woodland it may be compared with."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.woodlands import Status, Woodland

NAN = float("nan")


@dataclass(frozen=True)
class Site:
    """One woodland as matching and grouping see it; what is unknown is empty or NaN, never a guess."""

    woodland_id: str
    park: str = ""
    """Empty where it lies in none."""
    is_ancient: bool = False
    status: Status = Status.OTHER
    """Standing in the inventory; `other` too where only the class is known."""
    leaf_type: str = ""
    """Such as `broadleaved`, `conifer` or `mixed`; free text, compared as it stands; empty where unknown."""
    elevation_m: float = NAN
    area_ha: float = NAN
    """Weight of the woodland in area-weighted figures; NaN where unknown."""
    block: str = ""
    """Block of neighbouring woodlands processed together: where a seam of tiles shows."""


def site_of(woodland: Woodland, leaf_type: str = "", elevation_m: float = NAN, block: str = "") -> Site:
    """Return the site of a woodland of the boundary file."""
    return Site(
        woodland_id=woodland.id,
        park=woodland.park,
        is_ancient=woodland.is_ancient,
        status=woodland.status,
        leaf_type=leaf_type,
        elevation_m=elevation_m,
        area_ha=woodland.area_ha,
        block=block,
    )
