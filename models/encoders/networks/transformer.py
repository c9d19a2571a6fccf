"""What the TESSERA generations share: tokens, the encoding of days, and post-norm transformer layers.

Parameter names are those of the published checkpoints, which therefore load strictly.

Axes in the comments: b pixels, l observations, c bands, d token width, h heads, e = d / h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.configs import TransformerConfig

#: Day-of-year 1..366, and 0 for the single all-zero step that stands for an absent sensor.
DAYS = 367
#: Base of the day-of-year encoding's wavelengths.
WAVELENGTH_BASE = 10000.0
#: Attention scores that still fit a CPU's caches; below, two batched products beat the fused kernel.
CACHED_SCORES_BYTES = 4 * 2**20
#: GPU attention kernels want heads whose width is a multiple of this.
HEAD_STEP = 8


@dataclass(frozen=True)
class Tokens:
    """Standardised observations of one sensor at b pixels, padded to l steps."""

    values: Tensor
    """(b, l, c) float."""
    days: Tensor
    """(b, l) int64 day of year, raw."""
    log_multiplicity: Tensor | None
    """(b, l) float, -inf = padding; None where every step counts once."""

    def to(self, device: str, dtype: torch.dtype) -> Tokens:
        """Return the same tokens on a device, their values in `dtype`."""
        bias = self.log_multiplicity
        moved = None if bias is None else bias.to(device)
        return Tokens(self.values.to(device, dtype), self.days.to(device), moved)


def day_encoding(width: int) -> Tensor:
    """Return the (367, d) sine and cosine encoding of each day of the year."""
    frequency = torch.exp(torch.arange(0, width, 2) * -(math.log(WAVELENGTH_BASE) / width))
    angle = torch.arange(DAYS)[:, None] * frequency  # (367, d/2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, bias: Tensor | None) -> Tensor:
    """Return softmax(q k' / sqrt(e) + bias) v for each head; q, k, v (b, l, d), bias (b, l) on the keys."""
    b, steps, d = q.shape
    q, k, v = (x.reshape(b, steps, heads, d // heads).transpose(1, 2) for x in (q, k, v))  # (b, h, l, e)
    mask = None if bias is None else bias[:, None, None, :].to(q.dtype)
    if q.device.type != "cpu":
        mixed = attend_fused(q, k, v, mask)
    elif b * heads * steps**2 * q.element_size() <= CACHED_SCORES_BYTES:
        mixed = _attend_plainly(q, k, v, mask)
    else:
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, mask)
    return mixed.transpose(1, 2).reshape(b, steps, d)


def attend_fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Return attention of (b, h, l, e) by a GPU's kernel for plain attention; bias (b, 1, 1, l) or None.

    The fastest kernel knows no bias. It becomes one more dimension of the keys, whose counterpart in the
    queries is sqrt(e), so that the product adds it to every score; heads are padded to HEAD_STEP.
    """
    if bias is None:
        return nn.functional.scaled_dot_product_attention(q, k, v)
    e = q.shape[-1]
    padding = -(e + 1) % HEAD_STEP
    one_more = bias.transpose(-1, -2).expand(*k.shape[:-1], 1)  # (b, h, l, 1)
    q = nn.functional.pad(torch.cat([q, torch.full_like(one_more, math.sqrt(e))], dim=-1), (0, padding))
    k = nn.functional.pad(torch.cat([k, one_more], dim=-1), (0, padding))
    v = nn.functional.pad(v, (0, 1 + padding))
    return nn.functional.scaled_dot_product_attention(q, k, v, scale=e**-0.5)[..., :e]


def _attend_plainly(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return attention of (b, h, l, e) with its scores written out: for short sequences the faster way."""
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))  # (b, h, l, l)
    weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
    return torch.matmul(weights, v)


class BandEmbedding(nn.Sequential):
    """Bands of one observation -> token: linear, ReLU, linear."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__(nn.Linear(bands, width), nn.ReLU(), nn.Linear(width, width))


class Attention(nn.Module):
    """Self-attention with one stacked projection, parameters as in nn.MultiheadAttention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d, self.heads = config.width, config.nhead
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d, d))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d))
        self.out_proj = nn.Linear(d, d)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        q, k, v = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        mixed: Tensor = self.out_proj(attend(q, k, v, self.heads, bias))
        return mixed


class FeedForwardLayer(nn.Module):
    """What both kinds of transformer layer share: norms after the residual sums, ReLU between two linears."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.linear1 = nn.Linear(config.width, config.dim_feedforward)
        self.linear2 = nn.Linear(config.dim_feedforward, config.width)
        self.norm1 = nn.LayerNorm(config.width)
        self.norm2 = nn.LayerNorm(config.width)

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Return the layer's output from its input and what attention made of it."""
        x = self.norm1(x + mixed)
        out: Tensor = self.norm2(x + self.linear2(nn.functional.relu(self.linear1(x))))
        return out


class Layer(FeedForwardLayer):
    """A post-norm transformer layer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.self_attn = Attention(config)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        return self.finish(x, self.self_attn(x, bias))


class LayerStack(nn.Module):
    """Transformer layers under the name the published checkpoints give them."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        for layer in self.layers:
            x = layer(x, bias)
        return x
