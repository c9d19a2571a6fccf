"""Replay: rich years, seen as rarely as poor ones, show what fewer observations alone do to richness."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from ingest_world import write_woods

from flows.ingesting.ingest import ingest_block
from flows.ingesting.listing import listing_path, read_listing, write_listing
from flows.modelling.training import keep
from flows.replay.rows import read_replay, replay_differences, replay_rows
from flows.replay.thinning import doomed_dates, keep_order, kept, lost_satellites, random_of, thinned
from flows.replay.years import (
    BlockYear,
    ReplayPlan,
    block_years,
    kept_series,
    poor_counts,
    replay_block_year,
)
from flows.workspace import Workspace, open_workspace
from models.encoders.encoder import load_encoder
from models.encoders.inputs.dpixels import DPixels, clear_counts, dpixels_from_series
from models.heads.fitting import Fitting, fit_head
from models.heads.samples import Labels
from monitoring.errors import CardMismatchError, SeasonError, WarehouseError
from monitoring.estimates import weighted_mean
from monitoring.scenes import Scene, Sensor
from monitoring.seasons import Season
from monitoring.series import SensorSeries

WriteSettings = Callable[..., Path]
RICH, POOR = 2019, 2022
NOW = datetime(2026, 2, 15, 3, tzinfo=UTC)
PLAN = ReplayPlan((RICH,), (POOR,))


def pixels_of(days: int, n: int, seed: int = 1) -> DPixels:
    """N pixels seen by every sensor on the same days of a year, always clear."""
    random = np.random.default_rng(seed)
    doys = np.linspace(1, 365, days).astype(np.int64)
    return DPixels(
        bands=random.integers(200, 4000, (days, n, 10)).astype(np.uint16),
        clear=np.ones((days, n), bool),
        doys=doys,
        sar_ascending=random.integers(4000, 7000, (days, n, 2)).astype(np.int16),
        sar_ascending_doys=doys,
        sar_descending=random.integers(4000, 7000, (days, n, 2)).astype(np.int16),
        sar_descending_doys=doys,
    )


def alike(n: int) -> dict[Sensor, np.ndarray]:
    return {sensor: np.full(3, n) for sensor in Sensor}


def none_doomed(days: int) -> dict[Sensor, np.ndarray]:
    return {sensor: np.zeros(days, bool) for sensor in Sensor}


def test_a_pixel_keeps_as_many_observations_as_it_had_in_the_poor_year() -> None:
    observed = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]], bool)  # 4 dates, 3 pixels
    found = kept(observed, np.array([2, 1, 5]), order=np.array([3, 2, 1, 0]))
    expected = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]], bool)
    assert (found == expected).all()  # the third has fewer than it may keep, and keeps both


def test_a_pixel_never_seen_in_the_poor_year_keeps_nothing() -> None:
    assert not kept(np.ones((3, 1), bool), np.array([0]), np.arange(3)).any()


def test_dates_of_a_lost_satellite_go_before_any_other() -> None:
    doomed = np.array([True, False, True, False, False])
    for seed in range(20):
        order = keep_order(doomed, random_of(seed))
        assert sorted(order[:3]) == [1, 3, 4]
        assert sorted(order[3:]) == [0, 2]


def test_every_order_of_the_dates_is_as_likely() -> None:
    orders = [tuple(keep_order(np.zeros(3, bool), random_of(seed, "block"))) for seed in range(1200)]
    counts = [orders.count(each) for each in set(orders)]
    assert len(counts) == 6
    assert max(abs(count - 200) for count in counts) < 5 * math.sqrt(200)


def test_neighbouring_pixels_lose_the_same_dates() -> None:
    found = thinned(pixels_of(12, 3), alike(5), none_doomed(12), 0, "block")
    assert (found.clear == found.clear[:, :1]).all()
    assert found.clear.sum(axis=0).tolist() == [5, 5, 5]


def test_each_sensor_is_thinned_to_its_own_number_and_nothing_else_changes() -> None:
    before = pixels_of(12, 3)
    targets = {
        Sensor.S2: np.array([4, 5, 6]),
        Sensor.S1_ASCENDING: np.array([1, 2, 3]),
        Sensor.S1_DESCENDING: np.array([0, 12, 99]),
    }
    after = thinned(before, targets, none_doomed(12), 0, "block")
    counts = clear_counts(after)
    assert counts[Sensor.S2].tolist() == [4, 5, 6]
    assert counts[Sensor.S1_ASCENDING].tolist() == [1, 2, 3]
    assert counts[Sensor.S1_DESCENDING].tolist() == [0, 12, 12]
    left = after.sar_ascending != 0
    assert (after.sar_ascending[left] == before.sar_ascending[left]).all()
    assert (after.bands == before.bands).all()
    assert before.clear.all()  # what was given is left as it was


def test_the_same_seed_thins_alike_and_another_otherwise() -> None:
    def of(seed: int, *names: str) -> bytes:
        return thinned(pixels_of(20, 3), alike(7), none_doomed(20), seed, *names).clear.tobytes()

    assert of(0, "block", "2019", "2022") == of(0, "block", "2019", "2022")
    others = [of(1, "block", "2019", "2022"), of(0, "other", "2019", "2022"), of(0, "block", "2019", "2023")]
    assert len({of(0, "block", "2019", "2022"), *others}) == 4


def test_what_went_is_to_the_encoder_as_if_it_had_never_been() -> None:
    from models.encoders.card import encoder_card

    encoder = load_encoder(encoder_card("underwood-student-1"))
    full = pixels_of(16, 3)
    poor = thinned(full, alike(6), none_doomed(16), 0)
    s2, up, down = (np.flatnonzero(seen.any(axis=1)) for seen in (
        poor.clear, poor.sar_ascending[..., 0] != 0, poor.sar_descending[..., 0] != 0
    ))  # fmt: skip
    without = DPixels(
        full.bands[s2], full.clear[s2], full.doys[s2],
        full.sar_ascending[up], full.doys[up], full.sar_descending[down], full.doys[down],
    )  # fmt: skip
    assert s2.size == up.size == down.size == 6
    np.testing.assert_allclose(encoder.embed(poor).values, encoder.embed(without).values, atol=1e-5)
    assert np.abs(encoder.embed(poor).values - encoder.embed(full).values).max() > 0.01


def scene(scene_id: str, platform: str, sensor: Sensor = Sensor.S1_ASCENDING) -> Scene:
    when = datetime(2019, 1, 1, tzinfo=UTC)
    return Scene(
        scene_id, "c", "simulated", sensor, platform, when, scene_id, "", 0, "", 32630, (0, 0, 1, 1), ()
    )


def test_a_satellite_is_lost_where_the_poor_year_has_it_no_more_in_that_orbit() -> None:
    rich = [scene("a", "sentinel-1a"), scene("b", "sentinel-1b")]
    poor = [scene("c", "sentinel-1a"), scene("d", "sentinel-1b", Sensor.S1_DESCENDING)]
    assert lost_satellites(rich, poor, Sensor.S1_ASCENDING) == {"sentinel-1b"}
    assert lost_satellites(rich, rich, Sensor.S1_ASCENDING) == frozenset()


def test_a_date_is_doomed_where_a_lost_satellite_saw_it() -> None:
    times = np.array(["2019-01-01T06", "2019-01-01T18", "2019-01-05T06", "2019-01-07T06"], "datetime64[s]")
    series = SensorSeries(Sensor.S1_ASCENDING, times, ("a", "b", "a2", "b2"), np.ones((4, 1, 2), np.float32))
    scenes = [scene(each, f"sentinel-1{each[0]}") for each in series.scene_ids]
    assert doomed_dates(series, scenes, {"sentinel-1b"}).tolist() == [True, False, True]
    assert doomed_dates(series, scenes, set()).tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("years", "like", "said"),
    [
        ((2019, 2022), (2022,), "2022 is among --years and --like"),
        ((), (2022,), "--years: no year"),
        ((2019,), (), "--like: no year"),
        ((2019, 2019), (2022,), "given twice"),
    ],
)
def test_years_that_cannot_be_meant_are_refused_in_one_line(
    years: tuple[int, ...], like: tuple[int, ...], said: str
) -> None:
    with pytest.raises(SeasonError, match=said) as refused:
        ReplayPlan(years, like)
    assert "\n" not in str(refused.value)


# --- on a service that has read a rich and a poor year


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, archive: Path, write_settings: WriteSettings
) -> Workspace:
    """Three woods of one park whose cube holds a rich and a poor year, with a head."""
    folder = tmp_path_factory.mktemp("replay")
    woods = write_woods(folder / "woods.gpkg", archive / "woodlands.gpkg", ["HF-001", "HF-002", "HF-003"])
    opened = open_workspace(str(write_settings(folder, archive, woodlands=woods, device="cpu")))
    for block in opened.blocks.values():
        for year in (RICH, POOR):
            receipt = ingest_block(opened, block, Season(year, 4), NOW)
            assert not receipt.refused
    keep(opened, some_head(opened), NOW)
    return opened


def some_head(workspace: Workspace):  # type: ignore[no-untyped-def]
    """A head that fits the encoder; what it predicts is of no matter here."""
    random = np.random.default_rng(1)
    embeddings = random.normal(size=(60, workspace.encoder_card.dims)).astype(np.float32)
    labels = Labels(
        ids=tuple(f"S{number}" for number in range(60)),
        value=100 + 5 * embeddings[:, 0] + random.normal(size=60),
        coordinates=np.column_stack([random.uniform(-3, 0, 60), random.uniform(51, 54, 60)]),
        effort=np.full((60, 1), 8000.0),
        year=np.full(60, 2025, np.int64),
    )
    how = Fitting(candidates=("ridge",))
    return fit_head(embeddings, labels, workspace.target, workspace.encoder_card, how)


def files_under(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_a_replay_leaves_the_cube_alone_and_a_second_one_computes_nothing(workspace: Workspace) -> None:
    (unit,), left_out = block_years(workspace, PLAN)
    assert left_out == ()
    before = files_under(workspace.cube)
    first = replay_block_year(workspace, unit)
    assert first.n_embedded == 1
    assert files_under(workspace.cube) == before
    (path,) = map(Path, first.staged)
    content = path.read_bytes()
    assert replay_block_year(workspace, unit) == dataclasses.replace(first, n_embedded=0)
    path.unlink()
    assert replay_block_year(workspace, unit) == first
    assert path.read_bytes() == content


@pytest.mark.slow
def test_each_woodland_is_left_with_the_observations_of_the_poor_year(workspace: Workspace) -> None:
    (unit,), _ = block_years(workspace, PLAN)
    replay_block_year(workspace, unit)
    block = workspace.blocks[unit.block_id]
    poor, rich = (
        poor_counts(
            workspace, block, year, read_listing(listing_path(workspace.staging, block.id, Season(year, 4)))
        )
        for year in (POOR, RICH)
    )
    rows = {row.woodland_id: row for row in replay_rows(workspace)}
    assert tuple(rows) == block.woodland_ids
    for sensor in Sensor:
        left = weighted_mean(block.coverage, np.minimum(poor[sensor], rich[sensor]).astype(np.float64))
        all_of_them = weighted_mean(block.coverage, rich[sensor].astype(np.float64))
        for wood, left_here, before in zip(block.woodland_ids, left, all_of_them, strict=True):
            row = rows[wood]
            assert getattr(row, f"n_{sensor.value}_thinned") == pytest.approx(left_here)
            assert getattr(row, f"n_{sensor.value}_full") == pytest.approx(before)
            assert math.isfinite(row.full_mean)
            assert row.thinned_mean != row.full_mean
    assert rows["HF-001"].n_s1_ascending_thinned < 0.7 * rows["HF-001"].n_s1_ascending_full


@pytest.mark.slow
def test_no_radar_of_the_lost_satellite_is_left(workspace: Workspace) -> None:
    (block,) = workspace.blocks.values()
    rich, poor = (
        read_listing(listing_path(workspace.staging, block.id, Season(year, 4))) for year in (RICH, POOR)
    )
    series = kept_series(workspace, block, Season(RICH, 4), rich)
    lost = lost_satellites(rich.scenes, poor.scenes, Sensor.S1_ASCENDING)
    assert lost == {"sentinel-1b"}
    doomed = {Sensor.S2: np.zeros(len(dpixels_from_series(series).doys), bool)} | {
        sensor: doomed_dates(series.of(sensor), rich.scenes, lost)
        for sensor in (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING)
    }
    pixels = thinned(dpixels_from_series(series), poor_counts(workspace, block, POOR, poor), doomed, 0)
    seen = (pixels.sar_ascending != 0).any(axis=(1, 2))
    assert seen.any()
    assert not (seen & doomed[Sensor.S1_ASCENDING]).any()


@pytest.mark.slow
def test_the_gate_is_told_of_what_would_come_out_again_today_and_of_nothing_else(
    workspace: Workspace,
) -> None:
    (unit,), _ = block_years(workspace, PLAN)
    receipt = replay_block_year(workspace, unit)
    rows = read_replay(Path(receipt.staged[0]))
    told = replay_differences(workspace)
    assert [(one.woodland_id, one.year, one.like_years) for one in told] == [
        (wood, RICH, (POOR,)) for wood in workspace.blocks[unit.block_id].woodland_ids
    ]
    assert [one.difference for one in told] == [row.thinned_mean - row.full_mean for row in rows]
    path = listing_path(workspace.staging, unit.block_id, Season(POOR, 4))
    before = read_listing(path)
    write_listing(path, dataclasses.replace(before, scenes=before.scenes[1:]))
    assert replay_differences(workspace) == ()  # the poor year is another now
    write_listing(path, before)
    assert replay_differences(workspace) == told


@pytest.mark.slow
def test_a_damaged_file_says_what_to_do(workspace: Workspace, tmp_path: Path) -> None:
    (unit,), _ = block_years(workspace, PLAN)
    (path,) = map(Path, replay_block_year(workspace, unit).staged)
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WarehouseError, match="delete it and replay again"):
        read_replay(damaged)


@pytest.mark.slow
def test_a_year_that_was_never_read_is_named(workspace: Workspace) -> None:
    with pytest.raises(SeasonError, match="2021 is not in the cube: underwood run --season 2021-Q4"):
        block_years(workspace, ReplayPlan((RICH, 2021), (POOR,)))
    (block_id,) = workspace.blocks
    with pytest.raises(SeasonError, match="2023 is not in the cube"):
        replay_block_year(workspace, BlockYear(block_id, RICH, (2023,), 0))


def test_published_embeddings_have_nothing_to_thin(tmp_path: Path, write_settings: WriteSettings) -> None:
    published = {
        "encoder": "geotessera-1.1-dclimate",
        "source": "geotessera",
        "catalogue": tmp_path,
    }
    opened = open_workspace(str(write_settings(tmp_path, tmp_path, **published)))
    with pytest.raises(CardMismatchError, match="no observations to thin"):
        block_years(opened, PLAN)


@pytest.mark.slow
def test_the_command_replays_what_is_missing_and_shows_what_it_did(
    workspace: Workspace, tmp_path: Path
) -> None:
    (unit,), _ = block_years(workspace, PLAN)
    replay_block_year(workspace, unit)
    code = (
        "import typer; from flows.cli import quieten, session; from flows.commands import replay;"
        "quieten(debug=False);"
        "app = typer.Typer(); app.callback()(session); replay.add_commands(app); app()"
    )
    arguments = ("--config", str(workspace.settings.config_file), "replay", "--years", str(RICH))
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--like", str(POOR), "--format", "csv"],
        capture_output=True, text=True, timeout=400, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    assert header.startswith("year,like,woodlands,difference")
    assert row.startswith(f"{RICH},{POOR},3,")
