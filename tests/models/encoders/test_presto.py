"""Presto with its real weights against the golden vectors, and what keeps its samples apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.encoders.card import encoder_card
from models.encoders.configs import PrestoConfig
from models.encoders.embeddings import Reason
from models.encoders.inputs.presto_series import (
    CHANNELS,
    GROUPS,
    NO_LAND_COVER,
    PrestoSeries,
    columns,
    normalise,
    observed,
    visible_tokens,
)
from models.encoders.networks.presto import Presto, batch_of, embed_presto
from models.encoders.weights.checkpoint import load_weights
from monitoring.errors import ModelError, WeightsError

CASES = (
    "all_present", "dw_missing", "no_s1_dw_missing", "s1_s2_ndvi_only", "one_s2_month_only",
    "everything_masked_latlon_token_only", "different_gaps_equal_count", "max_length_24_months_wrap",
    "explicit_months_with_repeats", "single_timestep",
)  # fmt: skip
#: What the golden vectors' README calls equal in float32.
GATE, COSINE = 2e-5, 0.999999
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def real(shared: Path) -> Presto:
    card = encoder_card("presto")
    assert isinstance(card.config, PrestoConfig)
    return load_weights(Presto(card.config), card, shared / "weights/presto/default_model.pt")


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "golden/presto/cases.npz") as file:
        return dict(file)


def case_of(golden: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key.split("/")[1]: value for key, value in golden.items() if key.startswith(f"{name}/")}


def series_of(case: dict[str, np.ndarray]) -> PrestoSeries:
    n = len(case["x"])
    month = case["month"] if case["month"].ndim else np.full(n, case["month"])
    hidden = case["mask"] == 1 if "mask" in case else np.zeros(case["x"].shape, bool)
    return PrestoSeries(case["x"], case["dynamic_world"], case["latlons"], month, hidden)


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(found - expected).max() <= GATE
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    assert ((found * expected).sum(axis=-1) / norms).min() >= COSINE


def test_every_golden_case_is_tested(golden: dict[str, np.ndarray]) -> None:
    assert {key.split("/")[0] for key in golden} == set(CASES)


@pytest.mark.parametrize("name", CASES)
@torch.inference_mode()
def test_tokens_and_embedding_equal_the_reference(
    real: Presto, golden: dict[str, np.ndarray], name: str
) -> None:
    case = case_of(golden, name)
    batch = batch_of(series_of(case), CPU)
    kept = np.stack([np.flatnonzero(row) for row in batch.visible.numpy()])
    np.testing.assert_array_equal(kept, case["kept_indices"])
    assert_equal(real.norm(real.encode(batch)).numpy(), case["tokens"])
    assert_equal(real(batch).numpy(), case["embedding"])


def test_one_call_embeds_samples_with_different_gaps(real: Presto, golden: dict[str, np.ndarray]) -> None:
    """The reference refuses such a batch; each sample must come out as alone."""
    names = [name for name in CASES[:7] if not name.startswith("everything")]
    cases = [case_of(golden, name) for name in names]
    series = [series_of(case) for case in cases]
    together = PrestoSeries(
        np.concatenate([one.x for one in series]),
        np.concatenate([one.dynamic_world for one in series]),
        np.concatenate([one.latlon for one in series]),
        np.concatenate([one.months for one in series]),
        np.concatenate([one.hidden for one in series]),
    )
    assert len(np.unique(visible_tokens(together).sum(axis=1))) == len(names)
    assert_equal(embed_presto(real, together).values, np.concatenate([case["embedding"] for case in cases]))


def test_the_real_checkpoint_is_the_cards_and_has_the_published_size(real: Presto) -> None:
    assert sum(parameter.numel() for parameter in real.parameters()) == 404_160


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "default_model.pt"
    path.write_bytes(b"not the weights")
    card = encoder_card("presto")
    assert isinstance(card.config, PrestoConfig)
    with pytest.raises(WeightsError, match="sha256"):
        load_weights(Presto(card.config), card, path)


@pytest.fixture(scope="module")
def tiny() -> Presto:
    torch.manual_seed(2)
    network = Presto(PrestoConfig(32, 0.25, 0.25, 2, 4, 2, 24)).eval().requires_grad_(False)
    torch.nn.init.normal_(network.pos_embed)
    return network


def random_series(n: int, t: int, seed: int, hidden_share: float = 0.1) -> PrestoSeries:
    random = np.random.default_rng(seed)
    return PrestoSeries(
        random.normal(0, 0.5, (n, t, 17)).astype(np.float32),
        random.integers(0, 10, (n, t)),
        np.column_stack([random.uniform(-90, 90, n), random.uniform(-180, 180, n)]),
        random.integers(0, 12, n),
        random.random((n, t, 17)) < hidden_share * random.integers(0, 3, n)[:, None, None],
    )


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 40),
    t=st.sampled_from([1, 2, 12, 24]),
    batch_size=st.sampled_from([1, 3, 64]),
    seed=st.integers(0, 99),
)
def test_a_sample_has_the_same_bytes_in_any_company(
    tiny: Presto, n: int, t: int, batch_size: int, seed: int
) -> None:
    series = random_series(n, t, seed)
    order = np.random.default_rng(seed).permutation(n)
    found = embed_presto(tiny, series.rows(order), batch_size=batch_size).values
    assert found.tobytes() == embed_presto(tiny, series).values[order].tobytes()


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_byte(tiny: Presto, threads: int) -> None:
    series = random_series(100, 6, 1)
    expected = embed_presto(tiny, series).values.tobytes()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert embed_presto(tiny, series).values.tobytes() == expected
    finally:
        torch.set_num_threads(before)


def test_what_is_hidden_may_hold_anything(tiny: Presto) -> None:
    series = random_series(9, 3, 4, hidden_share=0.3)
    spoiled = dataclasses.replace(series, x=np.where(series.hidden, np.float32(np.nan), series.x))
    assert embed_presto(tiny, spoiled).values.tobytes() == embed_presto(tiny, series).values.tobytes()


def test_a_start_month_is_the_months_that_follow_it(tiny: Presto) -> None:
    series = random_series(8, 5, 6)
    written_out = dataclasses.replace(series, month=(series.month[:, None] + np.arange(5)) % 12)
    np.testing.assert_array_equal(embed_presto(tiny, series).values, embed_presto(tiny, written_out).values)


def test_without_radar_and_optics_there_is_no_embedding_but_a_reason(tiny: Presto) -> None:
    series = random_series(3, 2, 7, hidden_share=0)
    hidden = np.zeros((3, 2, 17), bool)
    hidden[1] = True  # nothing at all
    hidden[2] = ~np.isin(CHANNELS, (*GROUPS["ERA5"], *GROUPS["SRTM"]))  # weather and terrain only
    found = embed_presto(tiny, dataclasses.replace(series, hidden=hidden))
    assert found.reason.tolist() == [Reason.EMBEDDED, Reason.NO_OBSERVATION, Reason.NO_OBSERVATION]
    assert np.isnan(found.values).all(axis=1).tolist() == [False, True, True]
    assert np.isfinite(found.values[0]).all()


def test_terrain_is_asked_of_the_first_step_only(tiny: Presto) -> None:
    series = random_series(4, 6, 8, hidden_share=0)
    changed = series.x.copy()
    changed[:, 1:, columns("SRTM")] = 7.0
    same = embed_presto(tiny, dataclasses.replace(series, x=changed)).values
    np.testing.assert_array_equal(same, embed_presto(tiny, series).values)


def test_progress_counts_every_sample_once(tiny: Presto) -> None:
    seen: list[tuple[int, int]] = []
    embed_presto(tiny, random_series(30, 2, 9), batch_size=4, progress=lambda *now: seen.append(now))
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_no_samples_are_no_embeddings(tiny: Presto) -> None:
    assert embed_presto(tiny, random_series(0, 2, 0)).values.shape == (0, 32)


def test_more_steps_than_positions_are_refused(tiny: Presto) -> None:
    with pytest.raises(ModelError, match="25 steps, expected at most 24"):
        embed_presto(tiny, random_series(2, 25, 0))


def spoiled(name: str, index: Any, value: Any) -> dict[str, np.ndarray]:
    array = getattr(random_series(2, 3, 0, hidden_share=0), name).copy()
    array[index] = value
    return {name: array}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoiled("x", (1, 2, 0), np.nan), "presto x VV: holds a value that is not finite and not hidden"),
        (spoiled("x", (1, 2, 4), 1043.0), "presto x B4: size 1043, normalised is at most 10: is it in raw"),
        (spoiled("x", (0, 0, 12), 285.0), "presto x temperature_2m: size 285"),
        (spoiled("dynamic_world", (0, 0), 10), "presto dynamic_world: 10, expected 0 to 9"),
        (spoiled("month", 1, 12), "presto month: 12, expected 0 to 11"),
        (spoiled("latlon", (0, 0), 91.0), "presto latitude: 91.0, expected -90 to 90"),
        (spoiled("latlon", (0, 1), 181.0), "presto longitude: 181.0, expected -180 to 180"),
        (spoiled("latlon", (0, 1), np.nan), "presto longitude: nan"),
        ({"x": np.zeros((2, 3, 16), np.float32)}, r"presto x: expected float32 \(N, T, 17\)"),
        ({"x": np.zeros((2, 3, 17))}, "found float64"),
        ({"x": np.zeros((2, 0, 17), np.float32)}, "presto x: 0 steps, expected at least 1"),
        ({"dynamic_world": np.zeros((2, 2), np.int64)}, r"presto dynamic_world: expected integer \(2, 3\)"),
        ({"month": np.zeros(2)}, "presto month: expected integer"),
        ({"month": np.int64(3) + np.zeros((), np.int64)}, r"presto month: expected integer \(2,\)"),
        ({"month": np.zeros((2, 3, 1), np.int64)}, r"presto month: expected integer \(2, 3\)"),
        ({"hidden": np.zeros((2, 3, 17))}, "presto hidden: expected bool"),
    ],
)
def test_what_cannot_be_given_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        dataclasses.replace(random_series(2, 3, 0, hidden_share=0), **change)
    assert "\n" not in str(caught.value)


def test_raw_units_are_normalised_as_published() -> None:
    raw = np.array([-25.0, 0, 0, 5000, 1000, 0, 0, 0, 3000, 0, 0, 0, 307.15, 0.015, 1000, 25])
    x = dict(zip(CHANNELS, normalise(raw).tolist(), strict=True))
    expected = {"VV": 0, "VH": 1, "B3": 0.5, "B4": 0.1, "B8": 0.3, "temperature_2m": 1,
                "total_precipitation": 0.5, "elevation": 0.5, "slope": 0.5, "NDVI": 0.5}  # fmt: skip
    assert {name: x[name] for name in expected} == pytest.approx(expected)


def test_a_given_ndvi_stays_and_one_without_light_is_nan() -> None:
    assert normalise(np.full(17, 0.25))[-1] == 0.25
    assert np.isnan(normalise(np.zeros(16))[-1])


@pytest.mark.parametrize("channels", [15, 18])
def test_raw_channels_of_another_number_are_refused(channels: int) -> None:
    with pytest.raises(ModelError, match=f"expected 16 or 17 channels, found {channels}"):
        normalise(np.zeros((2, channels)))


def test_one_hidden_channel_hides_its_groups_token_and_9_the_land_cover() -> None:
    hidden = np.zeros((1, 2, 17), bool)
    hidden[0, 1, CHANNELS.index("B3")] = True
    series = PrestoSeries(
        np.zeros((1, 2, 17), np.float32),
        np.array([[NO_LAND_COVER, 4]]),
        np.zeros((1, 2)),
        np.array([0]),
        hidden,
    )
    visible = visible_tokens(series)
    assert visible.shape == (1, 8 * 2 + 1 + 2)
    assert np.flatnonzero(~visible[0]).tolist() == [3, 17]  # RGB of the second month, cover of the first
    assert observed(series).tolist() == [True]
