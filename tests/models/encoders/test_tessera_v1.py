"""TESSERA v1.1 and v1.0 against the golden vectors of the reference, and the exactness of our shortcut."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file

from models.encoders.card import EncoderCard, encoder_card
from models.encoders.configs import TesseraV1Config
from models.encoders.embeddings import Reason
from models.encoders.encoder import Encoder
from models.encoders.inputs import sequences
from models.encoders.inputs.dpixels import DPixels, radar_observed
from models.encoders.inputs.selection import NO_STEP, Selection, bin_size, reference_draws, select_in_order
from models.encoders.networks.tessera_v1 import ResetFirstGru, TesseraV1, TorchGru
from models.encoders.networks.transformer import Tokens
from models.encoders.quantise import quantise
from monitoring.errors import CardMismatchError, ModelError

#: Largest difference and smallest cosine the golden vectors' README calls equal in float32.
GATE, COSINE = 2e-5, 0.999999
#: Seed of numpy's legacy generator with which the reference embedded the golden tile (v1.0 QAT).
NUMPY_SEED = 12345
#: The pixel of the golden tile that nothing ever observed.
EMPTY = 5


@dataclass(frozen=True)
class Golden:
    """One folder of golden vectors."""

    folder: str
    config: TesseraV1Config
    weights: str
    vectors: str
    embedding: str
    keys: str


GOLDEN = {
    "v1.1": Golden(
        "tessera_v1_1", TesseraV1Config(24, 4, 4, 160, 192, "reset-first", "mlp"),
        "v1_1_random_reduced", "v1_1_model_level", "embedding192", "v1_1_full_keys",
    ),
    "v1.0-qat": Golden(
        "tessera_v1_0_qat", TesseraV1Config(16, 4, 4, 128, 16, "reset-first", "linear"),
        "random_reduced", "model_level", "embedding", "full_keys",
    ),
    "v1.0-early": Golden(
        "tessera_v1_0_early", TesseraV1Config(16, 8, 8, 128, 16, "torch", "linear"),
        "random_reduced", "model_level", "embedding", "full_keys",
    ),
}  # fmt: skip
CARDS = {
    "tessera-v1.1-mpc": "v1.1",
    "tessera-v1.1-aws": "v1.1",
    "tessera-v1.0-qat": "v1.0-qat",
    "tessera-v1.0-early": "v1.0-early",
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden"


def golden_network(golden: Path, name: str) -> TesseraV1:
    chosen = GOLDEN[name]
    network = TesseraV1(chosen.config).eval().requires_grad_(False)
    network.load_state_dict(load_file(golden / chosen.folder / f"{chosen.weights}.safetensors"), strict=True)
    return network


def as_published(x: NDArray[np.float32]) -> Tokens:
    """Published sequences carry the day of year in the last channel and repeat what fills them."""
    return Tokens(torch.from_numpy(x[..., :-1].copy()), torch.from_numpy(x[..., -1].astype(np.int64)), None)


def refuse_difference(found: NDArray[np.float32], expected: NDArray[np.float32], what: str) -> None:
    assert np.abs(found - expected).max() <= GATE, what
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    assert ((found * expected).sum(axis=-1) / norms).min() >= COSINE, what


@pytest.mark.parametrize("name", GOLDEN)
def test_pooled_vectors_and_embeddings_equal_the_reference(golden: Path, name: str) -> None:
    """Among them sequences of one step, and one observation repeated forty times."""
    chosen, network = GOLDEN[name], golden_network(golden, name)
    expected = np.load(golden / chosen.folder / f"{chosen.vectors}.npz")
    tags = sorted({key.split("/")[0] for key in expected} - {"trace"})
    assert "t1_t1" in tags
    assert len(tags) >= 3
    for tag in tags:
        s2 = network.s2_backbone(as_published(expected[f"{tag}/s2_x"]))
        s1 = network.s1_backbone(as_published(expected[f"{tag}/s1_x"]))
        parts = ((s2, "s2_pooled"), (s1, "s1_pooled"), (network.fuse(s2, s1), chosen.embedding))
        for found, key in parts:
            refuse_difference(found.numpy(), expected[f"{tag}/{key}"], f"{tag} {key}")


def test_every_step_of_a_backbone_equals_the_reference(golden: Path) -> None:
    expected = np.load(golden / "tessera_v1_1/v1_1_model_level.npz")
    backbone = golden_network(golden, "v1.1").s2_backbone
    tokens, pool = as_published(expected["trace/s2_x"]), backbone.attn_pool
    encoded = backbone.encode(tokens)
    states = pool.temporal_context(encoded, None)
    found = {
        "band_embedding": backbone.embedding(tokens.values),
        "doy_encoding": backbone.days[tokens.days],
        "transformer_out": encoded,
        "gru_out": states,
        "gru_layernorm": pool.layer_norm(states),
        "pool_score": pool.query(pool.layer_norm(states)),
        "pooled": backbone.pool(encoded),
    }
    for step, tensor in found.items():
        difference = np.abs(tensor.numpy() - expected[f"trace/{step}"]).max()
        assert difference <= GATE, f"{step}: {difference}"


@pytest.mark.parametrize("card", CARDS)
def test_parameter_names_and_shapes_are_those_of_the_published_checkpoints(golden: Path, card: str) -> None:
    chosen = GOLDEN[CARDS[card]]
    published = json.loads((golden / chosen.folder / f"{chosen.keys}.json").read_text())
    config = encoder_card(card).config
    assert isinstance(config, TesseraV1Config)
    with torch.device("meta"):
        state = TesseraV1(config).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == published["keys"]
    assert sum(tensor.numel() for tensor in state.values()) == published["parameters"]


@dataclass(frozen=True)
class Series:
    """What one sensor measured at N pixels, standardised."""

    values: NDArray[np.float32]
    """(N, T, C)."""
    days: NDArray[np.int64]
    """(T,)."""
    valid: NDArray[np.bool_]
    """(N, T)."""


def standardised(pixels: DPixels, card: EncoderCard) -> tuple[Series, Series]:
    """Return both sensors' series as the card's statistics make them: ascending radar, then descending."""
    by = card.statistics
    asc = standard_scores(pixels.sar_ascending, by.s1_ascending_mean, by.s1_ascending_std)
    desc = standard_scores(pixels.sar_descending, by.s1_descending_mean, by.s1_descending_std)
    sar = np.concatenate([pixels.sar_ascending, pixels.sar_descending])
    days = np.concatenate([pixels.sar_ascending_doys, pixels.sar_descending_doys])
    return (
        Series(standard_scores(pixels.bands, by.s2_mean, by.s2_std), pixels.doys, pixels.clear.T),
        Series(np.concatenate([asc, desc], axis=1), days, radar_observed(sar).T),
    )


def standard_scores(
    raw: NDArray[np.uint16] | NDArray[np.int16], mean: tuple[float, ...], std: tuple[float, ...]
) -> NDArray[np.float32]:
    """Return (N, T, C) from raw values (T, N, C)."""
    centred = np.moveaxis(raw, 0, 1).astype(np.float32) - np.array(mean, np.float32)
    return centred / (np.array(std, np.float32) + np.float32(1e-9))


def each_once(series: Series, selection: Selection) -> tuple[Tokens, torch.Tensor]:
    """Return the tokens of N pixels, every kept observation once, and the order they are read in."""
    values = np.take_along_axis(series.values, selection.index[..., None], axis=1)
    days = series.days[selection.index]
    values[selection.count == 0], days[selection.count == 0] = 0, 0
    with np.errstate(divide="ignore"):
        bias = torch.from_numpy(np.log(selection.multiplicity.astype(np.float32)))
    assert selection.order is not None
    order = torch.from_numpy(selection.order.astype(np.int64))
    return Tokens(torch.from_numpy(values), torch.from_numpy(days), bias), order


def written_out(series: Series, selection: Selection, pixel: int) -> Tokens:
    """Return the sequence of one pixel as the reference holds it, repeats and all."""
    assert selection.order is not None
    order = selection.order[pixel]
    times = selection.index[pixel, order[order != NO_STEP]]
    values, days = series.values[[pixel], times[:, None].T], series.days[times][None].copy()
    if not selection.count[pixel]:
        values, days = np.zeros_like(values), np.zeros_like(days)
    return Tokens(torch.from_numpy(values), torch.from_numpy(days), None)


Selected = tuple[tuple[Series, Selection], tuple[Series, Selection]]


def selected(s2: Series, s1: Series, rule: Callable[[NDArray[np.bool_]], Selection]) -> Selected:
    return (s2, rule(s2.valid)), (s1, rule(s1.valid))


@torch.inference_mode()
def embed_each_once(network: TesseraV1, sensors: Selected) -> NDArray[np.float32]:
    (s2, s2_order), (s1, s1_order) = (each_once(*sensor) for sensor in sensors)
    found: NDArray[np.float32] = network(s2, s1, s2_order, s1_order).numpy()
    return found


@torch.inference_mode()
def embed_written_out(network: TesseraV1, sensors: Selected) -> NDArray[np.float32]:
    s2, s1 = sensors
    rows = [network(written_out(*s2, i), written_out(*s1, i)) for i in range(len(s2[0].values))]
    found: NDArray[np.float32] = torch.cat(rows).numpy()
    return found


PATHS = (embed_each_once, embed_written_out)


@pytest.fixture(scope="module")
def tile(golden: Path) -> DPixels:
    """The golden tile, 4 x 5 pixels, each with an awkward role."""
    with np.load(golden / "tessera_v1_1/tile_input.npz") as stored:
        arrays = dict(stored)
    flat = {key: value.reshape(len(value), 20, *value.shape[3:]) for key, value in arrays.items()
            if value.ndim > 1}  # fmt: skip
    days = {key: value.astype(np.int64) for key, value in arrays.items() if value.ndim == 1}
    return DPixels(
        flat["bands"], flat["masks"].astype(bool), days["doys"],
        flat["sar_ascending"], days["sar_ascending_doy"], flat["sar_descending"], days["sar_descending_doy"],
    )  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("source", ["mpc", "aws"])
def test_the_golden_tile_embeds_to_the_reference_of_v1_1(
    golden: Path, tile: DPixels, source: str, path: Callable[..., NDArray[np.float32]]
) -> None:
    """Even the empty pixel, whose embedding means nothing: here the network is made to give it one."""
    expected = np.load(golden / "tessera_v1_1/v1_1_tile_level.npz")
    sensors = selected(*standardised(tile, encoder_card(f"tessera-v1.1-{source}")), select_in_order)
    steps = [(selection.order != NO_STEP).sum(axis=1) for _, selection in sensors]
    np.testing.assert_array_equal(np.stack(steps, axis=1), expected[f"{source}/bins_s2_s1"].reshape(20, 2))
    assert np.flatnonzero(sensors[0][1].empty & sensors[1][1].empty).tolist() == [EMPTY]
    found = path(golden_network(golden, "v1.1"), sensors)
    refuse_difference(found, expected[f"{source}/embedding192"].reshape(20, 192), source)
    codes, scales = quantise(found[:, :128], "v1.1")
    refuse_other_codes(codes, expected[f"{source}/int8_128"].reshape(20, 128))
    np.testing.assert_allclose(scales, expected[f"{source}/scales"].ravel(), rtol=1e-5)


def refuse_other_codes(codes: NDArray[np.int8], expected: NDArray[np.int8]) -> None:
    off = np.abs(codes.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() <= 0.001


def test_the_statistics_of_one_checkpoint_do_not_fit_the_other(golden: Path, tile: DPixels) -> None:
    expected = np.load(golden / "tessera_v1_1/v1_1_tile_level.npz")["mpc/embedding192"].reshape(20, 192)
    sensors = selected(*standardised(tile, encoder_card("tessera-v1.1-aws")), select_in_order)
    found = embed_each_once(golden_network(golden, "v1.1"), sensors)
    assert np.abs(found - expected).max() > 100 * GATE


@pytest.fixture(scope="module")
def drawn(tile: DPixels) -> Selected:
    """What the reference drew with v1.0: optical for all pixels first, then radar, from one stream."""
    random_state = np.random.RandomState(NUMPY_SEED)
    s2, s1 = standardised(tile, encoder_card("tessera-v1.0-qat"))
    return selected(s2, s1, lambda valid: reference_draws(valid, random_state))


def test_the_draws_of_v1_0_are_those_of_the_reference(golden: Path, drawn: Selected) -> None:
    expected = np.load(golden / "tessera_v1_0_qat/tile_level_npseed12345.npz")
    for (series, selection), key in zip(drawn, ("s2_x", "s1_x"), strict=True):
        for pixel in range(20):
            tokens = written_out(series, selection, pixel)
            np.testing.assert_allclose(tokens.values[0], expected[key][pixel, :, :-1], atol=1e-5)
            np.testing.assert_array_equal(tokens.days[0], expected[key][pixel, :, -1])


@pytest.mark.parametrize("path", PATHS)
def test_the_golden_tile_embeds_to_the_reference_of_v1_0(
    golden: Path, drawn: Selected, path: Callable[..., NDArray[np.float32]]
) -> None:
    expected = np.load(golden / "tessera_v1_0_qat/tile_level_npseed12345.npz")
    found = path(golden_network(golden, "v1.0-qat"), drawn)
    refuse_difference(found, expected["embedding"], "v1.0 tile")
    codes, scales = quantise(found, "v1.0")
    refuse_other_codes(codes, expected["int8"])
    np.testing.assert_allclose(scales, expected["scales"], rtol=1e-5)


TINY = {
    "reset-first": TesseraV1Config(4, 2, 2, 24, 12, "reset-first", "mlp"),
    "torch": TesseraV1Config(4, 2, 2, 24, 12, "torch", "linear"),
}


@pytest.fixture(scope="module", params=TINY)
def tiny(request: pytest.FixtureRequest) -> TesseraV1:
    torch.manual_seed(3)
    return TesseraV1(TINY[request.param]).eval().requires_grad_(False)


def observed(counts: list[int], bands: int, seed: int) -> Series:
    """Return a series with so many observations at each pixel, some of them on one day."""
    random = np.random.default_rng(seed)
    times = max(*counts, 1)
    valid = random.permuted(np.arange(times) < np.array(counts)[:, None], axis=1)
    days = np.sort(random.integers(1, 1 + min(366, times), times))
    return Series(random.standard_normal((len(counts), times, bands)).astype(np.float32), days, valid)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=5), st.integers(0, 99)
)
def test_each_observation_once_equals_the_sequence_written_out(
    tiny: TesseraV1, counts: list[tuple[int, int]], seed: int
) -> None:
    s2, s1 = observed([a for a, _ in counts], 10, seed), observed([b for _, b in counts], 2, seed + 1)
    sensors = selected(s2, s1, select_in_order)
    np.testing.assert_allclose(
        embed_each_once(tiny, sensors), embed_written_out(tiny, sensors), atol=2e-6, rtol=1e-5
    )


def test_none_one_three_and_very_many_observations_agree_with_the_sequence_written_out(
    tiny: TesseraV1,
) -> None:
    counts = [0, 1, 3, 256, 300, 0]
    sensors = selected(observed(counts, 10, 0), observed(counts[::-1], 2, 1), select_in_order)
    np.testing.assert_allclose(
        embed_each_once(tiny, sensors), embed_written_out(tiny, sensors), atol=2e-6, rtol=1e-5
    )


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)))
def test_pixels_in_another_order_have_the_same_embeddings(tiny: TesseraV1, order: list[int]) -> None:
    series = observed([0, 2, 8, 9, 20, 5], 10, 2), observed([3, 0, 7, 1, 8, 16], 2, 3)
    shuffled = [dataclasses.replace(s, values=s.values[order], valid=s.valid[order]) for s in series]
    whole = embed_each_once(tiny, selected(*series, select_in_order))
    found = embed_each_once(tiny, selected(shuffled[0], shuffled[1], select_in_order))
    np.testing.assert_allclose(found, whole[order], atol=2e-6, rtol=1e-5)


@torch.inference_mode()
def test_padding_changes_nothing_whatever_it_holds(tiny: TesseraV1) -> None:
    values, days = torch.randn(2, 4, 2), torch.randint(1, 366, (2, 4))
    order = torch.tensor([[0, 1, 2, 1, NO_STEP, NO_STEP]]).expand(2, 6)
    bias = torch.tensor([[1.0, 2.0, 1.0, 0.0]]).log().expand(2, 4)
    values[:, 3] = 1e6
    short = tiny.s1_backbone(Tokens(values[:, :3], days[:, :3], bias[:, :3]), order[:, :4])
    padded = tiny.s1_backbone(Tokens(values, days, bias), order)
    torch.testing.assert_close(padded, short, atol=2e-6, rtol=1e-5)


def test_a_sequence_of_one_step_is_its_own_pool(tiny: TesseraV1) -> None:
    x = torch.randn(3, 1, 16)
    torch.testing.assert_close(tiny.s2_backbone.pool(x), x[:, 0], atol=0, rtol=0)
    read = tiny.s2_backbone.pool(x.expand(3, 4, 16), torch.zeros(3, 1, dtype=torch.int64))
    torch.testing.assert_close(read, x[:, 0], atol=0, rtol=0)


def test_the_order_of_the_sequence_reaches_the_pool(tiny: TesseraV1) -> None:
    x, order = torch.randn(3, 5, 16), torch.arange(5).expand(3, 5)
    forwards, backwards = tiny.s2_backbone.pool(x, order), tiny.s2_backbone.pool(x, order.flip(1))
    torch.testing.assert_close(forwards, tiny.s2_backbone.pool(x), atol=1e-6, rtol=1e-5)
    assert (forwards - backwards).abs().max() > 1e-4


def test_the_reset_gate_comes_before_the_recurrent_matrix_in_one_unit_and_after_it_in_the_other() -> None:
    """By the formulas: n = tanh(a + W (r h)) against n = tanh(a + r (W h)), over two steps."""
    ours, torchs = ResetFirstGru(2), TorchGru(2)
    cell, halves = ours.gru_cell, {"r": 0.5, "z": -1.0, "h": 2.0}
    recurrent = torch.tensor([[0.0, 1.5], [-1.0, 0.5]])
    with torch.no_grad():
        for parameter in (*ours.parameters(), *torchs.parameters()):
            parameter.zero_()
        for name, value in halves.items():
            getattr(cell, f"W_i{name}").weight.copy_(torch.eye(2) * value)
        cell.W_hh.weight.copy_(recurrent)
        torchs.weight_ih_l0.copy_(
            torch.cat([torch.eye(2) * halves["r"], -torch.eye(2) * halves["z"], torch.eye(2) * halves["h"]])
        )
        torchs.weight_hh_l0[4:].copy_(recurrent)
        x = torch.tensor([[[0.3, -0.7], [1.1, 0.4]]])
        h_ours = h_torch = torch.zeros(2)
        for step in x[0]:
            r, z = torch.sigmoid(0.5 * step), torch.sigmoid(-1.0 * step)
            h_ours = (1 - z) * h_ours + z * torch.tanh(2.0 * step + recurrent @ (r * h_ours))
            h_torch = (1 - z) * h_torch + z * torch.tanh(2.0 * step + r * (recurrent @ h_torch))
        torch.testing.assert_close(ours(x, None)[0, -1], h_ours, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(torchs(x, None)[0, -1], h_torch, atol=1e-6, rtol=1e-5)
        assert (h_ours - h_torch).abs().max() > 1e-3


def test_a_bin_is_as_long_as_the_longest_pixel_needs(tiny: TesseraV1) -> None:
    selection = select_in_order(observed([3, 17], 2, 0).valid)
    assert selection.order is not None
    assert selection.order.shape == (2, bin_size(17))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nhead": 3}, "encoder of width 16: must be a multiple of 3 heads"),
        ({"pooling_gru": "lstm"}, "pooling_gru 'lstm': must be one of reset-first, torch"),
        ({"fusion": "sum"}, "fusion 'sum': must be one of mlp, linear"),
    ],
)
def test_sizes_that_name_no_network_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        dataclasses.replace(TINY["torch"], **change)


@pytest.mark.parametrize(
    ("card", "allowed", "refused"),
    [
        ("tessera-v1.1-mpc", "planetary-computer", "earth-search"),
        ("tessera-v1.1-aws", "earth-search", "planetary-computer"),
    ],
)
def test_a_v1_1_checkpoint_refuses_the_other_ones_source(card: str, allowed: str, refused: str) -> None:
    encoder_card(card).refuse_source(allowed)
    with pytest.raises(CardMismatchError, match=f"scenes from '{refused}', allowed are {allowed}"):
        encoder_card(card).refuse_source(refused)


def test_the_cards_of_v1_say_how_much_of_the_output_is_kept_and_what_is_not_pinned() -> None:
    cards = {name: encoder_card(name) for name in CARDS}
    assert {card.dims for card in cards.values()} == {128}
    assert {card.prefixes for card in cards.values()} == {()}
    assert [len(cards[f"tessera-v1.1-{source}"].weights_sha256) for source in ("mpc", "aws")] == [64, 64]
    for name in ("tessera-v1.0-qat", "tessera-v1.0-early"):
        assert cards[name].weights_sha256 == ""
        assert cards[name].pinned_by.startswith("nobody")
        statistics = cards[name].statistics
        assert statistics.s1_ascending_mean == statistics.s1_descending_mean


def engine(golden: Path, name: str, card: str) -> Encoder:
    stated = dataclasses.replace(
        encoder_card(card), config=GOLDEN[name].config, dims=min(GOLDEN[name].config.repr_dim, 128)
    )
    return Encoder(stated, golden_network(golden, name), "cpu", "fp32")


@pytest.mark.parametrize("source", ["mpc", "aws"])
def test_the_engine_embeds_the_golden_tile_as_the_reference_of_v1_1(
    golden: Path, tile: DPixels, source: str
) -> None:
    expected = np.load(golden / "tessera_v1_1/v1_1_tile_level.npz")[f"{source}/embedding192"][..., :128]
    found = engine(golden, "v1.1", f"tessera-v1.1-{source}").embed(tile)
    assert np.flatnonzero(found.reason == Reason.NO_OBSERVATION).tolist() == [EMPTY]
    assert np.isnan(found.values[EMPTY]).all()
    seen = np.arange(20) != EMPTY
    refuse_difference(found.values[seen], expected.reshape(20, 128)[seen], source)


def test_the_engine_embeds_the_golden_tile_as_the_reference_of_v1_0(
    golden: Path, tile: DPixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reference's own draws: ours come from the pixel, so that its neighbours do not matter."""
    random_state = np.random.RandomState(NUMPY_SEED)
    monkeypatch.setattr(sequences, "draw", lambda valid, keys, seed: reference_draws(valid, random_state))
    expected = np.load(golden / "tessera_v1_0_qat/tile_level_npseed12345.npz")["embedding"]
    found = engine(golden, "v1.0-qat", "tessera-v1.0-qat").embed(tile).values
    seen = np.arange(20) != EMPTY
    refuse_difference(found[seen], expected.reshape(20, -1)[seen], "v1.0 tile")
