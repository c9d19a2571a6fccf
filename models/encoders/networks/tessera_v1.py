"""The TESSERA v1.0 and v1.1 pixel encoders, from their published facts (Feng et al., arXiv 2506.20380).

Two backbones, optical and radar, each: band embedding + day-of-year encoding -> post-norm transformer ->
pooling over time, whose weights come from a gated recurrent unit that reads the sequence in order; then one
linear layer (v1.0) or an MLP (v1.1) fuses the two. There is no class token and no attention mask.

The transformer does not see order, so observations that the sequence repeats are encoded once, their
multiplicity a bias on the attention logits (see selection). The recurrent unit does see it: pooling takes
`order`, which says which of the encoded observations stands at each step. Both together are exact.

The recurrent unit of v1.0 QAT and v1.1 applies the reset gate before the recurrent matrix; torch's GRU, which
v1.0 early has, applies it after. A pixel without any observation would get a plausible embedding from the
network (eight all-zero steps in v1.1); whoever calls it must make such a pixel NaN.

Axes in the comments: b pixels, l observations encoded, s steps of the sequence, c bands, d token width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.encoders.configs import MLP, RESET_FIRST, TesseraV1Config
from models.encoders.networks.transformer import BandEmbedding, LayerStack, Tokens, day_encoding


def at_steps(x: Tensor, order: Tensor | None) -> Tensor:
    """Return (b, s, d): the rows of x (b, l, d) that stand at each step; past a sequence's end, any row."""
    if order is None:
        return x
    pixel = torch.arange(len(x), device=x.device)[:, None]
    return x[pixel, order.clamp(min=0)]


class ResetFirstCell(nn.Module):
    """Parameters of the gated recurrent unit whose reset gate comes before the recurrent matrix."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.W_ir, self.W_iz, self.W_ih = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.W_hr, self.W_hz, self.W_hh = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.b_r, self.b_z, self.b_h = (nn.Parameter(torch.zeros(width)) for _ in range(3))

    def inputs(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, 3d): what reset, update and candidate take from the input, in one product."""
        weight = torch.cat([self.W_ir.weight, self.W_iz.weight, self.W_ih.weight])
        return nn.functional.linear(x, weight, torch.cat([self.b_r, self.b_z, self.b_h]))

    def recurrent(self) -> tuple[Tensor, Tensor]:
        """Return the recurrent matrices to multiply by: (d, 2d) of both gates and (d, d) of the candidate."""
        return torch.cat([self.W_hr.weight, self.W_hz.weight]).T, self.W_hh.weight.T


class ResetFirstGru(nn.Module):
    """r = s(W_ir x + W_hr h + b_r), z alike, n = tanh(W_ih x + W_hh (r h) + b_h), h' = (1 - z) h + z n."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru_cell = ResetFirstCell(width)

    def forward(self, x: Tensor, order: Tensor | None) -> Tensor:
        """x (b, l, d) and the order (b, s) it is read in -> hidden state after each step (b, s, d)."""
        inputs, (to_gates, to_candidate) = self.gru_cell.inputs(x), self.gru_cell.recurrent()
        gates_width = to_gates.shape[1]
        h = x.new_zeros(len(x), x.shape[-1])
        states = []
        for now in _steps(inputs, order):  # (b, 3d)
            r, z = torch.addmm(now[:, :gates_width], h, to_gates).sigmoid().chunk(2, dim=-1)
            n = torch.addmm(now[:, gates_width:], r * h, to_candidate).tanh()
            h = torch.lerp(h, n, z)
            states.append(h)
        return torch.stack(states, dim=1)


def _steps(x: Tensor, order: Tensor | None) -> Iterator[Tensor]:
    """Yield (b, d) for each step, gathered one at a time so that the sequence is never written out."""
    if order is None:
        yield from x.unbind(dim=1)
        return
    pixel = torch.arange(len(x), device=x.device)
    for place in order.clamp(min=0).unbind(dim=1):
        yield x[pixel, place]


class TorchGru(nn.GRU):
    """torch's gated recurrent unit, whose reset gate comes after the recurrent matrix."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, batch_first=True)

    def forward(self, x: Tensor, order: Tensor | None) -> Tensor:  # type: ignore[override]
        """x (b, l, d) and the order (b, s) it is read in -> hidden state after each step (b, s, d)."""
        hidden: Tensor = super().forward(at_steps(x, order))[0]
        return hidden


class OrderedPool(nn.Module):
    """A recurrent unit reads the observations in order; one learned query on its states weighs them."""

    def __init__(self, config: TesseraV1Config) -> None:
        super().__init__()
        d, reset_first = config.width, config.pooling_gru == RESET_FIRST
        self.temporal_context = ResetFirstGru(d) if reset_first else TorchGru(d)
        self.layer_norm = nn.LayerNorm(d) if reset_first else nn.Identity()
        self.query = nn.Linear(d, 1)

    def forward(self, x: Tensor, order: Tensor | None) -> Tensor:
        """x (b, l, d), order (b, s) -> (b, d)."""
        steps = at_steps(x, order)
        if steps.shape[1] == 1:
            return steps[:, 0]  # its weight is 1
        logits = self.query(self.layer_norm(self.temporal_context(x, order))).squeeze(-1)  # (b, s)
        if order is not None:
            logits = logits.masked_fill(order < 0, -torch.inf)
        return torch.bmm(torch.softmax(logits, dim=-1)[:, None], steps).squeeze(1)


class Backbone(nn.Module):
    """From the observations of one sensor to one vector per pixel, in two parts."""

    days: Tensor

    def __init__(self, bands: int, config: TesseraV1Config) -> None:
        super().__init__()
        d = config.width
        self.embedding = BandEmbedding(bands, d)
        self.transformer_encoder = LayerStack(config)
        self.attn_pool = OrderedPool(config)
        self.register_buffer("days", day_encoding(d), persistent=False)

    def encode(self, tokens: Tokens) -> Tensor:
        """Tokens of b pixels, repeated ones once -> (b, l, d)."""
        x = self.embedding(tokens.values) + self.days[tokens.days]  # (b, l, d)
        encoded: Tensor = self.transformer_encoder(x, tokens.log_multiplicity)
        return encoded

    def pool(self, x: Tensor, order: Tensor | None = None) -> Tensor:
        """Encoded observations x (b, l, d) -> (b, d), read in an order.

        order (b, s) int64 holds the position in x at each step, -1 past a pixel's last step; None reads x
        as it stands.
        """
        pooled: Tensor = self.attn_pool(x, order)
        return pooled

    def forward(self, tokens: Tokens, order: Tensor | None = None) -> Tensor:
        """Tokens of b pixels and the order they are read in -> (b, d)."""
        return self.pool(self.encode(tokens), order)


class TesseraV1(nn.Module):
    """Optical and radar observations of a pixel's season -> its embedding."""

    def __init__(self, config: TesseraV1Config) -> None:
        super().__init__()
        self.config = config
        self.s2_backbone = Backbone(10, config)
        self.s1_backbone = Backbone(2, config)
        self.dim_reducer = _fusion(config)

    def fuse(self, s2: Tensor, s1: Tensor) -> Tensor:
        """Pooled vectors (b, d) of both sensors -> (b, repr_dim); a card's dims are the first of them."""
        fused: Tensor = self.dim_reducer(torch.cat([s2, s1], dim=-1))
        return fused

    def forward(
        self, s2: Tokens, s1: Tokens, s2_order: Tensor | None = None, s1_order: Tensor | None = None
    ) -> Tensor:
        """Tokens of b pixels from both sensors, and the orders they are read in -> (b, repr_dim)."""
        return self.fuse(self.s2_backbone(s2, s2_order), self.s1_backbone(s1, s1_order))


def _fusion(config: TesseraV1Config) -> nn.Sequential:
    d = config.width
    if config.fusion != MLP:
        return nn.Sequential(nn.Linear(2 * d, config.repr_dim))
    return nn.Sequential(
        nn.Linear(2 * d, 4 * d),
        nn.LayerNorm(4 * d),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(4 * d, config.repr_dim),
    )
