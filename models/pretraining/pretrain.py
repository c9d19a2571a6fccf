"""Pretraining: our own small student, taught by Barlow Twins on random subsets of each pixel's season.

Two views of one pixel-year are two random subsets of its observations, of random size, sometimes without
radar; nothing else is done to them. What both views share is the pixel in that season: its species, its
canopy and its condition. What they do not share is which days happened to be clear, and that the student
learns to forget. Batches mix all places and years, so what differs between years at one place is worth
encoding.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.cards import card_text
from models.encoders.card import D_PIXELS, NUMERICS, EncoderCard, Normalisation, TrainingRecord
from models.encoders.configs import StudentConfig
from models.encoders.inputs.dpixels import DPixels, radar_observed
from models.encoders.networks.tessera_v2 import Student
from models.pretraining.barlow import barlow_twins_loss, effective_rank, mean_cosine, projector
from models.pretraining.loss_curve import loss_curve_svg
from models.pretraining.views import PixelYears, gather, training_statistics
from monitoring.errors import ModelError

Progress = Callable[[int, int], None]

#: 0.85 MB of weights: width 64, two layers.
SMALL_STUDENT = StudentConfig(latent_dim=16, num_layers=2, nhead=4, dim_feedforward=128)


@dataclass(frozen=True)
class PretrainConfig:
    """Every choice of the recipe; its hash is in the card."""

    id: str = "underwood-student-1"
    student: StudentConfig = SMALL_STUDENT
    seed: int = 1
    steps: int = 2000
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    least_share: float = 0.35
    """Smallest share of the observations in a view."""
    radar_dropped: float = 0.1
    """Chance that a view has no radar."""
    projector_width: int = 256
    off_diagonal_weight: float = 0.01
    max_pixel_years: int = 200_000
    held_out: int = 4096
    """Pixel-years kept from training, for the figures in the card."""
    min_s2: int = 2
    """Clear optical observations a pixel-year needs to teach anything."""
    noted_every: int = 50
    threads: int = 1
    """Of torch: one gives the same weights whatever the number of cores."""

    @property
    def text(self) -> str:
        """The recipe as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


@dataclass(frozen=True)
class PretrainResult:
    """A pretrained student on disk."""

    card: EncoderCard
    weights: Path
    card_path: Path


def pretrain(
    pixels: Sequence[DPixels],
    config: PretrainConfig,
    directory: Path,
    *,
    source: str,
    domain: str,
    progress: Progress | None = None,
) -> PretrainResult:
    """Pretrain a student on pixel-years and write weights, card and loss curve into `directory`.

    One DPixels is one place in one season. `source` names where the scenes came from, the only source the
    card will allow; `domain` says in a sentence what the student knows. The same pixels and recipe give the
    same bytes on one kind of processor.
    """
    rows = _usable(pixels, config)
    statistics = training_statistics(pixels)
    held_out = gather(pixels, statistics, rows[: config.held_out])
    training = gather(pixels, statistics, rows[config.held_out :])
    with _threads(config.threads):
        student, curve = train_student(training, config, progress)
    record = _record(student, held_out, len(training), curve, config)
    return _write(student, directory, _card(config, statistics, record, source, domain))


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Let torch use n threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _usable(pixels: Sequence[DPixels], config: PretrainConfig) -> NDArray[np.int64]:
    """Return numbers of pixel-years with enough observations, shuffled and cut to the recipe's size."""
    enough = [(tile.clear.sum(axis=0) >= config.min_s2) & _has_radar(tile) for tile in pixels]
    rows = np.flatnonzero(np.concatenate(enough)) if enough else np.zeros(0, np.int64)
    needed = config.held_out + config.batch
    if len(rows) < needed:
        raise ModelError(f"pretraining needs {needed} pixel-years with observations, found {len(rows)}")
    return np.random.default_rng(config.seed).permutation(rows)[: config.max_pixel_years + config.held_out]


def _has_radar(tile: DPixels) -> NDArray[np.bool_]:
    both = np.concatenate([tile.sar_ascending, tile.sar_descending])
    return np.asarray(radar_observed(both).any(axis=0))


def train_student(
    training: PixelYears, config: PretrainConfig, progress: Progress | None = None
) -> tuple[Student, tuple[tuple[int, float], ...]]:
    """Return the trained student and its loss curve, (step, mean loss since the last noted step) pairs."""
    torch.manual_seed(config.seed)
    random = np.random.default_rng([config.seed, 1])
    student = Student(config.student).eval()  # dropout stays off: the subsets are the only augmentation
    project = projector(config.student.repr_dim, config.projector_width)
    optimiser, schedule = _optimiser([*student.parameters(), *project.parameters()], config)
    curve, losses = [], []
    for step in range(1, config.steps + 1):
        rows = random.integers(0, len(training), config.batch)
        loss = _loss(student, project, training, rows, config, random)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % config.noted_every == 0:
            curve.append((step, float(np.mean(losses))))
            losses.clear()
            if progress is not None:
                progress(step, config.steps)
    return student.requires_grad_(False), tuple(curve)


def _optimiser(
    parameters: list[nn.Parameter], config: PretrainConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return AdamW with a linear warm-up and a cosine down to zero."""
    warmup = max(int(config.steps * config.warmup_share), 1)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(config.steps - warmup, 1)))

    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _loss(
    student: Student,
    project: nn.Module,
    training: PixelYears,
    rows: NDArray[np.int64],
    config: PretrainConfig,
    random: np.random.Generator,
) -> Tensor:
    first, second = (embed_view(student, training, rows, config, random) for _ in range(2))
    return barlow_twins_loss(project(first), project(second), config.off_diagonal_weight)


def embed_view(
    student: Student,
    years: PixelYears,
    rows: NDArray[np.int64],
    config: PretrainConfig,
    random: np.random.Generator,
) -> Tensor:
    """Return embeddings (b, D) of one random view of some pixel-years."""
    s2 = years.s2.view(rows, years.s2.random_size(rows, config.least_share, random), random)
    radar_size = years.s1.random_size(rows, config.least_share, random)
    radar_size[random.random(len(rows)) < config.radar_dropped] = 0
    embedded: Tensor = student(s2, years.s1.view(rows, radar_size, random))
    return embedded


@torch.inference_mode()
def _record(
    student: Student,
    held_out: PixelYears,
    n_training: int,
    curve: tuple[tuple[int, float], ...],
    config: PretrainConfig,
) -> TrainingRecord:
    random, rows = np.random.default_rng([config.seed, 2]), np.arange(len(held_out))
    whole = student(
        held_out.s2.view(rows, held_out.s2.count, None), held_out.s1.view(rows, held_out.s1.count, None)
    )
    first, second = (embed_view(student, held_out, rows, config, random).numpy() for _ in range(2))
    return TrainingRecord(
        recipe=config.text,
        recipe_sha256=hashlib.sha256(config.text.encode()).hexdigest(),
        seed=config.seed,
        pixel_years=n_training,
        steps=tuple(step for step, _ in curve),
        loss=tuple(round(loss, 5) for _, loss in curve),
        effective_rank=round(effective_rank(whole.numpy()), 2),
        subset_cosine=round(mean_cosine(first, second), 4),
    )


def _card(
    config: PretrainConfig, statistics: Normalisation, record: TrainingRecord, source: str, domain: str
) -> EncoderCard:
    """Return the card of a student of ours, its weights not yet pinned."""
    return EncoderCard(
        id=config.id,
        architecture="tessera-v2-student",
        config=config.student,
        dims=config.student.repr_dim,
        prefixes=(),
        input=D_PIXELS,
        selection="v2",
        repository="",
        revision="",
        file=f"{config.id}.safetensors",
        weights_sha256="",
        bytes=0,
        licence="Apache-2.0",
        pinned_by="the recipe that wrote the weights",
        numerics=NUMERICS,
        normalisation=statistics,
        clear_rule="SCL not in {0,1,2,3,8,9} and all ten bands > 0; first clear scene of each calendar date",
        radar_rule="trunc(clip((20 log10(gamma0 power) + 50) * 200, 0, 32767)); NaN or power <= 0 is missing",
        offset_rule="reflectance x 10000 with the baseline's offset subtracted; 0 = missing",
        allowed_sources=(source,),
        training_domain=domain,
        training=record,
    )


def _write(student: Student, directory: Path, unpinned: EncoderCard) -> PretrainResult:
    """Write weights, card and loss curve; the card pins the weights it is written with."""
    directory.mkdir(parents=True, exist_ok=True)
    content = safetensors.torch.save({key: value.contiguous() for key, value in student.state_dict().items()})
    digest = hashlib.sha256(content).hexdigest()
    card = dataclasses.replace(unpinned, weights_sha256=digest, bytes=len(content))
    weights, card_path = directory / card.file, directory / f"{card.id}.json"
    weights.write_bytes(content)
    card_path.write_text(card_text(card), "utf-8")
    if card.training is not None:
        (directory / f"{card.id}.svg").write_text(loss_curve_svg(card.training), "utf-8")
    return PretrainResult(card, weights, card_path)
