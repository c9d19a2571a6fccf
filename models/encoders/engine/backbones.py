"""Backbones as the engine calls them: a sensor's sequences of one fill -> one vector per pixel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.encoders.engine.packed import (
    MIN_ROWS,
    PackedPool,
    PackedTransformer,
    Workspace,
    pack_pool,
    pack_transformer,
)
from models.encoders.engine.packed_gru import PackedGruPool, pack_gru_pool
from models.encoders.inputs.sequences import Fill
from models.encoders.networks import tessera_v1, tessera_v2
from models.encoders.networks.tessera_v1 import ResetFirstGru, TesseraV1
from models.encoders.networks.tessera_v2 import Student
from models.encoders.networks.transformer import LayerStack, Tokens

#: A network that turns the observations of both Sentinels into an embedding.
PixelNetwork = Student | TesseraV1
Backbone = tessera_v1.Backbone | tessera_v2.Backbone

#: values (b, l, c), days (b, l), fill, the thread's workspace -> (b, d).
Pooling = Callable[[Tensor, Tensor, Fill, Workspace], Tensor]


@dataclass(frozen=True)
class PackedV2:
    """A TESSERA v2 backbone on a CPU."""

    transformer: PackedTransformer
    pool: PackedPool

    def __call__(self, values: Tensor, days: Tensor, fill: Fill, work: Workspace) -> Tensor:
        """Return (b, d) float32."""
        encoded = self.transformer(values.to(work.dtype), days, fill.multiplicity, work)
        return self.pool(encoded, fill.multiplicity).float()


@dataclass(frozen=True)
class PackedV1:
    """A TESSERA v1.1 or v1.0 QAT backbone on a CPU."""

    transformer: PackedTransformer
    pool: PackedGruPool

    def __call__(self, values: Tensor, days: Tensor, fill: Fill, work: Workspace) -> Tensor:
        """Return (b, d) float32."""
        encoded = self.transformer(values.to(work.dtype), days, fill.multiplicity, work)
        return self.pool(encoded, fill.order)


@dataclass(frozen=True)
class PackedEarly:
    """A TESSERA v1.0 early backbone on a CPU; its pooling is torch's recurrent unit, in float32."""

    transformer: PackedTransformer
    backbone: tessera_v1.Backbone

    def __call__(self, values: Tensor, days: Tensor, fill: Fill, work: Workspace) -> Tensor:
        """Return (b, d) float32."""
        encoded = self.transformer(values.to(work.dtype), days, fill.multiplicity, work)
        return self.backbone.pool(encoded.float(), fill.order.expand(len(values), -1))


@dataclass(frozen=True)
class Unpacked:
    """A backbone run as its module says: on a GPU, where the fused attention kernels are the fast way."""

    backbone: Backbone
    dtype: torch.dtype

    def __call__(self, values: Tensor, days: Tensor, fill: Fill, work: Workspace) -> Tensor:
        """Return (b, d) float32."""
        b, device = len(values), values.device
        repeats = fill.multiplicity
        bias = None if repeats is None else repeats.log().to(device).expand(b, -1)
        tokens = Tokens(values.to(self.dtype), days, bias)
        if isinstance(self.backbone, tessera_v1.Backbone):
            pooled: Tensor = self.backbone(tokens, fill.order.to(device).expand(b, -1))
        else:
            pooled = self.backbone(tokens)
        return pooled.float()


def pooling_of(backbone: Backbone, device: str, dtype: torch.dtype) -> Pooling:
    """Return the fastest exact way to run a backbone in a number format on a device."""
    stack = backbone.transformer_encoder
    if device != "cpu" or not isinstance(stack, LayerStack):
        return Unpacked(copy.deepcopy(backbone).to(dtype), dtype)
    transformer = pack_transformer(backbone.embedding, stack, backbone.days, dtype)
    if isinstance(backbone, tessera_v2.Backbone):
        return PackedV2(transformer, pack_pool(backbone.attn_pool.query))
    if isinstance(backbone.attn_pool.temporal_context, ResetFirstGru):
        return PackedV1(transformer, pack_gru_pool(backbone.attn_pool, dtype))
    return PackedEarly(transformer, backbone)


def least_pixels(network: PixelNetwork, length: int) -> int:
    """Return how many pixels of a sequence length a batch must have, so that none depends on their number."""
    recurrent = isinstance(network, TesseraV1)  # one row a pixel at each step
    return MIN_ROWS if recurrent else -(-MIN_ROWS // length)
