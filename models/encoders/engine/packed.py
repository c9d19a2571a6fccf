"""A transformer packed for inference on a CPU: the arithmetic of transformer.py in fewer passes over memory.

Nothing here is an approximation; what differs is the order of the same sums:

- queries are scaled by log2(e) / sqrt(e) when the weights are packed, so that softmax needs exp2 alone;
- the values carry a column of ones, so that the product that mixes them also adds up the weights;
- an observation that counts m times has its values and its one multiplied by m, where softmax adds log m;
- scores are made head by head, so that one head's scores stay in the cache;
- products run on weights laid out for oneDNN, which adds biases and residuals and clips in the same pass.

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

#: Products with prepared weights and what follows them in one pass (torch 2.13, which is pinned).
_POINTWISE = torch.ops.mkldnn._linear_pointwise
_REORDER = torch.ops.mkldnn._reorder_linear_weight
#: Rows that weights are laid out for; others work as well.
TYPICAL_ROWS = 2048
#: Rows of a product are filled up to a multiple of this: oneDNN builds, and keeps, a kernel of about 1 MB in
#: 1 ms for every number of rows it meets.
ROW_STEP = 64
#: Fewest rows of a matrix product whose rows do not depend on their number; fewer take other kernels.
MIN_ROWS = 16
#: Columns that a product with one column is filled up to.
QUERY_COLUMNS = 8
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
    """A linear map with its bias."""

    weight: Tensor
    """(out, in) in the layout oneDNN multiplies fastest by, or plain where oneDNN is not there."""
    bias: Tensor
    """(out,)."""

    def __call__(self, x: Tensor) -> Tensor:
        """x (n, in) -> (n, out)."""
        return self._fused(x, "none") if self.weight.is_mkldnn else self._plain(x)

    def relu(self, x: Tensor) -> Tensor:
        """x (n, in) -> (n, out), negative numbers 0."""
        return self._fused(x, "relu") if self.weight.is_mkldnn else self._plain(x).relu_()

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return residual + x mapped: (n, out)."""
        if not self.weight.is_mkldnn:
            return self._plain(x).add_(residual)
        added: Tensor = _POINTWISE.binary(x, residual, self.weight, self.bias, "add")
        return added

    def _fused(self, x: Tensor, then: str) -> Tensor:
        mapped: Tensor = _POINTWISE(x, self.weight, self.bias, then, [], "")
        return mapped

    def _plain(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


def pack(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Affine:
    """Return a map from weights as nn.Linear has them: (out, in), (out,)."""
    plain = weight.detach().to(dtype).contiguous()
    packed = _REORDER(plain, TYPICAL_ROWS) if _has_onednn() else plain
    return Affine(packed, bias.detach().to(dtype))


def whole_rows(n: int) -> int:
    """Return n rounded up to ROW_STEP."""
    return -(-n // ROW_STEP) * ROW_STEP


def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


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
        """x (rows, d) -> (rows, d), the first b * l of them tokens; shape (b, l), multiplicity (l,)."""
        x = _norm(self.norm1, self.out.add_to(x, self.attend(x, shape, multiplicity, work)))
        return _norm(self.norm2, self.narrow.add_to(x, self.widen.relu(x)))

    def attend(
        self, x: Tensor, shape: tuple[int, int], multiplicity: Tensor | None, work: Workspace
    ) -> Tensor:
        """Return what attention makes of each token: (rows, d); rows beyond the tokens hold anything."""
        (b, steps), d = shape, x.shape[1]
        e, g = d // self.heads, (len(self.project.bias) - 2 * d) // self.heads
        n = b * steps
        projected = self.project(x)[:n].view(b, steps, -1)
        q, k, v = torch.split(projected, [d, d, self.heads * g], dim=-1)
        if multiplicity is not None:
            v.mul_(multiplicity[:, None])
        whole = work.take("mixed", len(x), d)
        mixed = whole[:n].view(b, steps, d)
        flat = work.take("scores", -(-b * steps * steps // WHOLE_LANES) * WHOLE_LANES)
        scores, weighted = flat[: b * steps * steps].view(b, steps, steps), work.take("weighted", b, steps, g)
        for head in range(self.heads):
            mine, values = slice(head * e, (head + 1) * e), slice(head * g, (head + 1) * g)
            torch.bmm(q[..., mine], k[..., mine].transpose(1, 2), out=scores)
            _shift_far_rows(scores)
            flat.exp2_()
            torch.bmm(scores, v[..., values], out=weighted)
            torch.div(weighted[..., :e], weighted[..., e : e + 1], out=mixed[..., mine])
        return whole


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
    second: Affine
    days: Tensor
    """(367, d) day encoding."""
    layers: tuple[PackedLayer, ...]

    def __call__(self, values: Tensor, days: Tensor, multiplicity: Tensor | None, work: Workspace) -> Tensor:
        """values (b, l, c), days (b, l), multiplicity (l,) -> (b, l, d); b * l at least MIN_ROWS."""
        b, steps, bands = values.shape
        n, rows = b * steps, whole_rows(b * steps)
        bare = work.take("values", rows, bands)
        bare[:n] = values.view(n, bands)
        when = nn.functional.pad(days.view(n), (0, rows - n))
        x = self.second.add_to(torch.index_select(self.days, 0, when), self.first.relu(bare))
        for layer in self.layers:
            x = layer(x, (b, steps), multiplicity, work)
        return x[:n].view(b, steps, -1)


def pack_transformer(
    embedding: BandEmbedding, stack: LayerStack, day_table: Tensor, dtype: torch.dtype
) -> PackedTransformer:
    """Return a backbone's transformer packed in a number format, from its modules in float32."""
    first, second = (_packed_linear(embedding[place], dtype) for place in (0, 2))
    layers = tuple(_pack_layer(layer, dtype) for layer in stack.layers)
    return PackedTransformer(first, second, day_table.to(dtype), layers)


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
    """(d, QUERY_COLUMNS) float32: the query and zeros, as a product with one column takes another kernel."""

    def __call__(self, x: Tensor, multiplicity: Tensor | None) -> Tensor:
        """x (b, l, d), multiplicity (l,) -> (b, d)."""
        logits = (x.flatten(0, 1).float() @ self.query)[:, 0].view(x.shape[:2])
        if multiplicity is not None:
            logits = logits + multiplicity.log()
        return torch.bmm(torch.softmax(logits, dim=-1)[:, None].to(x.dtype), x).squeeze(1)


def pack_pool(query: nn.Linear) -> PackedPool:
    """Return the pooling of a query."""
    return PackedPool(padded_query(query))


def padded_query(query: nn.Linear) -> Tensor:
    """Return (d, QUERY_COLUMNS): a query and zeros; its bias shifts every logit alike and so does nothing."""
    padded = torch.zeros(query.in_features, QUERY_COLUMNS)
    padded[:, 0] = query.weight.detach()[0]
    return padded
