"""The recurrent pooling of TESSERA v1.1 and v1.0 QAT packed for inference on a CPU.

The state stays in float32, where rounding would add up over a sequence; products are in the chosen format.
What an observation adds to the gates is made once for all its repeats. Axes: b pixels, l observations kept,
s steps of the sequence, d token width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.engine.packed import Affine, pack, padded_query, whole_rows
from models.encoders.networks.tessera_v1 import OrderedPool, ResetFirstGru


@dataclass(frozen=True)
class PackedGruPool:
    """A recurrent unit reads the observations in order; one learned query on its states weighs them."""

    inputs: Affine
    """d -> reset d, update d, candidate d."""
    to_gates: Tensor
    """(d, 2d) from the state to reset and update."""
    to_candidate: Tensor
    """(d, d) from the reset state."""
    norm: nn.Module
    query: Tensor
    """(d, QUERY_COLUMNS) float32: the query and columns of zeros."""

    def __call__(self, x: Tensor, order: Tensor) -> Tensor:
        """x (b, l, d), order (s,) -> (b, d) float32."""
        if len(order) == 1:
            return x[:, 0].float()  # its weight is 1
        states = self._states(x, order)  # (b, s, d)
        logits = (self.norm(states).flatten(0, 1) @ self.query)[:, 0].view(len(x), -1)
        weights = torch.zeros(x.shape[:2]).index_add_(1, order, torch.softmax(logits, dim=-1))
        return torch.bmm(weights[:, None].to(x.dtype), x).squeeze(1).float()

    def _states(self, x: Tensor, order: Tensor) -> Tensor:
        """Return the state after each step: (b, s, d) float32."""
        b, kept, d = x.shape
        n = b * kept
        whole = nn.functional.pad(x.reshape(n, d), (0, 0, 0, whole_rows(n) - n))
        inputs = self.inputs(whole)[:n].view(b, kept, 3 * d)
        states, h = torch.empty(len(order), b, d), torch.zeros(b, d)
        for step, place in enumerate(order.tolist()):
            now = inputs[:, place]
            gates = torch.addmm(now[:, : 2 * d], h.to(x.dtype), self.to_gates).float().sigmoid_()
            reset, update = gates.chunk(2, dim=-1)
            candidate = (
                torch.addmm(now[:, 2 * d :], (reset * h).to(x.dtype), self.to_candidate).float().tanh_()
            )
            h = torch.lerp(h, candidate, update, out=states[step])
        return states.transpose(0, 1)


def pack_gru_pool(pool: OrderedPool, dtype: torch.dtype) -> PackedGruPool:
    """Return a pooling packed in a number format, from its modules in float32."""
    assert isinstance(pool.temporal_context, ResetFirstGru)
    cell = pool.temporal_context.gru_cell
    to_gates, to_candidate = cell.recurrent()
    inputs = pack(
        torch.cat([cell.W_ir.weight, cell.W_iz.weight, cell.W_ih.weight]),
        torch.cat([cell.b_r, cell.b_z, cell.b_h]),
        dtype,
    )
    gates, candidate = (matrix.detach().contiguous().to(dtype) for matrix in (to_gates, to_candidate))
    return PackedGruPool(inputs, gates, candidate, pool.layer_norm, padded_query(pool.query))
