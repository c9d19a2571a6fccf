"""The Galileo encoder, written from its published facts (Tseng et al., arXiv 2502.09356).

A sample is a square of pixels through up to 24 months, told in four parts: what varies in space and time
(radar, optical, NDVI), in space only (terrain, land cover, crops), in time only (weather, water balance,
night lights), and in neither (population, location, land cover, crops). Channels of one kind form a group,
and a group gives a token per patch and month, as far as its part has either; what is missing gives none. A
token carries where it belongs: [group 32 | position 32 | month 32 | place in the square 32]. Four pre-norm
blocks and a norm; the embedding is the mean of the tokens seen.

Patches of 1 to 8 pixels share one 8 x 8 kernel, resized by the pseudo-inverse of a bicubic resizing
(FlexiViT, Beyer et al., arXiv 2212.08013). Parameter names are those of the published checkpoint, which loads
strictly.

Axes in the comments: b samples, y and x patches, p pixels along a patch, t months, c channels, g groups,
k tokens, l tokens seen, d token width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from models.encoders.configs import GalileoConfig
from models.encoders.embeddings import Embeddings, Progress
from models.encoders.inputs.galileo_series import (
    BASE_RESOLUTION_M,
    MONTHS,
    PARTS,
    SPACE,
    SPACE_TIME,
    STATIC,
    TIME,
    GalileoSeries,
    hidden_channels,
    observed_patches,
    visible_tokens,
)
from models.encoders.networks.visible_tokens import (
    BATCH_SIZE,
    Block,
    attend,
    device_of,
    embed_rows,
    only_observed,
    seen,
)
from monitoring.errors import ModelError

#: Base of the wavelengths of the place's encoding.
WAVELENGTH_BASE = 10000.0


@cache
def kernel_resize(stored: int, wanted: int) -> Tensor:
    """Return (wanted^2, stored^2), which turns a stored patch kernel into one for patches of `wanted` pixels.

    The pseudo-inverse of resizing: a resized kernel on a resized patch gives what the stored one gives on the
    patch itself.
    """
    if stored == wanted:
        return torch.eye(stored**2)
    cells = torch.eye(stored**2, dtype=torch.float64).view(-1, 1, stored, stored)
    resized = nn.functional.interpolate(cells, (wanted, wanted), mode="bicubic", antialias=True)
    inverse: Tensor = torch.linalg.pinv(resized.flatten(1))
    return inverse.float()


def place_encoding(size: int, step: float, width: int) -> Tensor:
    """Return (size, size, width): sines and cosines of the column, then of the row, `step` units apart."""
    quarter = width // 4
    # The network was trained with exponents up to a quarter, not up to 1 as such encodings usually have.
    frequency = WAVELENGTH_BASE ** -(torch.arange(quarter, dtype=torch.float64) / width)
    angle = torch.arange(size, dtype=torch.float64)[:, None] * step * frequency  # (size, quarter)
    along = torch.cat([angle.sin(), angle.cos()], dim=-1)  # (size, width / 2)
    half = (size, size, width // 2)
    return torch.cat([along[None].expand(half), along[:, None].expand(half)], dim=-1).float()


class Attention(nn.Module):
    """Self-attention with separate projections."""

    def __init__(self, config: GalileoConfig) -> None:
        super().__init__()
        d, self.heads = config.embedding_size, config.num_heads
        self.q, self.k, self.v, self.proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        mixed: Tensor = self.proj(attend(self.q(x), self.k(x), self.v(x), self.heads))
        return mixed


class PatchEmbedding(nn.Module):
    """A patch of pixels -> token, by a kernel that fits any patch size."""

    def __init__(self, channels: int, config: GalileoConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, config.embedding_size, config.max_patch_size)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (..., c, p, p) -> (..., d)."""
        weight, wanted = self.proj.weight, patches.shape[-1]
        resize = kernel_resize(weight.shape[-1], wanted).to(weight.device)
        kernel = weight.flatten(2) @ resize.T  # (d, c, p * p)
        token: Tensor = nn.functional.linear(patches.flatten(-3), kernel.flatten(1), self.proj.bias)
        return token


@dataclass(frozen=True)
class Batch:
    """Samples on the network's device that see equally many tokens."""

    space_time: Tensor
    """(b, y, x, t, c, p, p) float32, finite."""
    space: Tensor
    """(b, y, x, c, p, p)."""
    time: Tensor
    """(b, t, c)."""
    static: Tensor
    """(b, c)."""
    months: Tensor
    """(b, t) int64."""
    visible: Tensor
    """(b, k) bool, each row with equally many True."""
    patch_m: float
    """Size of a patch, metres."""


def batch_of(series: GalileoSeries, device: torch.device) -> Batch:
    """Return the samples as tensors; hidden values become 0, which no token then carries."""
    space_time, space, time, static = (_shown(series, name).to(device) for name in PARTS)
    return Batch(
        _patches(space_time, series.patch_size),
        _patches(space, series.patch_size),
        time,
        static,
        torch.from_numpy(series.months.astype(np.int64)).to(device),
        torch.from_numpy(visible_tokens(series)).to(device),
        series.patch_size * series.resolution_m,
    )


def _shown(series: GalileoSeries, name: str) -> Tensor:
    part = getattr(series, name)
    return torch.from_numpy(np.where(hidden_channels(name, part), np.float32(0), part.values))


def _patches(values: Tensor, p: int) -> Tensor:
    """Return (b, y, x, ..., c, p, p) of (b, y * p, x * p, ..., c)."""
    b, height, width, *rest = values.shape
    cut = values.reshape(b, height // p, p, width // p, p, *rest)
    return cut.movedim((2, 4), (-2, -1))


class Galileo(nn.Module):
    """A square of pixels through the months -> its embedding, or one of each patch."""

    def __init__(self, config: GalileoConfig) -> None:
        super().__init__()
        d = config.embedding_size
        quarter = d // 4
        self.config = config
        self.pos_embed = nn.Parameter(torch.zeros(config.max_sequence_length, quarter))
        self.s_t_channel_embed = nn.Parameter(torch.zeros(len(SPACE_TIME), quarter))
        self.sp_channel_embed = nn.Parameter(torch.zeros(len(SPACE), quarter))
        self.t_channel_embed = nn.Parameter(torch.zeros(len(TIME), quarter))
        self.st_channel_embed = nn.Parameter(torch.zeros(len(STATIC), quarter))
        self.month_embed = nn.Embedding(MONTHS, quarter)
        self.space_time_embed = nn.ModuleDict({g: PatchEmbedding(c, config) for g, c in SPACE_TIME.items()})
        self.space_embed = nn.ModuleDict({g: PatchEmbedding(c, config) for g, c in SPACE.items()})
        self.time_embed = nn.ModuleDict({g: nn.Linear(c, d) for g, c in TIME.items()})
        self.static_embed = nn.ModuleDict({g: nn.Linear(c, d) for g, c in STATIC.items()})
        self.blocks = nn.ModuleList(
            Block(d, config.mlp_ratio, Attention(config)) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(d)

    def forward(self, batch: Batch) -> Tensor:
        """Samples -> embeddings (b, d); NaN where no token is seen."""
        embedding: Tensor = self.encode(batch).mean(dim=1)
        return embedding

    def per_patch(self, batch: Batch) -> Tensor:
        """Samples -> embeddings (b, y * x, d): the mean of a patch's tokens and of those without a place."""
        weight = (_of_patch(batch)[None] & batch.visible[:, None]).float()  # (b, y * x, k)
        return torch.bmm(weight, self.encode_in_place(batch)) / weight.sum(dim=-1, keepdim=True)

    def encode_in_place(self, batch: Batch) -> Tensor:
        """Samples -> encoded tokens (b, k, d), 0 where not seen, in the order of `visible_tokens`."""
        encoded = self.encode(batch)
        placed = encoded.new_zeros((*batch.visible.shape, encoded.shape[-1]))
        placed[batch.visible] = encoded.flatten(0, 1)
        return placed

    def encode(self, batch: Batch) -> Tensor:
        """Samples -> encoded tokens (b, l, d), those seen only."""
        x = seen(self.tokens(batch), batch.visible)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    def tokens(self, batch: Batch) -> Tensor:
        """Samples -> every token (b, k, d) as it enters the first block."""
        b, y, x, t = batch.space_time.shape[:4]
        month = self.month_embed(batch.months)  # (b, t, d / 4)
        place = place_encoding(y, batch.patch_m / BASE_RESOLUTION_M, self.pos_embed.shape[1]).to(month.device)
        position = self.pos_embed[:t, None]  # (t, g, d / 4) when it meets the groups
        month_of_squares, place_of_months = month[:, None, None, :, None], place[:, :, None, None]
        parts = (
            _by_group(self.space_time_embed, SPACE_TIME, batch.space_time, -3)
            + _belonging((b, y, x, t), self.s_t_channel_embed, position, month_of_squares, place_of_months),
            _by_group(self.space_embed, SPACE, batch.space, -3)
            + _belonging((b, y, x), self.sp_channel_embed, place=place[:, :, None]),
            _by_group(self.time_embed, TIME, batch.time, -1)
            + _belonging((b, t), self.t_channel_embed, position, month[:, :, None]),
            _by_group(self.static_embed, STATIC, batch.static, -1) + _belonging((b,), self.st_channel_embed),
        )
        return torch.cat([part.view(b, -1, part.shape[-1]) for part in parts], dim=1)


def _by_group(embeddings: nn.ModuleDict, groups: Mapping[str, int], values: Tensor, axis: int) -> Tensor:
    """Return (..., g, d): each group's channels, along `axis` of the values, through its own embedding."""
    parts = torch.split(values, list(groups.values()), dim=axis)
    return torch.stack([embeddings[group](part) for group, part in zip(groups, parts, strict=True)], dim=-2)


def _belonging(
    shape: tuple[int, ...],
    channel: Tensor,
    position: Tensor | None = None,
    month: Tensor | None = None,
    place: Tensor | None = None,
) -> Tensor:
    """Return (*shape, g, d): group, position, month and place of a part's tokens; 0 for what it has not."""
    wanted = (*shape, *channel.shape)
    nothing = channel.new_zeros(1)
    told = [channel, *(nothing if what is None else what for what in (position, month, place))]
    return torch.cat([what.expand(wanted) for what in told], dim=-1)


def _of_patch(batch: Batch) -> Tensor:
    """Return (y * x, k): True where a token belongs to a patch, or to the whole square."""
    _, y, x, t = batch.space_time.shape[:4]
    own = torch.eye(y * x, dtype=torch.bool, device=batch.visible.device)
    everywhere = own.new_ones((y * x, t * len(TIME) + len(STATIC)))
    return torch.cat(
        [
            own.repeat_interleave(t * len(SPACE_TIME), dim=1),
            own.repeat_interleave(len(SPACE), dim=1),
            everywhere,
        ],
        dim=1,
    )


@torch.inference_mode()
def embed_galileo(
    network: Galileo,
    series: GalileoSeries,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Embeddings:
    """Return one embedding per square, in their order, each independent of the others to the bit.

    A square without any radar or optical token is NaN with its reason, though the network would answer from
    terrain, weather or location alone. ModelError for more steps or larger patches than the network's.
    """
    _refuse_sizes(network.config, series)
    device = device_of(network)
    return embed_rows(
        visible_tokens(series),
        np.asarray(observed_patches(series).any(axis=1)),
        lambda rows: network(batch_of(series.rows(rows), device)),
        network.config.embedding_size,
        batch_size=batch_size,
        progress=progress,
    )


@torch.inference_mode()
def embed_galileo_patches(
    network: Galileo,
    series: GalileoSeries,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Embeddings:
    """Return one embedding per patch: squares in their order, the patches of each row by row.

    A patch without a radar or optical token of its own is NaN with its reason; refused as in `embed_galileo`.
    """
    _refuse_sizes(network.config, series)
    device, d, observed = device_of(network), network.config.embedding_size, observed_patches(series)
    squares = embed_rows(
        visible_tokens(series),
        np.asarray(observed.any(axis=1)),
        lambda rows: network.per_patch(batch_of(series.rows(rows), device)).flatten(1),
        observed.shape[1] * d,
        batch_size=batch_size,
        progress=progress,
    )
    return only_observed(squares.values.reshape(-1, d), observed.ravel())


def _refuse_sizes(config: GalileoConfig, series: GalileoSeries) -> None:
    steps, most = series.months.shape[1], config.max_sequence_length
    if steps > most:
        raise ModelError(f"galileo space_time: {steps} steps, expected at most {most}")
    if series.patch_size > config.max_patch_size:
        raise ModelError(f"galileo patch size: {series.patch_size}, expected at most {config.max_patch_size}")
