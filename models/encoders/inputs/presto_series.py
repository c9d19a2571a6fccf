"""What Presto is given: monthly channels of places, normalised, and what of them is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.inputs.refusals import refuse_beyond, refuse_shape, refuse_unfit
from monitoring.errors import ModelError

#: Channels of x, in order.
CHANNELS = (
    "VV", "VH", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12",
    "temperature_2m", "total_precipitation", "elevation", "slope", "NDVI",
)  # fmt: skip
#: Channels of each group, in the order of the tokens; land cover follows them.
GROUPS: dict[str, tuple[str, ...]] = {
    "S1": ("VV", "VH"),
    "S2_RGB": ("B2", "B3", "B4"),
    "S2_Red_Edge": ("B5", "B6", "B7"),
    "S2_NIR_10m": ("B8",),
    "S2_NIR_20m": ("B8A",),
    "S2_SWIR": ("B11", "B12"),
    "ERA5": ("temperature_2m", "total_precipitation"),
    "SRTM": ("elevation", "slope"),
    "NDVI": ("NDVI",),
}
#: The group that does not change with time: its token comes from the first step.
TERRAIN = "SRTM"
#: Groups that no satellite of ours saw in that month; a sample with nothing else is not embedded.
BESIDE = ("ERA5", TERRAIN)
#: Classes of Dynamic World are 0-8; this one says that there is none.
NO_LAND_COVER = 9
MONTHS = 12
#: x = (raw + shift) / scale, by channel, from the published pipeline.
_SHIFT = np.array([25.0] * 2 + [0.0] * 10 + [-272.15, 0.0, 0.0, 0.0, 0.0])
_SCALE = np.array([25.0] * 2 + [1e4] * 10 + [35.0, 0.03, 2000.0, 50.0, 1.0])
#: No normalised radar, optical, temperature or NDVI value is near this; raw ones are beyond.
LARGEST = 10.0
_UNBOUNDED = ("total_precipitation", "elevation", "slope")


def normalise(raw: NDArray[Any]) -> NDArray[np.float32]:
    """Return x (..., 17) from raw (..., 17), or from raw (..., 16) without NDVI, which is then computed.

    Raw units: VV, VH dB; B2-B12 reflectance x 10000, level 1C; temperature K; precipitation m; elevation m;
    slope degrees; NDVI = (B8 - B4) / (B8 + B4), NaN where the sum is 0. NaN stays NaN.
    """
    if raw.shape[-1] not in (len(CHANNELS) - 1, len(CHANNELS)):
        raise ModelError(f"presto raw: expected 16 or 17 channels, found {raw.shape[-1]}")
    given = raw.astype(np.float64)
    if raw.shape[-1] < len(CHANNELS):
        given = np.concatenate([given, _ndvi(given)[..., None]], axis=-1)
    normalised: NDArray[np.float64] = (given + _SHIFT) / _SCALE
    return normalised.astype(np.float32)


def _ndvi(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    near_infrared, red = raw[..., CHANNELS.index("B8")], raw[..., CHANNELS.index("B4")]
    total = near_infrared + red
    return np.divide(near_infrared - red, total, out=np.full_like(total, np.nan), where=total != 0)


@dataclass(frozen=True)
class PrestoSeries:
    """Everything Presto is told about N samples."""

    x: NDArray[np.float32]
    """(N, T, 17) normalised channels; anything where hidden."""
    dynamic_world: NDArray[np.int64]
    """(N, T) land-cover class 0-8; 9 = missing."""
    latlon: NDArray[np.float64]
    """(N, 2) latitude, longitude in degrees; float32 will do."""
    month: NDArray[np.int64]
    """(N,) month of the first step, 0 = January, the others following; or (N, T) the month of each step."""
    hidden: NDArray[np.bool_]
    """(N, T, 17) True = missing; one hidden channel hides its group's token."""

    def __post_init__(self) -> None:
        if self.x.dtype != np.float32 or self.x.ndim != 3 or self.x.shape[2] != len(CHANNELS):
            raise ModelError(f"presto x: expected float32 (N, T, 17), found {self.x.dtype} {self.x.shape}")
        n, t = self.x.shape[:2]
        if t < 1:
            raise ModelError(f"presto x: {t} steps, expected at least 1")
        refuse_shape("presto dynamic_world", self.dynamic_world, np.integer, (n, t))
        refuse_shape("presto latlon", self.latlon, np.floating, (n, 2))
        refuse_shape("presto month", self.month, np.integer, (n, t)[: self.month.ndim] or (n,))
        refuse_shape("presto hidden", self.hidden, np.bool_, (n, t, len(CHANNELS)))
        refuse_beyond("presto dynamic_world", self.dynamic_world, 0, NO_LAND_COVER)
        refuse_beyond("presto month", self.month, 0, MONTHS - 1)
        refuse_beyond("presto latitude", self.latlon[:, 0], -90, 90)
        refuse_beyond("presto longitude", self.latlon[:, 1], -180, 180)
        for channel, name in enumerate(CHANNELS):
            seen = self.x[..., channel][~self.hidden[..., channel]]
            refuse_unfit(f"presto x {name}", seen, np.inf if name in _UNBOUNDED else LARGEST)

    @property
    def n_samples(self) -> int:
        """Length of the sample axis."""
        return len(self.x)

    @property
    def months(self) -> NDArray[np.int64]:
        """(N, T) the month of each step, 0 = January."""
        if self.month.ndim == 2:
            return self.month
        return (self.month[:, None] + np.arange(self.x.shape[1])) % MONTHS

    def rows(self, chosen: NDArray[np.int64]) -> PrestoSeries:
        """Return some of the samples."""
        return PrestoSeries(
            self.x[chosen],
            self.dynamic_world[chosen],
            self.latlon[chosen],
            self.month[chosen],
            self.hidden[chosen],
        )


def columns(group: str) -> list[int]:
    """Return the positions of a group's channels in x."""
    return [CHANNELS.index(name) for name in GROUPS[group]]


def steps(group: str) -> slice:
    """Return the steps that give a token of the group."""
    return slice(0, 1) if group == TERRAIN else slice(None)


def visible_tokens(series: PrestoSeries) -> NDArray[np.bool_]:
    """Return (N, K) which tokens each sample has: groups in their order, each by step, then land cover.

    The location, which every sample has, is not among them.
    """
    groups = [_whole(series, group)[:, steps(group)] for group in GROUPS]
    return np.concatenate([*groups, series.dynamic_world != NO_LAND_COVER], axis=1)


def observed(series: PrestoSeries) -> NDArray[np.bool_]:
    """Return (N,): True where any radar or optical token is there; weather and terrain observe nothing."""
    seen = [_whole(series, group).any(axis=1) for group in GROUPS if group not in BESIDE]
    return np.asarray(np.stack(seen).any(axis=0))


def _whole(series: PrestoSeries, group: str) -> NDArray[np.bool_]:
    """Return (N, T): True where no channel of the group is hidden."""
    hidden = np.asarray(series.hidden[..., columns(group)].any(axis=-1))
    return ~hidden
