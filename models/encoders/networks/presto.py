"""The Presto encoder, written from its published facts (Tseng et al., arXiv 2304.14065).

A sample is one place through up to 24 months: radar, optical, weather, terrain, NDVI and land cover. Channels
of one kind form a group, and each group gives a token per month (terrain one in all); what is missing gives
none. A token carries where it belongs: [month 32 | channel group 32 | position 64]. The location is a token
of its own, always there. Two pre-norm blocks, the mean over the tokens, a norm: the embedding.

Parameter names are those of the published checkpoint's encoder, which therefore loads strictly.

Axes in the comments: b samples, t months, c channels, k tokens, l tokens seen, d token width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.encoders.configs import PrestoConfig
from models.encoders.embeddings import Embeddings, Progress
from models.encoders.inputs.presto_series import (
    GROUPS,
    MONTHS,
    NO_LAND_COVER,
    TERRAIN,
    PrestoSeries,
    columns,
    observed,
    steps,
    visible_tokens,
)
from models.encoders.networks.visible_tokens import (
    BATCH_SIZE,
    Block,
    attend,
    device_of,
    embed_rows,
    on_unit_sphere,
    seen,
)
from monitoring.errors import ModelError


@dataclass(frozen=True)
class Batch:
    """Samples on the network's device that see equally many tokens."""

    x: Tensor
    """(b, t, c) float32, finite."""
    dynamic_world: Tensor
    """(b, t) int64."""
    xyz: Tensor
    """(b, 3) the place on the unit sphere, float32."""
    months: Tensor
    """(b, t) int64."""
    visible: Tensor
    """(b, k) bool, each row with equally many True."""


def batch_of(series: PrestoSeries, device: torch.device) -> Batch:
    """Return the samples as tensors; hidden values become 0, which no token then carries."""
    arrays = (
        np.where(series.hidden, np.float32(0), series.x),
        series.dynamic_world.astype(np.int64),
        on_unit_sphere(series.latlon),
        series.months.astype(np.int64),
        visible_tokens(series),
    )
    return Batch(*(torch.from_numpy(array).to(device) for array in arrays))


class Attention(nn.Module):
    """Self-attention with one stacked projection."""

    def __init__(self, config: PrestoConfig) -> None:
        super().__init__()
        d, self.heads = config.embedding_size, config.num_heads
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        mixed: Tensor = self.proj(attend(q, k, v, self.heads))
        return mixed


class Presto(nn.Module):
    """A place through the months -> its embedding."""

    def __init__(self, config: PrestoConfig) -> None:
        super().__init__()
        d, n_groups = config.embedding_size, len(GROUPS) + 1
        channel, month = int(d * config.channel_embed_ratio), int(d * config.month_embed_ratio)
        self.config = config
        self.pos_embed = nn.Parameter(torch.zeros(1, config.max_sequence_length, d - channel - month))
        self.month_embed = nn.Embedding(MONTHS, month)
        self.channel_embed = nn.Embedding(n_groups, channel)
        self.eo_patch_embed = nn.ModuleDict({g: nn.Linear(len(names), d) for g, names in GROUPS.items()})
        self.dw_embed = nn.Embedding(NO_LAND_COVER + 1, d)
        self.latlon_embed = nn.Linear(3, d)
        blocks = (Block(d, config.mlp_ratio, Attention(config)) for _ in range(config.depth))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(d)

    def forward(self, batch: Batch) -> Tensor:
        """Samples -> embeddings (b, d)."""
        embedding: Tensor = self.norm(self.encode(batch).mean(dim=1))
        return embedding

    def encode(self, batch: Batch) -> Tensor:
        """Samples -> tokens (b, 1 + l, d) as the last block leaves them: the location, then what is seen."""
        location = self.latlon_embed(batch.xyz)[:, None]
        x = torch.cat([location, seen(self.tokens(batch), batch.visible)], dim=1)
        for block in self.blocks:
            x = block(x)
        return x

    def tokens(self, batch: Batch) -> Tensor:
        """Samples -> every token (b, k, d) as it enters the first block, in the order of `visible_tokens`."""
        tokens = []
        for number, group in enumerate(GROUPS):
            values = self.eo_patch_embed[group](batch.x[:, steps(group), columns(group)])  # (b, t, d)
            months = batch.months[:, steps(group)]
            tokens.append(values + self._belonging(number, months, timeless=group == TERRAIN))
        tokens.append(self.dw_embed(batch.dynamic_world) + self._belonging(len(GROUPS), batch.months))
        return torch.cat(tokens, dim=1)

    def _belonging(self, group: int, months: Tensor, *, timeless: bool = False) -> Tensor:
        """Return (b, t, d): month, group and position of tokens; timeless ones have their group only."""
        b, t = months.shape
        month = self.month_embed(months)
        channel = self.channel_embed.weight[group].expand(b, t, -1)
        position = self.pos_embed[:, :t].expand(b, t, -1)
        time = 0.0 if timeless else 1.0
        return torch.cat([month * time, channel, position * time], dim=-1)


@torch.inference_mode()
def embed_presto(
    network: Presto,
    series: PrestoSeries,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Embeddings:
    """Return the embeddings of N samples, in their order, each independent of the others to the bit.

    A sample without any radar or optical token is NaN with its reason, though the network would answer from
    location, weather and terrain alone. ModelError for more steps than the network has positions.
    """
    found, most = series.x.shape[1], network.config.max_sequence_length
    if found > most:
        raise ModelError(f"presto x: {found} steps, expected at most {most}")
    device = device_of(network)
    return embed_rows(
        visible_tokens(series),
        observed(series),
        lambda rows: network(batch_of(series.rows(rows), device)),
        network.config.embedding_size,
        batch_size=batch_size,
        progress=progress,
    )
