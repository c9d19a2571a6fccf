"""The TESSERA v2 pixel student, written from its published facts (Feng et al., arXiv 2506.20380).

Two backbones, optical and radar, each: band embedding + day-of-year encoding -> post-norm transformer ->
attention pooling over time; then one MLP fuses the two, and the vector is brought to mean 0 and variance 1
over its dims. There is no class token and no attention mask: how often an observation counts is a bias on the
logits (see selection). Parameter names are those of the published checkpoints, which therefore load strictly.

Axes in the comments: b pixels, l observations, c bands, d token width, h heads, e = d / h.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.encoders.configs import StudentConfig
from models.encoders.networks.transformer import (
    BandEmbedding,
    FeedForwardLayer,
    LayerStack,
    Tokens,
    attend,
    day_encoding,
)


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
        self.embedding = BandEmbedding(bands, d)
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
