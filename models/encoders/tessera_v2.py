"""The TESSERA v2 pixel student, written from its published facts (Feng et al., arXiv 2506.20380).

Two backbones, optical and radar, each: band embedding + day-of-year encoding -> post-norm transformer ->
attention pooling over time; then one MLP fuses the two, and the vector is brought to mean 0 and variance 1
over its dims. There is no class token and no attention mask: how often an observation counts is a bias on the
logits (see selection). Parameter names are those of the published checkpoints, which therefore load strictly.

Axes in the comments: b pixels, l observations, c bands, d token width, h heads, e = d / h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.configs import StudentConfig

#: Day-of-year 1..366, and 0 for the single all-zero step that stands for an absent sensor.
DAYS = 367
#: Base of the day-of-year encoding's wavelengths.
WAVELENGTH_BASE = 10000.0
#: Attention scores that still fit a CPU's caches; below, two batched products beat the fused kernel.
CACHED_SCORES_BYTES = 4 * 2**20


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
    small = q.device.type == "cpu" and b * heads * steps**2 * q.element_size() <= CACHED_SCORES_BYTES
    mixed = (
        _attend_plainly(q, k, v, mask) if small else nn.functional.scaled_dot_product_attention(q, k, v, mask)
    )
    return mixed.transpose(1, 2).reshape(b, steps, d)


def _attend_plainly(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return attention of (b, h, l, e) with its scores written out: for short sequences the faster way."""
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))  # (b, h, l, l)
    weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
    return torch.matmul(weights, v)


class Attention(nn.Module):
    """Self-attention with one stacked projection, parameters as in nn.MultiheadAttention."""

    def __init__(self, config: StudentConfig) -> None:
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

    def __init__(self, config: StudentConfig) -> None:
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

    def __init__(self, config: StudentConfig) -> None:
        super().__init__(config)
        self.self_attn = Attention(config)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        return self.finish(x, self.self_attn(x, bias))


class QkNormLayer(FeedForwardLayer):
    """The same layer with queries and keys brought to unit root mean square per head."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__(config)
        d, self.heads = config.width, config.nhead
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))
        self.q_norm, self.k_norm = nn.RMSNorm(d // self.heads), nn.RMSNorm(d // self.heads)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        by_head = (*x.shape[:2], self.heads, -1)
        q = self.q_norm(self.q_proj(x).view(by_head)).flatten(-2)
        k = self.k_norm(self.k_proj(x).view(by_head)).flatten(-2)
        return self.finish(x, self.out_proj(attend(q, k, self.v_proj(x), self.heads, bias)))


class LayerStack(nn.Module):
    """Transformer layers under the name the published checkpoints give them."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        for layer in self.layers:
            x = layer(x, bias)
        return x


class QkNormStack(nn.ModuleList):
    """Query-key-normalised layers, numbered without a `layers.` prefix in checkpoints."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__(QkNormLayer(config) for _ in range(config.num_layers))

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        for layer in self:
            x = layer(x, bias)
        return x


class AttentionPool(nn.Module):
    """One learned query weighs the observations."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, 1)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (b, l, d) -> (b, d)."""
        logits = self.query(x).squeeze(-1)  # (b, l)
        weights = torch.softmax(logits if bias is None else logits + bias, dim=-1)
        return torch.bmm(weights[:, None].to(x.dtype), x).squeeze(1)


class Backbone(nn.Module):
    """From the observations of one sensor to one vector per pixel."""

    days: Tensor

    def __init__(self, bands: int, config: StudentConfig) -> None:
        super().__init__()
        d = config.width
        self.embedding = nn.Sequential(nn.Linear(bands, d), nn.ReLU(), nn.Linear(d, d))
        self.transformer_encoder = QkNormStack(config) if config.enable_qk_norm else LayerStack(config)
        self.attn_pool = AttentionPool(d)
        self.register_buffer("days", day_encoding(d), persistent=False)

    def forward(self, tokens: Tokens) -> Tensor:
        """Tokens of b pixels -> (b, d)."""
        x = self.embedding(tokens.values) + self.days[tokens.days]  # (b, l, d)
        x = self.transformer_encoder(x, tokens.log_multiplicity)
        pooled: Tensor = self.attn_pool(x, tokens.log_multiplicity)
        return pooled


class Student(nn.Module):
    """Optical and radar observations of a pixel's season -> its embedding."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        d = config.width
        self.config = config
        self.s2_backbone = Backbone(10, config)
        self.s1_backbone = Backbone(2, config)
        self.dim_reducer = nn.Sequential(
            nn.Linear(2 * d, 4 * d),
            nn.LayerNorm(4 * d),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(4 * d, config.repr_dim),
        )

    def fuse(self, s2: Tensor, s1: Tensor) -> Tensor:
        """Pooled vectors (b, d) of both sensors -> embeddings (b, repr_dim), standardised over the dims."""
        fused: Tensor = self.dim_reducer(torch.cat([s2, s1], dim=-1))
        return nn.functional.layer_norm(fused.float(), (self.config.repr_dim,))

    def forward(self, s2: Tokens, s1: Tokens) -> Tensor:
        """Tokens of b pixels from both sensors -> (b, repr_dim)."""
        return self.fuse(self.s2_backbone(s2), self.s1_backbone(s1))
