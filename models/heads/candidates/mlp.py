"""A deep ensemble: small networks, each of which gives a mean and a variance (Lakshminarayanan et al. 2017).

Labels are few and embeddings long, so the networks are kept from learning samples by heart: noise is added
to the inputs, pairs of samples are mixed (mixup, Zhang et al. 2018), weights decay, and what is kept is a
running average of the weights (Polyak & Juditsky 1992). How strongly, and for how many steps, is chosen by
inner folds of whole groups. All networks of a fit are trained side by side, as one batched product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice, pairwise, product
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from models.heads.candidates.contract import Z_90, Array, Candidate, Groups, Latent, Spread, Training
from models.heads.candidates.tuning import inner_folds, least_variance

Parameters = list[torch.Tensor]

MEMBERS = 5
#: Units of each hidden layer.
HIDDEN = (64, 64)
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-2
#: Steps between two looks at the inner folds, and how many looks there are: 1,500 steps at most.
LOOK_EVERY, LOOKS = 150, 10
#: Rows of a step: a 25th of all, within these bounds; so the time of a fit hardly depends on their number.
LEAST_ROWS, MOST_ROWS, STEPS_PER_PASS = 16, 256, 25
#: Share of the running average of the weights that a step keeps, once there have been enough.
KEPT = 0.99
#: Weight of a sample in the loss is its variance to this power: steadier than the likelihood alone, whose
#: power is 0 (Seitzer et al. 2022, beta-NLL, who recommend 0.5).
BETA = 0.5
#: Bounds of the logarithm of a variance, that of the target being 1.
LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -6.0, 4.0
#: Initial weights of the last layer are this much smaller, so that every network starts at the mean.
TIMID = 0.1
#: Columns that vary less than this are constant: what is left is rounding.
LEAST_SD = 1e-9


@dataclass(frozen=True)
class Form:
    """How strongly a network is kept from learning samples by heart."""

    noise: float
    """Sd of the noise on the standardised inputs."""
    mixing: float
    """Largest share of a second sample that is mixed into a sample; 0 to 1."""


FORMS = (Form(0.1, 0.0), Form(0.1, 1.0), Form(0.5, 1.0))


class MlpEnsemble(nn.Module):
    """M networks of L layers over K = D + E inputs.

    Buffers: center, scale (K,) of the inputs; weight_0 .. weight_{L-1} (M, in, out); bias_0 .. (M, 1, out);
    latent_center, latent_scale () of the target; stretch () of what the networks give as
    variance, from inner folds; least () variance of a prediction, squared unit of the target.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)
        self._layers = range(sum(name.startswith("weight_") for name in tensors))

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return the mean and variance of an equal mixture of the members, and its normal 90 % interval."""
        means, log_variances = _outputs(self._parameters_in_order(), self._standardised(embeddings, effort))
        mean, disagreement = means.mean(dim=0), means.var(dim=0, correction=0)
        center, scale = self._of("latent_center"), self._of("latent_scale")
        stated = self._of("stretch") * log_variances.exp().mean(dim=0)
        variance = (scale**2 * (stated + disagreement)).clamp(min=self._of("least"))
        mean, half = center + scale * mean, Z_90 * variance.sqrt()
        return Latent(mean, variance, mean - half, mean + half)

    def _standardised(self, embeddings: torch.Tensor, effort: torch.Tensor) -> torch.Tensor:
        inputs = torch.cat([embeddings, effort], dim=1)
        return ((inputs - self._of("center")) / self._of("scale")).to(self._of("scale").dtype)

    def _parameters_in_order(self) -> Parameters:
        return [self._of(f"{kind}_{layer}") for layer in self._layers for kind in ("weight", "bias")]

    def _of(self, name: str) -> torch.Tensor:
        return self.get_buffer(name)


def restore(tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return the ensemble of a `state_dict`; KeyError or ValueError where it is not one."""
    n_layers = sum(name.startswith("weight_") for name in tensors)
    expected = {f"{kind}_{layer}" for kind in ("weight", "bias") for layer in range(n_layers)} | _SCALES
    if not n_layers or set(tensors) != expected:
        raise KeyError(f"mlp: holds {', '.join(sorted(tensors)) or 'nothing'}")
    _refuse_shapes(tensors, n_layers)
    return MlpEnsemble(tensors)


_SCALES = {"center", "scale", "latent_center", "latent_scale", "stretch", "least"}


def _refuse_shapes(tensors: Mapping[str, torch.Tensor], n_layers: int) -> None:
    """ValueError where a tensor does not fit those before it."""
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(_SCALES, ())
    expected |= dict.fromkeys(("center", "scale"), tensors["center"].shape)
    n_members, inward = tensors["weight_0"].shape[:1].numel(), tensors["center"].numel()
    for layer in range(n_layers):
        outward = 2 if layer == n_layers - 1 else tensors[f"bias_{layer}"].numel() // max(n_members, 1)
        expected[f"weight_{layer}"] = (n_members, inward, outward)
        expected[f"bias_{layer}"] = (n_members, 1, outward)
        inward = outward
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ValueError(f"mlp: {name} {tuple(tensors[name].shape)}: must be {tuple(shape)}")


def fit(training: Training, seed: int) -> nn.Module:
    """Return the ensemble fitted to all rows, its form and number of steps chosen by inner folds."""
    scales, rows = _standardised(training)
    chosen = _chosen_by_folds(rows, training.group, seed)
    lot = _Lot.of([chosen.form] * MEMBERS, [rows.weight] * MEMBERS)
    # Another stream than the inner folds' own: their networks are not to be these networks.
    parameters = _after(chosen.looks, _trained(rows, lot, seed + 1))
    kinds = [f"{kind}_{layer}" for layer in range(len(HIDDEN) + 1) for kind in ("weight", "bias")]
    learnt = {name: each.double() for name, each in zip(kinds, parameters, strict=True)}
    spread = {"stretch": chosen.stretch, "least": least_variance(training.latent)}
    spreads = {name: torch.tensor(value, dtype=torch.float64) for name, value in spread.items()}
    return MlpEnsemble(scales | learnt | spreads)


@dataclass(frozen=True)
class _Rows:
    """n rows on standardised scales."""

    inputs: torch.Tensor
    """(n, K) float32."""
    latent: torch.Tensor
    """(n,) float32."""
    weight: torch.Tensor
    """(n,) float64."""

    @property
    def per_step(self) -> int:
        """How many rows a step sees."""
        return min(MOST_ROWS, max(LEAST_ROWS, len(self.latent) // STEPS_PER_PASS))


def _standardised(training: Training) -> tuple[dict[str, torch.Tensor], _Rows]:
    """Return the scales of inputs and target, and the rows on them."""
    inputs = np.column_stack([training.embeddings, training.effort])
    (center, scale), (z_center, z_scale) = (
        _scale(each, training.weight) for each in (inputs, training.latent)
    )
    named = {"center": center, "scale": scale, "latent_center": z_center, "latent_scale": z_scale}
    rows = _Rows(
        torch.from_numpy((inputs - center) / scale).float(),
        torch.from_numpy(np.asarray((training.latent - z_center) / z_scale)).float(),
        torch.from_numpy(np.ascontiguousarray(training.weight)),
    )
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in named.items()}, rows


def _scale(values: Array, weight: Array) -> tuple[Array, Array]:
    """Return the weighted mean and sd of each column; the sd of a constant column is 1."""
    center = np.average(values, axis=0, weights=weight)
    sd = np.sqrt(np.average((values - center) ** 2, axis=0, weights=weight))
    return center, np.where(sd > LEAST_SD * np.maximum(1, np.abs(center)), sd, 1.0)


@dataclass(frozen=True)
class _Lot:
    """M networks that are trained side by side."""

    noise: torch.Tensor
    """(M, 1, 1)"""
    mixing: torch.Tensor
    """(M, 1)"""
    running: torch.Tensor
    """(M, n) running sum of the weights a network draws rows by; rows it must not see weigh nothing."""

    @staticmethod
    def of(forms: list[Form], weights: list[torch.Tensor]) -> _Lot:
        """Return a lot of one network per form, with its row weights (n,)."""
        noise = torch.tensor([form.noise for form in forms]).reshape(-1, 1, 1)
        mixing = torch.tensor([form.mixing for form in forms]).reshape(-1, 1)
        return _Lot(noise, mixing, torch.stack(weights).cumsum(dim=1))

    def drawn(self, n_rows: int, generator: torch.Generator) -> torch.Tensor:
        """Return row numbers (M, n_rows), drawn with replacement by weight."""
        even = torch.rand(len(self.running), n_rows, generator=generator, dtype=torch.float64)
        return torch.searchsorted(self.running, even * self.running[:, -1:], right=True)


@dataclass(frozen=True)
class _Chosen:
    form: Form
    looks: int
    """Training ends at this look, counted from 1."""
    stretch: float
    """What makes the variance that the networks give the squared error of held-out rows."""


def _chosen_by_folds(rows: _Rows, group: Groups, seed: int) -> _Chosen:
    """Return the form and the length of training with the least squared error on inner held-out rows."""
    folds = inner_folds(group)
    fold = torch.from_numpy(folds.fold)
    tried = list(product(FORMS, range(folds.n_folds)))
    judged = [rows.weight * (fold == number) for _, number in tried]
    lot = _Lot.of([form for form, _ in tried], [rows.weight - weight for weight in judged])
    looks = [_errors(p, rows, torch.stack(judged)) for p in islice(_trained(rows, lot, seed), LOOKS)]
    squared, stated = torch.stack(looks).reshape(len(looks), 2, len(FORMS), -1).sum(dim=-1).unbind(dim=1)
    look, form = divmod(int(squared.argmin()), len(FORMS))
    return _Chosen(FORMS[form], look + 1, float(squared[look, form] / stated[look, form]))


def _errors(parameters: Parameters, rows: _Rows, judged: torch.Tensor) -> torch.Tensor:
    """Return the weighted sums (2, M) of squared error and of stated variance over judged rows (M, n)."""
    mean, log_variance = _outputs(parameters, rows.inputs)
    squared = (mean - rows.latent) ** 2
    return torch.stack([(judged * each).sum(dim=1) for each in (squared, log_variance.exp())])


def _after(looks: int, trained: Iterator[Parameters]) -> Parameters:
    return next(islice(trained, looks - 1, None))


def _trained(rows: _Rows, lot: _Lot, seed: int) -> Iterator[Parameters]:
    """Yield the averaged weights of every network after each LOOK_EVERY steps, without end."""
    generator = torch.Generator().manual_seed(seed)
    parameters = _initial(len(lot.noise), rows.inputs.shape[1], generator)
    average = [each.detach().clone() for each in parameters]
    weights, biases = parameters[0::2], parameters[1::2]
    decaying: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": WEIGHT_DECAY},
        {"params": biases, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(decaying, lr=LEARNING_RATE, foreach=True)
    for step in count(1):
        optimizer.zero_grad()
        _loss(parameters, *_batch(rows, lot, generator)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        kept = min(KEPT, step / (step + 9))
        torch._foreach_lerp_(average, [each.detach() for each in parameters], 1 - kept)
        if step % LOOK_EVERY == 0:
            yield [each.clone() for each in average]


def _initial(n_networks: int, n_inputs: int, generator: torch.Generator) -> Parameters:
    """Return weights (He et al. 2015) and biases, layer by layer."""
    widths = (n_inputs, *HIDDEN, 2)
    parameters = []
    for inward, outward in pairwise(widths):
        sd = (2 / inward) ** 0.5 * (TIMID if outward == 2 else 1)
        parameters.append(sd * torch.randn(n_networks, inward, outward, generator=generator))
        parameters.append(torch.zeros(n_networks, 1, outward))
    return [each.requires_grad_() for each in parameters]


def _batch(rows: _Rows, lot: _Lot, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs (M, rows, K) and targets (M, rows) of a step: drawn, mixed in pairs, made noisy."""
    first, second = (lot.drawn(rows.per_step, generator) for _ in range(2))
    share = lot.mixing * torch.rand(first.shape, generator=generator)
    inputs = torch.lerp(rows.inputs[first], rows.inputs[second], share[..., None])
    noise = lot.noise * torch.randn(inputs.shape, generator=generator)
    return inputs + noise, torch.lerp(rows.latent[first], rows.latent[second], share)


def _loss(parameters: Parameters, inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the summed beta-NLL of the networks; their gradients do not meet."""
    mean, log_variance = _outputs(parameters, inputs)
    variance = log_variance.exp()
    likelihood = ((target - mean) ** 2 / variance + log_variance) / 2
    return (variance.detach() ** BETA * likelihood).mean(dim=1).sum()


def _outputs(parameters: Parameters, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and log variances, each (M, n), for inputs (M, n, K), or (n, K) that all M share."""
    x = inputs.expand(len(parameters[0]), *inputs.shape[-2:])
    *hidden, last = zip(parameters[0::2], parameters[1::2], strict=True)
    for weight, bias in hidden:
        x = silu(torch.baddbmm(bias, x, weight))  # (M, n, width)
    mean, log_variance = torch.baddbmm(last[1], x, last[0]).unbind(dim=2)
    return mean, log_variance.clamp(LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE)


CANDIDATE = Candidate(
    name="mlp",
    words=f"mean of {MEMBERS} networks of {' x '.join(map(str, HIDDEN))} units, each with mean and variance",
    spread=Spread.PREDICTIVE,
    is_fast=True,
    cost_s=3.5,
    fit=fit,
    restore=restore,
)
