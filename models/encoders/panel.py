"""Panels: a few pixels of a block with their inputs frozen, and what the encoder said of them once accepted.

A frozen encoder must go on saying the same of the same inputs. A panel is how that is shown: its pixels are
embedded again, and what comes out is held against what was accepted. Same arithmetic on the same kind of
device may round differently, never more; anything beyond is drift.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.agreement import LEAST_CODES, LEAST_COSINE, agreement
from models.encoders.embeddings import Embeddings
from models.encoders.inputs.dpixels import DPixels
from monitoring.errors import DriftError, ModelError, PanelError
from monitoring.scenes import Sensor

#: Pixels of a panel, where the block has as many.
PANEL_PIXELS = 64
#: Pixels taken from each end of each count of observations: where selection and padding are awkward.
AWKWARD_PIXELS = 4
#: First words of a panel file; the number is that of the layout.
MAGIC = b"underwood panel 1 sha256 "
#: Largest difference that is rounding, float32 on one kind of device: the gate of the shared test vectors.
MAX_DIFFERENCE = 2e-5
#: Smallest cosine of float32 on a CPU and float32 on a GPU.
MIN_COSINE_ACROSS_DEVICES = 0.9999


@dataclass(frozen=True)
class Environment:
    """What embeddings were computed with, as far as it can move a number."""

    device: str
    """`cpu` or `cuda`."""
    processor: str
    """Name of the CPU or GPU."""
    capability: str
    """Instruction set the CPU's kernels use (AVX2, AVX512), or the GPU's compute capability."""
    precision: str
    """`fp32` or `bf16`."""
    threads: int
    torch: str
    numpy: str
    code: str
    """Version of the service, and a digest of the encoders' source files."""
    card: str
    """Digest of the encoder's card: statistics and rules are in it, besides the weights."""

    def changes_to(self, other: Environment) -> tuple[str, ...]:
        """Return a line such as `torch 2.12.0 -> 2.13.0` for each thing that differs."""
        names = [field.name for field in dataclasses.fields(self)]
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return tuple(f"{name} {before} -> {after}" for name, before, after in pairs if before != after)


@dataclass(frozen=True)
class PanelRecord:
    """Where a panel comes from and who accepted it."""

    block_id: str
    encoder: str
    weights_sha256: str
    season: str
    """The season whose observations are the frozen inputs."""
    scene_ids: tuple[str, ...]
    """The scenes those inputs were made from."""
    epsg: int
    accepted_at: str
    """ISO, UTC."""
    environment: Environment
    why: str = ""
    """Why the embeddings were accepted anew; empty for those of the first season."""
    replaces: str = ""
    """sha256 of the panel before; empty for the first."""


@dataclass(frozen=True, eq=False)
class Panel:
    """The n pixels of a block whose embeddings must not change."""

    record: PanelRecord
    column: NDArray[np.int32]
    """(n,) cells, as in a pixel set."""
    row: NDArray[np.int32]
    """(n,)."""
    inputs: DPixels
    """Frozen observations of the n pixels."""
    embeddings: Embeddings
    """What was accepted, (n, D)."""


@dataclass(frozen=True)
class Bound:
    """How far embeddings may lie apart and still be the same but for numerics."""

    max_difference: float | None
    """Largest absolute difference; None = cosine and codes decide."""
    min_cosine: float = 0.0
    min_within_one_level: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """How embeddings of a panel's inputs compare with the accepted ones."""

    n_pixels: int
    n_missing_differ: int
    """Pixels with an embedding on one side only."""
    difference: float
    """Largest absolute difference."""
    cosine: float
    """Smallest cosine of a pixel's two embeddings."""
    within_one_level: float
    """Share of int8 codes at most one level apart, 0-1."""
    bitwise: bool
    """True when every number is equal."""
    deviates_at: str
    """The first number that is not equal; empty when bitwise."""
    bound: Bound

    @property
    def agrees(self) -> bool:
        """True when nothing but numerics differs."""
        return not self.n_missing_differ and not self._beyond()

    def _beyond(self) -> list[str]:
        """Return a phrase for each measure that is beyond its bound; a NaN never is within."""
        bound, found = self.bound, []
        if bound.max_difference is not None and not self.difference <= bound.max_difference:
            found.append(f"differ by up to {self.difference:.2g}, bound {bound.max_difference:g}")
        if bound.max_difference is None and not self.cosine >= bound.min_cosine:
            found.append(f"reach a cosine of only {self.cosine:.6f}, bound {bound.min_cosine:g}")
        if not self.within_one_level >= bound.min_within_one_level:
            share, least = self.within_one_level, bound.min_within_one_level
            found.append(f"have {share:.1%} of int8 codes within one level, bound {least:.0%}")
        return found

    def __str__(self) -> str:
        """Return what is beyond its bound, or how well it agrees, in words."""
        missing = [f"have {self.n_missing_differ} embedded on one side only"] if self.n_missing_differ else []
        alike = (
            "are equal to the last bit"
            if self.bitwise
            else f"differ by up to {self.difference:.2g}, within bounds"
        )
        return f"{self.n_pixels} panel pixels {' and '.join(missing + self._beyond()) or alike}"


def choose_pixels(digest: str, counts: Mapping[Sensor, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return up to PANEL_PIXELS positions among N pixels, ascending; the same arguments give the same.

    `digest` names the pixel set, `counts` are (N,) observations of each sensor. A few have the fewest of
    one sensor, or the fewest or most of all; the others are spread evenly over the set, which runs from
    north to south.
    """
    total = np.sum([counts[sensor] for sensor in Sensor], axis=0)
    random = np.random.default_rng(list(hashlib.sha256(digest.encode()).digest()))
    if len(total) <= PANEL_PIXELS:
        return np.arange(len(total))
    shuffled = random.permutation(len(total))
    wanted = [*(counts[sensor] for sensor in Sensor), total, -total]
    ends = [shuffled[np.argsort(count[shuffled], kind="stable")][:AWKWARD_PIXELS] for count in wanted]
    awkward = np.unique(np.concatenate(ends))
    others = np.setdiff1d(np.arange(len(total)), awkward)
    strata = np.array_split(others, PANEL_PIXELS - len(awkward))
    spread = [int(random.choice(stratum)) for stratum in strata]
    return np.sort(np.concatenate([awkward, np.array(spread, np.int64)]))


def bound_between(accepted: Environment, found: Environment) -> Bound:
    """Return what numerics may explain between two environments."""
    if "bf16" in (accepted.precision, found.precision):
        return Bound(None, LEAST_COSINE, LEAST_CODES)
    if accepted.device != found.device:
        return Bound(None, MIN_COSINE_ACROSS_DEVICES, LEAST_CODES)
    return Bound(MAX_DIFFERENCE)


def compare(accepted: Embeddings, found: Embeddings, bound: Bound) -> Comparison:
    """Return how `found` compares with `accepted`, both (n, D); DriftError when even the shapes differ."""
    if accepted.values.shape != found.values.shape:
        raise DriftError(f"embeddings {found.values.shape}, accepted were {accepted.values.shape}")
    before, after = _known(accepted), _known(found)
    both = before & after
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # a row of zeros has no cosine, and is beyond a bound
        apart = agreement(accepted.values[both], found.values[both])
    deviates_at = _first_deviation(accepted.values, found.values)
    return Comparison(
        n_pixels=len(both),
        n_missing_differ=int((before != after).sum()),
        difference=apart.largest_difference,
        cosine=apart.cosine,
        within_one_level=apart.codes_within_one,
        bitwise=not deviates_at and bool((accepted.reason == found.reason).all()),
        deviates_at=deviates_at,
        bound=bound,
    )


def _known(embeddings: Embeddings) -> NDArray[np.bool_]:
    """Return (n,) True where there is an embedding."""
    return np.asarray(np.isfinite(embeddings.values).all(axis=-1))


def _first_deviation(accepted: NDArray[np.float32], found: NDArray[np.float32]) -> str:
    differs = np.argwhere((accepted != found) & ~(np.isnan(accepted) & np.isnan(found)))
    if not len(differs):
        return ""
    pixel, dim = (int(i) for i in differs[0])
    return f"pixel {pixel} dim {dim} by {found[pixel, dim] - accepted[pixel, dim]:.1e}"


def inputs_digest(inputs: DPixels) -> str:
    """Return a sha256 of observations: equal exactly when every array is."""
    digest = hashlib.sha256()
    for name, array in _arrays_of(inputs).items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays_of(inputs: DPixels) -> dict[str, NDArray[Any]]:
    return {field.name: np.asarray(getattr(inputs, field.name)) for field in dataclasses.fields(inputs)}


def panel_bytes(panel: Panel) -> bytes:
    """Return a panel as the bytes of its file: a line with the sha256 of the rest, then an .npz."""
    record = json.dumps(dataclasses.asdict(panel.record), sort_keys=True).encode()
    arrays = {f"inputs_{name}": array for name, array in _arrays_of(panel.inputs).items()}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        record=np.frombuffer(record, np.uint8),
        column=panel.column,
        row=panel.row,
        values=panel.embeddings.values,
        reason=panel.embeddings.reason,
        **arrays,
    )
    content = buffer.getvalue()
    return MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def panel_sha256(content: bytes, where: str) -> str:
    """Return the sha256 that a panel's bytes state; PanelError when their content has another."""
    head, _, body = content.partition(b"\n")
    stated = head.removeprefix(MAGIC).decode("ascii", "replace")
    if not head.startswith(MAGIC) or hashlib.sha256(body).hexdigest() != stated:
        raise PanelError(
            f"panel {where}: damaged, or not one of ours: its content has not the sha256 it states"
        )
    return stated


def panel_from_bytes(content: bytes, where: str) -> Panel:
    """Return the panel of a file's bytes; PanelError when they are damaged or of another layout."""
    panel_sha256(content, where)
    body = io.BytesIO(content.partition(b"\n")[2])
    try:
        with np.load(body, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = _record(json.loads(arrays["record"].tobytes()))
        inputs = DPixels(**{f.name: arrays[f"inputs_{f.name}"] for f in dataclasses.fields(DPixels)})
        embeddings = Embeddings(arrays["values"], arrays["reason"])
        return Panel(record, arrays["column"], arrays["row"], inputs, embeddings)
    except (KeyError, TypeError, ValueError, ModelError) as error:
        raise PanelError(
            f"panel {where}: whole, but of a layout this version does not read: {error}"
        ) from error


def _record(content: dict[str, Any]) -> PanelRecord:
    scene_ids, environment = tuple(content["scene_ids"]), Environment(**content["environment"])
    return PanelRecord(**{**content, "scene_ids": scene_ids, "environment": environment})
