"""A transformer packed for inference on a CPU: the arithmetic of transformer.py in fewer passes over memory.

Nothing here is an approximation; what differs is the order of the same sums:

- queries are scaled by log2(e) / sqrt(e) when the weights are packed, so that softmax needs exp2 alone;
- the values carry a column of ones, so that the product that mixes them also adds up the weights;
- an observation that counts m times has its values and its one multiplied by m, where softmax adds log m;
- scores are made head by head, so that one head's scores stay in the cache;
- every intermediate lies in a workspace that is allocated once.

The rows of a matrix product do not depend on how many rows there are, from MIN_ROWS on, and no result here
depends on another pixel's: so an embedding is the same to the last bit in any batch, order or thread.

Axes in the comments: b pixels, l observations, c bands, d token width, h heads, e = d / h, and g, which is
e + 1 rounded up: the width of a head's values with their ones.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.networks.transformer import BandEmbedding, Layer, LayerStack

#: Fewest rows of a matrix product whose rows do not depend on their number; fewer take other kernels.
MIN_ROWS = 8
#: exp2 of scores up to this needs no shift; float32 and bfloat16 overflow at 128.
LARGEST_SCORE = 100.0
#: exp2 runs over a multiple of this many numbers: a remainder takes another kernel, with other last bits.
WHOLE_LANES = 64
#: A head's values and their ones are padded to a multiple of this.
VALUE_STEP = 4


class Workspace:
    """Buffers of one thread, by name, grown when a larger one is asked for."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """Return the buffer of that name in a shape; what it held is lost."""
        size = math.prod(shape)
        if name not in self._buffers or self._buffers[name].numel() < size:
            self._buffers[name] = torch.zeros(size, dtype=self.dtype)
        return self._buffers[name][:size].view(shape)

    def clear(self) -> None:
        """Give all buffers back."""
        self._buffers.clear()


@dataclass(frozen=True)
class Affine:
    """A linear map with its bias apart."""

    weight: Tensor
    """(in, out)."""
    bias: Tensor
    """(out,)."""

    def __call__(self, x: Tensor, out: Tensor) -> Tensor:
        """x (n, in) -> out (n, out)."""
        return torch.addmm(self.bias, x, self.weight, out=out)

    def add_to(self, residual: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Return residual + x mapped: (n, out)."""
        return torch.add(residual, self.bias, out=out).addmm_(x, self.weight)


def pack(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Affine:
    """Return a map from weights as nn.Linear has them: (out, in), (out,)."""
    return Affine(weight.detach().t().contiguous().to(dtype), bias.detach().to(dtype))


@dataclass(frozen=True)
class PackedLayer:
    """A post-norm transformer layer."""

    heads: int
    project: Affine
    """d -> queries d, keys d, values with their ones h * g."""
    out: Affine
    widen: Affine
    narrow: Affine
    norm1: nn.LayerNorm
    norm2: nn.LayerNorm

    def __call__(
        self, x: Tensor, shape: tuple[int, int], multiplicity: Tensor | None, work: Workspace
    ) -> Tensor:
        """x (b * l, d) -> (b * l, d); shape (b, l), multiplicity (l,)."""
        n, d = x.shape
        mixed = self.attend(x, shape, multiplicity, work)
        x = _norm(self.norm1, self.out.add_to(x, mixed, work.take("sum", n, d)))
        hidden = self.widen(x, work.take("hidden", n, len(self.widen.bias))).relu_()
        return _norm(self.norm2, self.narrow.add_to(x, hidden, work.take("sum", n, d)))

    def attend(
        self, x: Tensor, shape: tuple[int, int], multiplicity: Tensor | None, work: Workspace
    ) -> Tensor:
        """Return what attention makes of each token: (b * l, d)."""
        (b, steps), d = shape, x.shape[1]
        e, g = d // self.heads, (len(self.project.bias) - 2 * d) // self.heads
        projected = self.project(x, work.take("projected", len(x), len(self.project.bias))).view(b, steps, -1)
        q, k, v = torch.split(projected, [d, d, self.heads * g], dim=-1)
        if multiplicity is not None:
            v.mul_(multiplicity[:, None])
        mixed = work.take("mixed", b, steps, d)
        flat = work.take("scores", -(-b * steps * steps // WHOLE_LANES) * WHOLE_LANES)
        scores, weighted = flat[: b * steps * steps].view(b, steps, steps), work.take("weighted", b, steps, g)
        for head in range(self.heads):
            mine, values = slice(head * e, (head + 1) * e), slice(head * g, (head + 1) * g)
            torch.bmm(q[..., mine], k[..., mine].transpose(1, 2), out=scores)
            _shift_far_rows(scores)
            flat.exp2_()
            torch.bmm(scores, v[..., values], out=weighted)
            torch.div(weighted[..., :e], weighted[..., e : e + 1], out=mixed[..., mine])
        return mixed.view(-1, d)


def _shift_far_rows(scores: Tensor) -> None:
    """Shift, in place, each row of (b, l, l) scores whose largest is where exp2 over- or underflows."""
    low, high = torch.aminmax(scores)
    if not (low > -LARGEST_SCORE and high < LARGEST_SCORE):  # NaN comes here too
        largest = scores.amax(-1, keepdim=True)
        scores.sub_(largest - largest.clamp(-LARGEST_SCORE, LARGEST_SCORE))


def _norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


@dataclass(frozen=True)
class PackedTransformer:
    """Band embedding, day encoding and layers of one sensor's backbone."""

    first: Affine
    second: Tensor
    """(d, d); its bias is in `days`."""
    days: Tensor
    """(367, d) day encoding plus the second linear's bias."""
    layers: tuple[PackedLayer, ...]

    def __call__(self, values: Tensor, days: Tensor, multiplicity: Tensor | None, work: Workspace) -> Tensor:
        """values (b, l, c), days (b, l), multiplicity (l,) -> (b, l, d); b * l at least MIN_ROWS."""
        b, steps, bands = values.shape
        n, d = b * steps, len(self.second)
        hidden = self.first(values.view(n, bands), work.take("hidden", n, d)).relu_()
        x = torch.index_select(self.days, 0, days.view(n), out=work.take("tokens", n, d))
        x = x.addmm_(hidden, self.second)
        for layer in self.layers:
            x = layer(x, (b, steps), multiplicity, work)
        return x.view(b, steps, d)


def pack_transformer(
    embedding: BandEmbedding, stack: LayerStack, day_table: Tensor, dtype: torch.dtype
) -> PackedTransformer:
    """Return a backbone's transformer packed in a number format, from its modules in float32."""
    first, second = (_packed_linear(embedding[place], dtype) for place in (0, 2))
    bias = embedding[2].bias
    assert isinstance(bias, Tensor)
    days = (day_table + bias).detach().to(dtype)
    layers = tuple(_pack_layer(layer, dtype) for layer in stack.layers)
    return PackedTransformer(first, second.weight, days, layers)


def _packed_linear(linear: nn.Module, dtype: torch.dtype) -> Affine:
    assert isinstance(linear, nn.Linear)
    return pack(linear.weight, linear.bias, dtype)


def _pack_layer(layer: nn.Module, dtype: torch.dtype) -> PackedLayer:
    assert isinstance(layer, Layer)
    return PackedLayer(
        layer.self_attn.heads,
        _pack_projection(layer, dtype),
        _packed_linear(layer.self_attn.out_proj, dtype),
        _packed_linear(layer.linear1, dtype),
        _packed_linear(layer.linear2, dtype),
        _cast(layer.norm1, dtype),
        _cast(layer.norm2, dtype),
    )


def _pack_projection(layer: Layer, dtype: torch.dtype) -> Affine:
    """Return queries scaled for exp2, keys as they are, values each with a column that is always one."""
    weight, bias = layer.self_attn.in_proj_weight.detach(), layer.self_attn.in_proj_bias.detach()
    heads, d = layer.self_attn.heads, weight.shape[1]
    e = d // heads
    g = -(-(e + 1) // VALUE_STEP) * VALUE_STEP
    scale = math.log2(math.e) / math.sqrt(e)
    v_weight, v_bias = torch.zeros(heads, g, d), torch.zeros(heads, g)
    v_weight[:, :e] = weight[2 * d :].view(heads, e, d)
    v_bias[:, :e] = bias[2 * d :].view(heads, e)
    v_bias[:, e] = 1.0
    weights = torch.cat([weight[:d] * scale, weight[d : 2 * d], v_weight.flatten(0, 1)])
    return pack(weights, torch.cat([bias[:d] * scale, bias[d : 2 * d], v_bias.flatten()]), dtype)


def _cast(norm: nn.LayerNorm, dtype: torch.dtype) -> nn.LayerNorm:
    return copy.deepcopy(norm).to(dtype)


@dataclass(frozen=True)
class PackedPool:
    """Attention pooling with one learned query."""

    query: Tensor
    """(d, MIN_ROWS): the query and columns of zeros, as a product with one column takes another kernel."""

    def __call__(self, x: Tensor, multiplicity: Tensor | None) -> Tensor:
        """x (b, l, d), multiplicity (l,) -> (b, d)."""
        logits = (x.flatten(0, 1) @ self.query)[:, 0].view(x.shape[:2]).float()
        if multiplicity is not None:
            logits = logits + multiplicity.log()
        return torch.bmm(torch.softmax(logits, dim=-1)[:, None].to(x.dtype), x).squeeze(1)


def pack_pool(query: nn.Linear, dtype: torch.dtype) -> PackedPool:
    """Return the pooling of a query; its bias shifts every logit alike and so does nothing."""
    padded = torch.zeros(query.in_features, MIN_ROWS, dtype=dtype)
    padded[:, 0] = query.weight.detach()[0]
    return PackedPool(padded)
