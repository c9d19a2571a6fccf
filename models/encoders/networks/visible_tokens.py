"""What Presto and Galileo share: tokens that are seen or left out, and pre-norm transformer blocks.

Both networks drop the tokens of whatever is missing, so samples differ in length. Samples of one length form
a batch; there is no padding and no mask, and what a sample becomes does not depend on its company.

Axes in the comments: b samples, k tokens, l tokens seen, d token width, h heads, e = d / h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.encoders.embeddings import Embeddings, Progress, Reason

#: Samples in a batch: at 110 tokens of width 128 its activations stay near a CPU core's caches.
BATCH_SIZE = 32
#: Batches are filled up to a multiple of this many samples; with fewer rows matrix products round otherwise.
LEAST_ROWS = 8


def embed_rows(
    visible: NDArray[np.bool_],
    observed: NDArray[np.bool_],
    encode: Callable[[NDArray[np.int64]], Tensor],
    dims: int,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Embeddings:
    """Return the embeddings of N samples: `encode` gives (b, D) for rows that see equally many tokens.

    visible (N, K) says which tokens a sample sees; where `observed` (N,) is False it is NaN with its reason.
    """
    values = np.full((len(visible), dims), np.nan, np.float32)
    done = int((~observed).sum())
    counts = np.where(observed, visible.sum(axis=1), 0)
    for rows in equal_batches(counts, batch_size):
        values[rows] = encode(_filled_up(rows))[: len(rows)].float().cpu().numpy()
        done += len(rows)
        if progress is not None:
            progress(done, len(visible))
    return only_observed(values, observed)


def only_observed(values: NDArray[np.float32], observed: NDArray[np.bool_]) -> Embeddings:
    """Return embeddings (N, D) that are NaN, with their reason, where `observed` (N,) is False."""
    reason = np.where(observed, Reason.EMBEDDED, Reason.NO_OBSERVATION).astype(np.uint8)
    return Embeddings(np.where(observed[:, None], values, np.float32(np.nan)), reason)


def equal_batches(counts: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows of one positive count at a time, in their order, at most `batch_size` together."""
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]


def _filled_up(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows with the last one repeated up to a multiple of LEAST_ROWS."""
    return np.pad(rows, (0, -len(rows) % LEAST_ROWS), mode="edge")


def seen(tokens: Tensor, visible: Tensor) -> Tensor:
    """Return the visible of tokens (b, k, d), in order, as (b, l, d); each row must see equally many."""
    return tokens[visible].view(len(tokens), -1, tokens.shape[-1])


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Return softmax(q k' / sqrt(e)) v for each head; all (b, l, d)."""
    b, steps, d = q.shape
    q, k, v = (x.reshape(b, steps, heads, d // heads).transpose(1, 2) for x in (q, k, v))  # (b, h, l, e)
    return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, steps, d)


class FeedForward(nn.Module):
    """Two linears with a GELU between, parameters named as published."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Norm, attention, sum; norm, feed-forward, sum."""

    def __init__(self, width: int, mlp_ratio: int, attention: nn.Module) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = attention
        self.mlp = FeedForward(width, width * mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def on_unit_sphere(latlon: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N, 3) x, y, z of places (N, 2) latitude, longitude in degrees."""
    latitude, longitude = np.radians(latlon.astype(np.float64)).T
    x, y = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    return np.stack([x, y, np.sin(latitude)], axis=-1).astype(np.float32)


def device_of(network: nn.Module) -> torch.device:
    """Return where the network's parameters are."""
    return next(network.parameters()).device
