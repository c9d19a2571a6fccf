"""Reference sites: read, embedded and predicted like woodlands, and never taken for one."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pytest
from ingest_world import write_woods
from shapely import Polygon, box

from flows.archive.make import DEFAULT_SEED
from flows.archive.reference_sites import KIND, plant_sites, write_reference_sites
from flows.archive.world import build_world
from flows.estimating.estimate import estimate_block, inputs_hash, season_embeddings, staged_path
from flows.estimating.references import final_seasons, reference_embeddings, reference_series, reference_sites
from flows.estimating.site_embeddings import site_embeddings_path
from flows.ingesting.ingest import ingest_block
from flows.ingesting.listing import listing_path, read_listing, write_listing
from flows.modelling.training import keep
from flows.sources.boundaries.reference_sites import read_reference_sites
from flows.workspace import REFERENCE_PREFIX, Workspace, open_workspace
from models.heads.fitting import Fitting, fit_head
from models.heads.samples import Labels
from monitoring.errors import BoundaryError, WarehouseError
from monitoring.seasons import Season
from monitoring.woodlands import Status, Woodland

WriteSettings = Callable[..., Path]
Underwood = Callable[..., "subprocess.CompletedProcess[str]"]
NOW = datetime(2026, 2, 15, 3, tzinfo=UTC)
YEARS = (2021, 2022)
#: What a series holds for each of its years.
ARRAYS = ("years", "mean", "sd", "sd_year")


def square(longitude: float, latitude: float) -> Polygon:
    return box(longitude, latitude, longitude + 0.001, latitude + 0.001)


def write_sites(path: Path, squares: Sequence[Polygon], **attributes: Sequence[object]) -> Path:
    gpd.GeoDataFrame(attributes, geometry=list(squares), crs=4326).to_file(path, driver="GeoJSON")
    return path


def wood(woodland_id: str, park: str, longitude: float, latitude: float) -> Woodland:
    return Woodland(woodland_id, "", park, Status.ASNW, square(longitude, latitude), 1.0)


WOODS = (wood("A", "North", -2.0, 54.0), wood("B", "South", -2.0, 52.0))


def test_a_site_keeps_its_kind_and_is_given_the_park_of_the_nearest_woodland(tmp_path: Path) -> None:
    places = [square(-2.1, 53.9), square(-2.1, 52.4), square(-2.1, 52.4 + 0.01)]
    path = write_sites(
        tmp_path / "sites.geojson",
        places,
        site_id=["one", "two", "three"],
        kind=["Heath", " quarry", "urban"],
        park=["", None, "Elsewhere"],
    )
    read = read_reference_sites(path, WOODS)
    assert [site.id for site in read.outlines] == ["one", "two", "three"]
    assert read.kinds == ("heath", "quarry", "urban")
    assert [site.park for site in read.outlines] == ["North", "South", "Elsewhere"]
    assert read.refused == ()


def test_nearest_is_meant_on_the_ground_and_not_in_degrees(tmp_path: Path) -> None:
    # At 60 degrees north a degree of longitude is half as long as one of latitude.
    woods = (wood("east", "East", 1.4, 60.0), wood("north", "North", 0.0, 61.0))
    path = write_sites(tmp_path / "sites.geojson", [square(0.0, 60.0)], kind=["heath"])
    (site,) = read_reference_sites(path, woods).outlines
    assert site.park == "East"


def test_a_site_without_a_kind_or_a_polygon_is_refused_by_number(tmp_path: Path) -> None:
    bow_tie = Polygon([(0, 0), (0, 0), (0, 0)])
    path = write_sites(
        tmp_path / "sites.geojson",
        [square(-2, 53), square(-2, 52), bow_tie, square(-2, 51)],
        kind=["heath", "", "urban", "quarry"],
    )
    read = read_reference_sites(path, WOODS)
    assert read.kinds == ("heath", "quarry")
    assert len(read.outlines) == 2
    assert (read.refused[0].feature_number, read.refused[0].reason) == (2, "it says no kind")
    assert [one.feature_number for one in read.refused] == [2, 3]


@pytest.mark.parametrize(
    ("attributes", "said"),
    [({"name": ["a"]}, "no attribute 'kind'"), ({"kind": [""]}, "no usable site among its 1 features")],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, attributes: dict[str, list[str]], said: str
) -> None:
    path = write_sites(tmp_path / "sites.geojson", [square(-2, 53)], **attributes)
    with pytest.raises(BoundaryError, match=said) as refused:
        read_reference_sites(path, WOODS)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_the_simulated_sites_are_open_heath_of_one_field_each() -> None:
    for land in build_world(DEFAULT_SEED):
        trees = {(r, c) for r, c in zip(land.stand.row.tolist(), land.stand.column.tolist(), strict=True)}
        heath = land.park.cover_names.index(KIND)
        sites = plant_sites(land, DEFAULT_SEED)
        fields = []
        for site in sites:
            west, _, _, north = site.bounds
            row, column = int((land.park.north_m - north) / 10), int((west - land.park.west_m) / 10)
            cells = [(row + down, column + right) for down in range(5) for right in range(5)]
            assert not trees.intersection(cells)
            (field,) = {int(land.parcel[cell]) for cell in cells}
            assert land.parcel_cover[field] == heath
            fields.append(field)
        assert len(set(fields)) == len(sites) == 20


# --- on a service


@pytest.fixture(scope="module")
def sites_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sites") / "reference_sites.gpkg"
    write_reference_sites(path, build_world(DEFAULT_SEED)[:1], DEFAULT_SEED)
    return path


@pytest.fixture(scope="module")
def config(
    tmp_path_factory: pytest.TempPathFactory, archive: Path, write_settings: WriteSettings, sites_file: Path
) -> Path:
    """Settings with three woods, and the heath of their park as reference sites."""
    folder = tmp_path_factory.mktemp("references")
    woods = write_woods(folder / "woods.gpkg", archive / "woodlands.gpkg", ["HF-001", "HF-002", "HF-003"])
    return write_settings(folder, archive, woodlands=woods, reference_sites=sites_file, device="cpu")


@pytest.fixture(scope="module")
def workspace(config: Path) -> Workspace:
    """A service that has read and estimated the sites in two years."""
    opened = open_workspace(str(config))
    keep(opened, some_head(opened), NOW)
    for block in opened.reference_blocks.values():
        for year in YEARS:
            receipt = ingest_block(opened, block, Season(year, 4), NOW)
            estimate_block(opened, block, Season(year, 4), receipt.listing)
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


def test_a_service_without_sites_has_no_block_of_them(tmp_path: Path, write_settings: WriteSettings) -> None:
    opened = open_workspace(str(write_settings(tmp_path, tmp_path)))
    assert opened.reference_blocks == {}
    assert final_seasons(opened) == ()
    assert reference_sites(opened) == reference_series(opened) == ()
    assert reference_embeddings(opened, ()) is None


@pytest.mark.slow
def test_blocks_of_sites_are_apart_from_those_of_woodlands(workspace: Workspace) -> None:
    assert set(workspace.blocks).isdisjoint(workspace.reference_blocks)
    for block_id, block in workspace.reference_blocks.items():
        assert block_id.startswith(REFERENCE_PREFIX)
        assert workspace.block(block_id) is block
    assert not any(woodland.id.startswith("HF-R") for woodland in workspace.woodlands)


@pytest.mark.slow
def test_every_site_has_a_value_in_every_final_season(workspace: Workspace) -> None:
    assert final_seasons(workspace) == tuple(Season(year, 4) for year in YEARS)
    sites = reference_sites(workspace)
    assert [site.series.woodland_id for site in sites] == [f"HF-R{n:02d}" for n in range(1, 21)]
    for site in sites:
        assert (site.kind, site.park) == ("heath", "Hallin Fells")
        assert site.block in workspace.reference_blocks
        assert site.series.years.tolist() == list(YEARS)
        assert np.isfinite(site.series.mean).all()
        assert (site.series.sd_year > 0).all()
        assert not len(site.series.outside)  # heath is unlike any wood, and that is no matter here


@pytest.mark.slow
def test_what_the_encoder_says_of_each_site_is_its_mean_by_area_in_every_final_season(
    workspace: Workspace,
) -> None:
    sites = reference_sites(workspace)
    panel = reference_embeddings(workspace, sites)
    assert panel is not None
    assert panel.years.tolist() == list(YEARS)
    assert panel.means.shape == (len(sites), len(YEARS), workspace.encoder_card.dims)
    (block,) = workspace.reference_blocks.values()
    season = Season(2022, 4)
    listing = read_listing(listing_path(workspace.staging, block.id, season))
    inputs = inputs_hash(block, listing, workspace.settings)
    pixels, _ = season_embeddings(workspace, block, season, listing, inputs)
    for place, site in enumerate(block.woodland_ids):
        shares = block.coverage[[place]].toarray()[0]
        expected = np.average(pixels.values[shares > 0], axis=0, weights=shares[shares > 0])
        (row,) = (k for k, each in enumerate(sites) if each.series.woodland_id == site)
        np.testing.assert_allclose(panel.means[row, 1], expected, rtol=1e-5)


@pytest.mark.slow
def test_a_site_without_a_value_in_a_year_has_no_embedding_there_either(workspace: Workspace) -> None:
    first, *rest = reference_sites(workspace)
    short = dataclasses.replace(first.series, **{n: getattr(first.series, n)[1:] for n in ARRAYS})
    panel = reference_embeddings(workspace, [dataclasses.replace(first, series=short), *rest])
    assert panel is not None
    assert np.isnan(panel.means[0, 0]).all()
    assert np.isfinite(panel.means[0, 1]).all()
    assert np.isfinite(panel.means[1:]).all()


@pytest.mark.slow
def test_sites_estimated_before_their_embeddings_were_kept_are_embedded_once_more(
    workspace: Workspace,
) -> None:
    (block,) = workspace.reference_blocks.values()
    season = Season(2022, 4)
    where = listing_path(workspace.staging, block.id, season)
    staged = staged_path(
        workspace, block, season, inputs_hash(block, read_listing(where), workspace.settings)
    )
    kept = site_embeddings_path(staged)
    before, estimates = kept.read_bytes(), staged.read_bytes()
    kept.unlink()
    estimate_block(workspace, block, season, str(where))
    assert kept.read_bytes() == before
    assert staged.read_bytes() == estimates


@pytest.mark.slow
def test_a_damaged_file_of_embeddings_is_one_clear_line(workspace: Workspace) -> None:
    (path,) = workspace.staging.glob("2022-Q4/*.embeddings.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(WarehouseError, match="delete it and run the season again") as refused:
        reference_embeddings(workspace, reference_sites(workspace))
    path.write_bytes(whole)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_year_with_fewer_scenes_read_than_there_should_be_is_not_shown(workspace: Workspace) -> None:
    (block_id,) = workspace.reference_blocks
    path = listing_path(workspace.staging, block_id, Season(2022, 4))
    before = read_listing(path)
    assert before.completeness is not None
    thin = dataclasses.replace(before.completeness, is_complete=False)
    write_listing(path, dataclasses.replace(before, completeness=thin))
    assert {tuple(site.series.years.tolist()) for site in reference_sites(workspace)} == {(2021,)}
    write_listing(path, before)
    assert {tuple(site.series.years.tolist()) for site in reference_sites(workspace)} == {YEARS}


@pytest.mark.slow
def test_a_season_estimates_the_sites_and_the_warehouse_never_hears_of_them(
    workspace: Workspace, config: Path, underwood: Underwood
) -> None:
    done = underwood(
        "--config", str(config), "run", "--season", "2023-Q4", "--format", "json", cwd=config.parent
    )
    assert json.loads(done.stdout)[0]["rows_added"] > 0, done.stderr
    fresh = Workspace(workspace.settings, workspace.science)
    assert all(2023 in site.series.years for site in reference_sites(fresh))
    with duckdb.connect(str(workspace.warehouse), read_only=True) as database:
        texts = database.execute(
            "select table_name, column_name from information_schema.columns where data_type = 'VARCHAR'"
        ).fetchall()
        for table, column in texts:
            found = database.execute(
                f'select count(*) from "{table}" where "{column}" like \'%HF-R%\' or '
                f"\"{column}\" like '%{REFERENCE_PREFIX}%'"
            ).fetchone()
            assert found == (0,), (table, column)
