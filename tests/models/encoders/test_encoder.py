"""The engine: the same bits in any batch, order and number of threads; honest about what is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.encoders import encoder
from models.encoders.agreement import agreement
from models.encoders.card import EncoderCard, encoder_card, encoder_cards
from models.encoders.configs import StudentConfig, TesseraV1Config
from models.encoders.embeddings import Embeddings, Reason
from models.encoders.encoder import Encoder, has_bf16, load_encoder, refuse_precision
from models.encoders.engine import batches
from models.encoders.engine.batches import halved_when_short
from models.encoders.engine.packed import MIN_ROWS, pack, padded_query
from models.encoders.inputs.dpixels import DPixels
from models.encoders.inputs.sequences import Fill, Group, fill_v1_1, fill_v2, groups_by_count
from models.encoders.networks.tessera_v1 import TesseraV1
from models.encoders.networks.tessera_v2 import Student
from models.encoders.networks.transformer import Tokens
from monitoring.errors import ModelError

#: Small networks of every architecture: the arithmetic is that of the large ones.
SIZES = {
    "v2": StudentConfig(latent_dim=9, num_layers=2, nhead=4, dim_feedforward=40),
    "v2 with QK-norm": StudentConfig(8, 2, 4, 24, enable_qk_norm=True),
    "v1.1": TesseraV1Config(8, 2, 4, 24, 192, "reset-first", "mlp"),
    "v1.0": TesseraV1Config(8, 2, 4, 24, 128, "reset-first", "linear"),
    "v1.0 early": TesseraV1Config(8, 2, 4, 24, 128, "torch", "linear"),
}
CARDS = {
    "v2": "tessera-v2-nano",
    "v2 with QK-norm": "tessera-v2-nano",
    "v1.1": "tessera-v1.1-mpc",
    "v1.0": "tessera-v1.0-qat",
    "v1.0 early": "tessera-v1.0-early",
}
#: Numbers of observations that each have a trap: none, one token, a bin's edge, the cap, above it.
AWKWARD = (0, 1, 3, 7, 8, 9, 40, 255, 256, 257, 300)


def small_encoder(name: str, precision: str = "fp32") -> Encoder:
    config = SIZES[name]
    torch.manual_seed(5)
    network = Student(config) if isinstance(config, StudentConfig) else TesseraV1(config)
    for parameter in network.parameters():  # nothing may be 0 or 1 by chance
        torch.nn.init.normal_(parameter, 0.0, parameter.shape[-1] ** -0.5)
    card = dataclasses.replace(encoder_card(CARDS[name]), config=config)
    return Encoder(card, network.eval().requires_grad_(False), "cpu", precision)


def random_pixels(n: int, seed: int = 0, times: int = 12, radar: int = 5) -> DPixels:
    random = np.random.default_rng(seed)
    sar = random.integers(0, 7000, (2, radar, n, 2)).astype(np.int16)
    sar[random.random((2, radar, n)) < 0.4] = 0
    days = np.sort(random.integers(1, 366, max(times, radar)))
    bands = random.integers(1, 6000, (times, n, 10)).astype(np.uint16)
    clear = random.random((times, n)) < random.random(n)
    return DPixels(bands, clear, days[:times], sar[0], days[:radar], sar[1], days[:radar])


def awkward_pixels() -> DPixels:
    """One pixel for each pair of awkward numbers of optical and radar observations."""
    n = len(AWKWARD) ** 2
    pixels = random_pixels(n, times=300, radar=150)
    s2, s1 = np.repeat(AWKWARD, len(AWKWARD)), np.tile(AWKWARD, len(AWKWARD))
    clear = np.arange(300)[:, None] < s2
    sar = np.maximum(np.concatenate([pixels.sar_ascending, pixels.sar_descending]), 1)
    sar[np.arange(300)[:, None] >= s1] = 0
    return dataclasses.replace(pixels, clear=clear, sar_ascending=sar[:150], sar_descending=sar[150:])


#: Those that run packed on a CPU. No released network has QK-norm; it runs as its module says.
PACKED = [name for name in SIZES if name != "v2 with QK-norm"]


@pytest.fixture(params=SIZES)
def any_encoder(request: pytest.FixtureRequest) -> Encoder:
    return small_encoder(request.param)


@pytest.mark.parametrize("name", PACKED)
def test_memory_chunks_order_and_threads_change_not_one_bit(name: str) -> None:
    any_encoder, pixels = small_encoder(name), random_pixels(80, times=30, radar=20)
    whole = any_encoder.embed(pixels).values
    order = np.random.default_rng(1).permutation(80)
    assert any_encoder.embed(pixels.pixels(order)).values.tobytes() == whole[order].tobytes()
    assert any_encoder.embed(pixels, memory_bytes=200_000).values.tobytes() == whole.tobytes()
    assert any_encoder.embed(pixels.pixels(slice(3, 4))).values.tobytes() == whole[3:4].tobytes()
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert any_encoder.embed(pixels).values.tobytes() == whole.tobytes()
    finally:
        torch.set_num_threads(before)


def released_widths() -> list[int]:
    """Token widths of the packaged encoders of d-pixels: how long a sum is decides which kernel makes it."""
    configs = [card.config for card in encoder_cards()]
    return sorted({each.width for each in configs if isinstance(each, StudentConfig | TesseraV1Config)})


@pytest.mark.parametrize("width", released_widths())
def test_a_row_of_a_product_does_not_depend_on_the_number_of_rows(width: int) -> None:
    """What the engine rests on; where a processor breaks it, this says so and by which product."""
    torch.manual_seed(width)
    fuse, reduce = torch.nn.Linear(2 * width, 4 * width), torch.nn.Linear(4 * width, 128)
    layer, query = torch.nn.Linear(width, 3 * width), padded_query(torch.nn.Linear(width, 1))
    packed, gates = pack(layer.weight, layer.bias, torch.float32), layer.weight.detach().T.contiguous()
    products = {
        "fusion": (fuse, 2 * width),
        "reduction": (reduce, 4 * width),
        "packed": (packed, width),
        "query": (lambda x: (x @ query)[:, 0], width),
        "gates": (lambda x: torch.addmm(layer.bias, x, gates), width),
    }
    with torch.inference_mode():
        for name, (product, length) in products.items():
            rows = torch.randn(300, length)
            whole = product(rows)
            for n in (MIN_ROWS, MIN_ROWS + 1, 23, 64, 100):
                assert torch.equal(product(rows[:n]), whole[:n]), (name, n)


@pytest.fixture(scope="module")
def company() -> tuple[Encoder, DPixels, np.ndarray]:
    """A network, sixty pixels and their embeddings."""
    tiny, pixels = small_encoder("v2"), random_pixels(60)
    return tiny, pixels, tiny.embed(pixels).values


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=60), st.integers(1, 10**6))
def test_a_pixel_is_the_same_in_any_company(
    company: tuple[Encoder, DPixels, np.ndarray], chosen: list[int], memory: int
) -> None:
    tiny, pixels, whole = company
    found = tiny.embed(pixels.pixels(np.array(chosen)), memory_bytes=memory).values
    assert found.tobytes() == whole[chosen].tobytes()


def padded_way(encoder: Encoder, pixels: DPixels, chosen: np.ndarray) -> np.ndarray:
    """The embeddings (C, D) of C pixels as the reference makes them: sequences written out, no packing."""
    statistics = encoder.card.statistics
    frames = [encoder_frames(pixels, statistics, sensor) for sensor in ("optical", "radar")]
    together: dict[tuple[int, ...], list[tuple[int, list[Tokens]]]] = {}
    for place, pixel in enumerate(chosen):
        tokens = [written_out(encoder, sensor, pixel) for sensor in frames]
        together.setdefault(tuple(each.days.shape[1] for each in tokens), []).append((place, tokens))
    found = np.empty((len(chosen), encoder.card.dims), np.float32)
    for alike in together.values():
        s2, s1 = (stacked([tokens[at] for _, tokens in alike]) for at in (0, 1))
        found[[place for place, _ in alike]] = encoder.network(s2, s1)[:, : encoder.card.dims].numpy()
    return found


def stacked(tokens: list[Tokens]) -> Tokens:
    """Sequences of one length as one batch."""
    return Tokens(
        torch.cat([each.values for each in tokens]), torch.cat([each.days for each in tokens]), None
    )


def written_out(
    encoder: Encoder, frames: tuple[torch.Tensor, torch.Tensor, np.ndarray], pixel: int
) -> Tokens:
    """The sequence of one sensor at one pixel as the reference holds it, repeats and all."""
    values, days, valid = frames
    seen = np.flatnonzero(valid[pixel])
    how = (fill_v2 if encoder.card.selection == "v2" else fill_v1_1)(len(seen))
    if not len(seen):
        steps = len(how.order)
        return Tokens(torch.zeros(1, steps, values.shape[-1]), torch.zeros(1, steps).long(), None)
    at = seen[how.kept[how.order.numpy()]]
    return Tokens(values[at, pixel][None], days[at][None], None)


def encoder_frames(
    pixels: DPixels, statistics: object, sensor: str
) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    frames = getattr(encoder, sensor)(pixels, statistics)
    raw = frames.values.numpy().astype(np.int64) & (0xFFFF if frames.unsigned else -1)
    values = (torch.from_numpy(raw).float() - frames.mean[:, None]) / (frames.std[:, None] + 1e-9)
    return values, frames.days, frames.valid


@pytest.mark.parametrize("name", ["v2", "v2 with QK-norm", "v1.1"])
def test_unique_tokens_are_exact_at_every_awkward_number_of_observations(name: str) -> None:
    tiny, pixels = small_encoder(name), awkward_pixels()
    found = tiny.embed(pixels)
    assert found.reason[0] == Reason.NO_OBSERVATION
    assert np.isnan(found.values[0]).all()
    expected = padded_way(tiny, pixels, np.arange(1, pixels.n_pixels))
    np.testing.assert_allclose(found.values[1:], expected, atol=2e-5)


def test_scores_far_beyond_the_range_of_exp_stay_exact() -> None:
    tiny, pixels = small_encoder("v2"), random_pixels(20)
    for backbone in (tiny.network.s2_backbone, tiny.network.s1_backbone):
        backbone.transformer_encoder.layers[0].self_attn.in_proj_weight.mul_(40)  # type: ignore[union-attr, index]
    found = tiny.embed(pixels)
    seen = np.flatnonzero(found.reason == Reason.EMBEDDED)
    np.testing.assert_allclose(found.values[seen], padded_way(tiny, pixels, seen), atol=2e-5)


def test_the_same_pixels_give_the_same_bytes(any_encoder: Encoder) -> None:
    first, again = (any_encoder.embed(random_pixels(40)).values.tobytes() for _ in range(2))
    assert first == again


def test_repeated_days_are_observations_of_their_own() -> None:
    tiny, pixels = small_encoder("v2"), random_pixels(5)
    same_day = dataclasses.replace(pixels, doys=np.full_like(pixels.doys, 100))
    found = tiny.embed(same_day)
    seen = np.flatnonzero(found.reason == Reason.EMBEDDED)
    np.testing.assert_allclose(found.values[seen], padded_way(tiny, same_day, seen), atol=2e-5)


def test_what_lies_under_cloud_never_reaches_the_embedding() -> None:
    tiny, pixels = small_encoder("v2"), random_pixels(30)
    clouded = pixels.bands.copy()
    clouded[~pixels.clear] = 65535
    spoilt = dataclasses.replace(pixels, bands=clouded)
    np.testing.assert_array_equal(tiny.embed(spoilt).values, tiny.embed(pixels).values)


def test_a_pixel_never_observed_is_missing_and_its_neighbour_is_not(any_encoder: Encoder) -> None:
    pixels = random_pixels(2)
    sar = pixels.sar_ascending.copy(), pixels.sar_descending.copy()
    clear = pixels.clear.copy()
    clear[:, 0], clear[0, 1] = False, True
    for orbit in sar:
        orbit[:, 0] = 0
    found = any_encoder.embed(
        dataclasses.replace(pixels, clear=clear, sar_ascending=sar[0], sar_descending=sar[1])
    )
    assert np.isnan(found.values[0]).all()
    assert np.isfinite(found.values[1]).all()
    assert found.reason.tolist() == [Reason.NO_OBSERVATION, Reason.EMBEDDED]


@pytest.mark.parametrize("times", [0, 12])
@pytest.mark.parametrize("radar", [0, 5])
def test_a_sensor_without_any_scene_leaves_no_hole(any_encoder: Encoder, times: int, radar: int) -> None:
    found = any_encoder.embed(random_pixels(9, times=times, radar=radar))
    assert (np.isnan(found.values).all(axis=1) == (found.reason == Reason.NO_OBSERVATION)).all()
    assert np.isfinite(found.values[found.reason == Reason.EMBEDDED]).all()
    assert (found.reason == Reason.EMBEDDED).any() == bool(times or radar)


@pytest.mark.parametrize("name", PACKED)
def test_an_observed_pixel_that_comes_out_as_no_number_is_an_error_not_a_gap(name: str) -> None:
    overflowing = small_encoder(name)
    overflowing.network.dim_reducer[0].weight.fill_(3e38)  # type: ignore[operator, union-attr]
    with pytest.raises(ModelError, match=r"\d+ observed pixels, the first of them pixel \d+, came out as no"):
        overflowing.embed(random_pixels(20))


def test_no_pixels_give_no_embeddings(any_encoder: Encoder) -> None:
    assert any_encoder.embed(random_pixels(0)).values.shape == (0, 128)


def test_progress_rises_to_the_number_of_pixels() -> None:
    seen: list[tuple[int, int]] = []
    small_encoder("v2").embed(random_pixels(7), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (7, 7)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_stream_begun_later_gives_the_rest_of_the_same_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "LEAST_CHUNK", 16)
    monkeypatch.setattr(encoder, "CHUNK_OPERATIONS", 1.0)
    tiny, pixels = small_encoder("v2"), random_pixels(50)
    whole = tiny.embed(pixels).values
    parts = list(tiny.stream(pixels, start=32))
    assert [part for part, _ in parts] == [slice(32, 48), slice(48, 50)]
    found = np.concatenate([embedded.values for _, embedded in parts])
    assert found.tobytes() == whole[32:].tobytes()


@pytest.mark.skipif(not has_bf16(), reason="this CPU has no bfloat16 arithmetic")
@pytest.mark.parametrize(
    "name", [name if name in ("v2", "v1.1") else pytest.param(name, marks=pytest.mark.slow) for name in SIZES]
)
def test_bf16_stays_within_its_bounds_of_fp32(name: str) -> None:
    pixels = random_pixels(100, times=30, radar=20)
    exact, fast = (small_encoder(name, precision).embed(pixels).values for precision in ("fp32", "bf16"))
    found = agreement(exact, fast)
    assert found.cosine >= 0.9995
    assert found.codes_within_one >= 0.97
    assert found.largest_difference > 0, "bf16 was not used"


@pytest.mark.skipif(not has_bf16(), reason="this CPU has no bfloat16 arithmetic")
def test_bf16_that_disagrees_with_fp32_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = small_encoder("v2", "bf16")
    pooling = spoilt._poolings[0]
    monkeypatch.setitem(
        spoilt.__dict__, "_poolings", (lambda *args: pooling(*args) + 0.3, spoilt._poolings[1])
    )
    with pytest.raises(ModelError, match=r"in bf16: cosine to fp32 .* use fp32"):
        spoilt.embed(random_pixels(20))


@pytest.mark.skipif(has_bf16(), reason="this CPU has bfloat16 arithmetic")
def test_bf16_is_refused_on_a_cpu_without_it() -> None:
    with pytest.raises(ModelError, match="neither AVX512-BF16 nor AMX"):
        refuse_precision("bf16", "cpu")


@pytest.mark.parametrize(
    "shortage",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_where_memory_is_short_batches_are_halved_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, shortage: Exception
) -> None:
    tiny, pixels = small_encoder("v2"), random_pixels(64)
    expected = tiny.embed(pixels).values
    roomy = batches.gather

    def cramped(frames: object, group: Group) -> object:
        if len(group.rows) > MIN_ROWS:
            raise shortage
        return roomy(frames, group)  # type: ignore[arg-type]

    monkeypatch.setattr(batches, "gather", cramped)
    assert tiny.embed(pixels).values.tobytes() == expected.tobytes()


def test_a_single_pixel_that_does_not_fit_is_said_so() -> None:
    group = Group(np.arange(1), None, fill_v2(0))

    def never(part: Group) -> None:
        raise MemoryError

    with pytest.raises(ModelError, match="one pixel of 1 observations does not fit in memory"):
        halved_when_short(group, never)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(part: Group) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        halved_when_short(Group(np.arange(2), None, fill_v2(0)), broken)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_groups_hold_every_pixel_once_with_its_own_observations(n: int, times: int, seed: int) -> None:
    valid = np.random.default_rng(seed).random((n, times)) < 0.5
    groups = list(groups_by_count(valid, fill_v2))
    assert sorted(row for group in groups for row in group.rows) == list(range(n))
    for group in groups:
        for place, row in enumerate(group.rows):
            expected = np.flatnonzero(valid[row])
            assert (group.times is None) == (len(expected) == 0)
            if group.times is not None:
                assert group.times[place].tolist() == expected.tolist()


@given(st.integers(0, 400), st.sampled_from([fill_v2, fill_v1_1]))
def test_a_fill_counts_each_kept_observation_as_often_as_it_stands_in_order(
    n: int, rule: Iterator[Fill]
) -> None:
    fill = rule(n)  # type: ignore[operator]
    repeats = np.bincount(fill.order.numpy(), minlength=len(fill.kept))
    stated = np.ones(len(fill.kept)) if fill.multiplicity is None else fill.multiplicity.numpy()
    assert repeats.tolist() == stated.tolist()
    assert (np.diff(fill.kept) > 0).all()


def tiny_card() -> EncoderCard:
    return encoder_card("tessera-v2-nano")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"device": "tpu"}, "device 'tpu'"), ({"precision": "fp8"}, "precision 'fp8'")],
)
def test_an_unknown_device_or_precision_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_encoder(tiny_card(), **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_refused_where_there_is_none() -> None:
    with pytest.raises(ModelError, match="device 'cuda'"):
        load_encoder(tiny_card(), device="cuda")


def test_a_card_whose_input_is_not_d_pixels_is_refused() -> None:
    with pytest.raises(ModelError, match="takes presto, not d-pixels"):
        load_encoder(dataclasses.replace(tiny_card(), input="presto"))


def on_cuda(name: str, precision: str) -> Embeddings:
    there = small_encoder(name, precision)
    return dataclasses.replace(there, network=there.network.to("cuda"), device="cuda").embed(
        random_pixels(200, times=40, radar=30)
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("precision", "bound"), [("fp32", 0.9999), ("bf16", 0.9995)])
def test_a_cuda_device_agrees_with_the_cpu(name: str, precision: str, bound: float) -> None:
    here = small_encoder(name).embed(random_pixels(200, times=40, radar=30)).values
    assert agreement(here, on_cuda(name, precision).values).cosine >= bound
