"""What Galileo is given: squares of pixels through the months in four parts, and what of them is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.inputs.refusals import refuse_beyond, refuse_shape, refuse_unfit
from monitoring.errors import ModelError

#: Channels of each group, part by part, in order; Dynamic World has 9 classes, WorldCereal 5 crops.
SPACE_TIME = {
    "S1": 2,
    "S2_RGB": 3,
    "S2_Red_Edge": 3,
    "S2_NIR_10m": 1,
    "S2_NIR_20m": 1,
    "S2_SWIR": 2,
    "NDVI": 1,
}
SPACE = {"SRTM": 2, "DW": 9, "WC": 5}
TIME = {"ERA5": 2, "TC": 3, "VIIRS": 1}
STATIC = {"LS": 1, "location": 3, "DW_static": 9, "WC_static": 5}
PARTS = {"space_time": SPACE_TIME, "space": SPACE, "time": TIME, "static": STATIC}
MONTHS = 12
#: Pixel size of most of its training, metres.
BASE_RESOLUTION_M = 10.0
#: Pixel sizes of any satellite it knows, metres.
RESOLUTIONS_M = (1.0, 10_000.0)
#: No normalised radar, optical or NDVI value is near this; raw ones are beyond.
LARGEST = 30.0
#: Mean and sd of a part's first channels in the training set, from the published repository's
#: config/normalization.json at 0f0b5b95; x = (raw - (mean - 2 sd)) / (4 sd).
STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "space_time": (
        (-11.72872, -18.85558, 1395.341, 1338.403, 1343.099, 1543.861, 2186.202, 2525.093, 2410.338,
         2750.285, 2234.911, 1474.531),
        (4.887146, 5.73027, 917.7041, 913.2988, 1092.679, 1047.221, 1048.01, 1143.69, 1098.979,
         1204.473, 1145.977, 980.243),
    ),
    "space": ((673.0153, 5.930093), (983.0697, 8.167407)),
    "time": (
        (271.5675, 0.08554304, 657.3181, 692.1292, 562.7813, 1.564712),
        (79.80829, 0.1166955, 704.0009, 925.0116, 453.2434, 7.51302),
    ),
    "static": ((188.2032,), (1154.592,)),
}  # fmt: skip
#: WorldCereal is in percent; NDVI, x y z and the shares of Dynamic World are taken as they are.
CROP_SCALE = 100.0


def n_channels(part: str) -> int:
    """Return how many channels a part has."""
    return sum(PARTS[part].values())


def normalise(part: str, raw: NDArray[Any]) -> NDArray[np.float32]:
    """Return a part's channels (..., C) as the network takes them, from raw units; NaN stays NaN.

    space_time: VV, VH dB; B2-B12 reflectance x 10000, level 1C; NDVI. space: elevation m, slope degrees,
    shares of 9 land covers, percent of 5 crops. time: ERA5 K and m; TerraClimate and VIIRS as stored.
    static: LandScan's people, x y z on the unit sphere, shares, percent.
    """
    if raw.shape[-1] != n_channels(part):
        raise ModelError(f"galileo {part}: expected {n_channels(part)} channels, found {raw.shape[-1]}")
    shift, scale = np.zeros(n_channels(part)), np.ones(n_channels(part))
    mean, sd = np.array(STATISTICS[part])
    shift[: len(mean)], scale[: len(mean)] = mean - 2 * sd, 4 * sd
    if part in ("space", "static"):
        scale[-SPACE["WC"] :] = CROP_SCALE
    normalised: NDArray[np.float64] = (raw - shift) / scale
    return normalised.astype(np.float32)


@dataclass(frozen=True)
class Part:
    """One of the four parts of what is known of N squares."""

    values: NDArray[np.float32]
    """(N, ..., C) normalised; anything where hidden."""
    hidden: NDArray[np.bool_]
    """(N, ..., G) True = missing, by channel group."""

    def rows(self, chosen: NDArray[np.int64]) -> Part:
        """Return some of the squares."""
        return Part(self.values[chosen], self.hidden[chosen])


@dataclass(frozen=True)
class GalileoSeries:
    """Everything Galileo is told about N squares of H x H pixels."""

    space_time: Part
    """(N, H, H, T, 13) VV VH B2 B3 B4 B5 B6 B7 B8 B8A B11 B12 NDVI; 7 groups, each all or none of a patch."""
    space: Part
    """(N, H, H, 16) elevation, slope, Dynamic World, WorldCereal; 3 groups, likewise."""
    time: Part
    """(N, T, 6) ERA5 temperature, precipitation; TerraClimate deficit, soil, evapotranspiration; VIIRS."""
    static: Part
    """(N, 18) LandScan; x, y, z of the place; Dynamic World; WorldCereal, 4 groups."""
    months: NDArray[np.int64]
    """(N, T) the month of each step, 0 = January."""
    patch_size: int = 1
    """Pixels along a patch; a patch is one token."""
    resolution_m: float = BASE_RESOLUTION_M
    """Size of a pixel, metres."""

    def __post_init__(self) -> None:
        if self.space_time.values.ndim != 5:
            raise ModelError(
                f"galileo space_time: expected (N, H, H, T, 13), found {self.space_time.values.shape}"
            )
        n, height, width, t = self.space_time.values.shape[:4]
        refuse_beyond("galileo patch size", np.array(self.patch_size), 1, max(height, 1))
        if height != width or height % self.patch_size or not height or not t:
            raise ModelError(
                f"galileo space_time: {height} x {width} pixels and {t} steps, expected a square of patches "
                f"of {self.patch_size} pixels and at least 1 step"
            )
        axes = {
            "space_time": (n, height, width, t),
            "space": (n, height, width),
            "time": (n, t),
            "static": (n,),
        }
        for name, shape in axes.items():
            _refuse_part(name, getattr(self, name), shape)
        for name in ("space_time", "space"):
            _refuse_torn_patches(name, getattr(self, name).hidden, self.patch_size)
        refuse_shape("galileo months", self.months, np.integer, (n, t))
        refuse_beyond("galileo months", self.months, 0, MONTHS - 1)
        refuse_beyond("galileo resolution", np.array(self.resolution_m), *RESOLUTIONS_M)

    @property
    def n_samples(self) -> int:
        """Number of squares."""
        return len(self.months)

    def rows(self, chosen: NDArray[np.int64]) -> GalileoSeries:
        """Return some of the squares."""
        return GalileoSeries(
            self.space_time.rows(chosen),
            self.space.rows(chosen),
            self.time.rows(chosen),
            self.static.rows(chosen),
            self.months[chosen],
            self.patch_size,
            self.resolution_m,
        )


def _refuse_part(name: str, part: Part, shape: tuple[int, ...]) -> None:
    refuse_shape(f"galileo {name}", part.values, np.float32, (*shape, n_channels(name)))
    refuse_shape(f"galileo {name} hidden", part.hidden, np.bool_, (*shape, len(PARTS[name])))
    largest = LARGEST if name == "space_time" else np.inf
    refuse_unfit(f"galileo {name}", part.values[~hidden_channels(name, part)], largest)


def _refuse_torn_patches(name: str, hidden: NDArray[np.bool_], p: int) -> None:
    # The published code asks a patch's first pixel only, and would read what is missing in the others.
    whole = first_pixels(hidden, p).repeat(p, axis=1).repeat(p, axis=2)
    if not np.array_equal(whole, hidden):
        raise ModelError(f"galileo {name} hidden: differs inside a patch of {p} pixels, which is one token")


def hidden_channels(name: str, part: Part) -> NDArray[np.bool_]:
    """Return (N, ..., C) what is hidden, by channel."""
    return np.repeat(part.hidden, list(PARTS[name].values()), axis=-1)


def first_pixels(values: NDArray[np.bool_], p: int) -> NDArray[np.bool_]:
    """Return (N, Y, X, ...): the first pixel of every patch of (N, H, H, ...)."""
    return values[:, ::p, ::p]


def visible_tokens(series: GalileoSeries) -> NDArray[np.bool_]:
    """Return (N, K) which tokens each square has: the four parts in order, groups last and fastest."""
    hidden = (
        first_pixels(series.space_time.hidden, series.patch_size),
        first_pixels(series.space.hidden, series.patch_size),
        series.time.hidden,
        series.static.hidden,
    )
    return np.concatenate([~part.reshape(series.n_samples, -1) for part in hidden], axis=1)


def observed_patches(series: GalileoSeries) -> NDArray[np.bool_]:
    """Return (N, P): True where a patch has any radar or optical token; nothing else observes it."""
    hidden = first_pixels(series.space_time.hidden, series.patch_size).all(axis=(3, 4))
    return ~np.asarray(hidden).reshape(series.n_samples, -1)
