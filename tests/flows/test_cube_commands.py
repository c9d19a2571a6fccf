"""What the cube holds, and a woodland's part of it as files for other tools: exact values, exact place."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import typer
import xarray as xr
from click.testing import Result
from numpy.typing import NDArray
from shapely import box
from typer.testing import CliRunner

from flows import cli
from flows.commands import cubes
from flows.workspace import Workspace, open_workspace
from monitoring.errors import SettingsError, UnderwoodError
from monitoring.grid import Block
from monitoring.scenes import Scene, Sensor
from warehouse.cube import Observation, open_cube

WOODS = {"Ash Copse": box(-1.8, 51.6, -1.7985, 51.601), "Birch Holt": box(-1.797, 51.6, -1.796, 51.601)}
FIRST = datetime(2024, 1, 1, 11, tzinfo=UTC)
#: 20 scenes: more than one chunk of times.
N_SCENES = 20
COPSE = ("export", "--woodland", "Ash Copse")


@dataclass(frozen=True)
class Service:
    """A settings file, and the command line on it."""

    config: Path

    @property
    def workspace(self) -> Workspace:
        return open_workspace(str(self.config))

    @property
    def block(self) -> Block:
        (block,) = self.workspace.blocks.values()
        return block

    def run(self, *arguments: object) -> Result:
        app = typer.Typer()
        app.callback()(cli.session)
        cubes.add_commands(app)
        return CliRunner().invoke(app, ["--config", str(self.config), "cube", *map(str, arguments)])

    def said(self, *arguments: object) -> str:
        """What a command that succeeds says."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result.output

    def refusal(self, *arguments: object) -> str:
        """The line of a command that refuses."""
        result = self.run(*arguments)
        assert isinstance(result.exception, UnderwoodError), result.output + repr(result.exception)
        assert "\n" not in str(result.exception)
        return str(result.exception)


def write_woods(path: Path, names: Sequence[str]) -> None:
    rows = {"name": list(names), "status": ["ASNW"] * len(names)}
    geopandas.GeoDataFrame(rows, geometry=[WOODS[name] for name in names], crs=4326).to_file(
        path, driver="GPKG"
    )


def start(folder: Path, names: Sequence[str] = tuple(WOODS)) -> Service:
    """A service that has read nothing yet."""
    write_woods(folder / "woods.gpkg", names)
    lines = {
        "catalogue": folder / "catalog.json",
        "woodlands": folder / "woods.gpkg",
        "home": folder / "home",
    }
    config = folder / "underwood.toml"
    config.write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()), "utf-8")
    return Service(config)


def scene(number: int, sensor: Sensor) -> Scene:
    return Scene(
        id=f"{sensor.value}-{number:04d}",
        collection="sentinel-2-l2a" if sensor is Sensor.S2 else "sentinel-1-rtc",
        source="simulated",
        sensor=sensor,
        platform="sentinel-2a" if number % 2 else "sentinel-2b",
        acquired_at=FIRST + timedelta(days=5 * number),
        acquisition=str(number),
        baseline="05.10",
        offset_dn=1000,
        offset_rule="baseline 04.00 or later",
        epsg=32630,
        bbox=(-1.8, 51.6, -1.79, 51.61),
        hrefs=tuple((band, f"/scenes/{number}/{band}.tif") for band in sensor.bands),
        tile="30UXC",
    )


def told(number: int, column: NDArray[np.int32], row: NDArray[np.int32], band: int) -> NDArray[np.uint16]:
    """What scene `number` shows of cells: zero (missing) for every ninth scene."""
    cell = (column.astype(int) % 61) * 97 + row.astype(int) % 53
    return ((1 + number * 13 + cell * 10 + band) * (number % 9 != 8)).astype(np.uint16)


def seen(number: int, block: Block, sensor: Sensor) -> Observation:
    pixels = block.pixels
    bands = [told(number, pixels.column, pixels.row, band) for band in range(len(sensor.bands))]
    values = np.stack(bands, axis=1)
    if sensor is not Sensor.S2:
        power = values.astype(np.float32)
        return Observation(scene(number, sensor), np.where(power > 0, power, np.float32(np.nan)))
    classes = np.where(values[:, 0] > 0, 4, 0).astype(np.uint8)
    cloud = np.full(len(pixels), number, np.uint8)
    return Observation(scene(number, sensor), values, classes, cloud)


def fill(service: Service, numbers: Sequence[int] = range(N_SCENES)) -> None:
    cube = open_cube(service.workspace.cube, service.block)
    cube.append([seen(number, service.block, sensor) for number in numbers for sensor in Sensor])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service whose cube holds twenty scenes of each sensor."""
    made = start(tmp_path_factory.mktemp("service"))
    fill(made)
    return made


def own_cells(
    service: Service, name: str
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Columns, rows and shares of a woodland's cells."""
    (woodland,) = [each for each in service.workspace.woodlands if each.name == name]
    block = service.block
    share = block.coverage.toarray()[block.woodland_ids.index(woodland.id)]
    return block.pixels.column[share > 0], block.pixels.row[share > 0], share[share > 0]


def expected(service: Service, name: str, number: int, band: int) -> dict[tuple[float, float], int]:
    """Value by (easting, northing) of the cell centre."""
    column, row, _ = own_cells(service, name)
    values = told(number, column, row, band)
    return {(c * 10 + 5.0, r * 10 + 5.0): int(v) for c, r, v in zip(column, row, values, strict=True) if v}


def shown(values: NDArray[np.generic], x: NDArray[np.generic], y: NDArray[np.generic]) -> dict[object, int]:
    """Value by cell centre of whatever is not 0 and not NaN."""
    found = np.nan_to_num(values.astype(float))
    return {(float(x[j]), float(y[i])): int(found[i, j]) for i, j in zip(*np.nonzero(found), strict=True)}


def test_info_tells_each_stream_of_a_block(service: Service) -> None:
    rows = json.loads(service.said("info", "--format", "json"))
    assert [row["sensor"] for row in rows] == ["s2", "s1_ascending", "s1_descending"]
    first = rows[0]
    assert first["block"] == service.block.id
    assert first["scenes"] == N_SCENES
    assert first["first"] == "2024-01-01"
    assert first["last"] == "2024-04-05"
    assert first["pixels"] == len(service.block.pixels)
    assert (first["source"], first["platforms"]) == ("simulated", "sentinel-2a, sentinel-2b")
    assert first["lacking"] == 0
    stored = service.workspace.cube / service.block.id
    assert first["cube_bytes"] == sum(path.stat().st_size for path in stored.rglob("*") if path.is_file())
    table = service.said("info", service.block.id)
    assert service.block.id in table
    assert "1 of 1 blocks have a cube" in table
    assert all(len(line) <= 80 for line in table.splitlines())


def test_info_of_nothing_says_so_and_makes_nothing(tmp_path: Path) -> None:
    empty = start(tmp_path)
    assert empty.said("info") == "no observation is held yet\n"
    assert "there is no cube" in empty.refusal(*COPSE, "--as", "zarr", "--out", tmp_path / "x")
    assert not empty.workspace.cube.exists()


def test_an_unknown_block_is_named(service: Service) -> None:
    assert service.refusal("info", "32630-e1-n1") == (
        "block '32630-e1-n1': not among the 1 blocks of the woodlands"
    )


def test_a_new_woodland_is_counted_as_lacking_and_is_not_exported_yet(tmp_path: Path) -> None:
    fill(start(tmp_path, ["Birch Holt"]), range(3))
    service = start(tmp_path)
    (row,) = [row for row in json.loads(service.said("info", "--format", "json")) if row["sensor"] == "s2"]
    assert (row["scenes"], row["lacking"]) == (3, 3)
    out = tmp_path / "copse.nc"
    n = len(own_cells(service, "Ash Copse")[0])
    assert f"{n} of its {n} pixels are not in the cube yet" in service.refusal(
        *COPSE, "--as", "netcdf", "--out", out
    )
    open_cube(service.workspace.cube, service.block)
    assert "3 of the scenes are not yet read" in service.said(*COPSE, "--as", "netcdf", "--out", out)


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
@pytest.mark.parametrize("sensor", list(Sensor))
def test_xarray_opens_an_export_with_exact_values_in_their_place(
    service: Service, tmp_path: Path, kind: str, sensor: Sensor
) -> None:
    out = tmp_path / "copse"
    said = service.said(*COPSE, "--as", kind, "--out", out, "--sensor", sensor.value)
    assert said.startswith(f"{N_SCENES} {sensor.value} scenes of woodland")
    cube = opened(out, kind, mask_and_scale=False)
    assert cube.sizes["time"] == N_SCENES
    for number in (0, 7, 8, 17, 19):
        for at, band in enumerate(sensor.bands):
            grid = cube[band].values[number]
            values = shown(grid, cube["x"].values, cube["y"].values)
            assert values == expected(service, "Ash Copse", number, at)
    assert cube["scene_id"].values.tolist() == [f"{sensor.value}-{number:04d}" for number in range(N_SCENES)]
    assert cube[band].attrs["grid_mapping"] == "crs"
    assert "32630" in cube["crs"].attrs["crs_wkt"]
    assert json.loads(str(cube["href"].values[3]))[band] == f"/scenes/3/{band}.tif"
    assert cube.attrs["Conventions"].startswith("CF-")


def opened(path: Path, kind: str, **options: bool) -> xr.Dataset:
    if kind == "zarr":
        return xr.open_zarr(path, consolidated=False, chunks=None, **options)
    with xr.open_dataset(path, engine="netcdf4", **options) as dataset:
        return dataset.load()


def test_both_formats_decode_to_the_same_reflectance(service: Service, tmp_path: Path) -> None:
    netcdf, zarr = (
        opened(out, kind)
        for kind in ("netcdf", "zarr")
        for out in [tmp_path / kind]
        if service.said(*COPSE, "--as", kind, "--out", out)
    )
    xr.testing.assert_equal(netcdf, zarr)
    column, row, share = own_cells(service, "Ash Copse")
    cell = {"x": column[0] * 10 + 5, "y": row[0] * 10 + 5}
    assert netcdf["B08"].sel(time="2024-01-01", **cell).item() == pytest.approx(
        told(0, column[:1], row[:1], 3)[0] / 10_000
    )
    assert np.isnan(netcdf["B08"].values[8]).all()
    assert netcdf["cloud_probability"].sel(**cell).values.tolist() == list(range(N_SCENES))
    assert netcdf["scl"].dtype == np.uint8
    assert float(netcdf["coverage"].sum()) == pytest.approx(share.sum(), rel=1e-6)
    assert netcdf.sel(time=slice("2024-01-06", "2024-01-12")).sizes["time"] == 2


def test_gdal_opens_the_netcdf_in_its_place(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "copse.nc"
    service.said(*COPSE, "--as", "netcdf", "--out", out)
    column, row, _ = own_cells(service, "Ash Copse")
    with rasterio.open(f"netcdf:{out}:B08") as file:
        assert tuple(file.transform)[:6] == (10, 0, column.min() * 10, 0, -10, (row.max() + 1) * 10)
        assert file.nodata == 0
        assert file.crs.to_epsg() in {32630, None}
        assert "UTM zone 30N" in file.crs.to_wkt()
        x, y = cell_centres(file)
        assert shown(file.read(2), x, y) == expected(service, "Ash Copse", 1, 3)


def cell_centres(file: rasterio.DatasetReader) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (
        file.transform.c + 5 + 10.0 * np.arange(file.width),
        file.transform.f - 5 - 10.0 * np.arange(file.height),
    )


def test_geotiffs_are_one_file_per_scene_in_their_place(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "copse"
    service.said(*COPSE, "--as", "geotiff", "--out", out)
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == N_SCENES
    assert names[1] == "20240106T110000_s2-0001.tif"
    with rasterio.open(out / names[16]) as file:
        assert file.descriptions == (*Sensor.S2.bands, "SCL")
        assert (file.nodata, file.crs.to_epsg(), file.res) == (0, 32630, (10, 10))
        assert file.scales[:2] == (0.0001, 0.0001)
        for at in range(10):
            values = shown(file.read(at + 1), *cell_centres(file))
            assert values == expected(service, "Ash Copse", 16, at)
        assert set(np.unique(file.read(11))) == {0, 4}
        assert json.loads(file.tags()["provenance"])["scene_id"] == "s2-0016"


def test_radar_geotiffs_have_nan_where_nothing_is(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "copse"
    service.said(*COPSE, "--as", "geotiff", "--out", out, "--sensor", "s1_descending", "--to", "2024-01-20")
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 4
    with rasterio.open(out / names[2]) as file:
        assert np.isnan(file.nodata)
        assert file.descriptions == ("VV", "VH")
        assert shown(file.read(2), *cell_centres(file)) == expected(service, "Ash Copse", 2, 1)


def test_a_scene_id_that_is_no_file_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    service = start(tmp_path)
    bad = seen(1, service.block, Sensor.S2)
    cube = open_cube(service.workspace.cube, service.block)
    cube.append(
        [replace(bad, scene=replace(bad.scene, id=scene_id)) for scene_id in ("../../x", "..\\..\\x")]
    )
    service.said(*COPSE, "--as", "geotiff", "--out", tmp_path / "out" / "copse")
    assert sorted(path.name for path in (tmp_path / "out" / "copse").iterdir()) == [
        "20240106T110000_.._.._x_0.tif",
        "20240106T110000_.._.._x_1.tif",
    ]


def test_a_window_holds_its_first_day_and_not_its_end(service: Service, tmp_path: Path) -> None:
    window = ("--from", "2024-01-06", "--to", "2024-01-16")
    service.said(*COPSE, "--as", "zarr", "--out", tmp_path / "z", *window)
    assert opened(tmp_path / "z", "zarr")["scene_id"].values.tolist() == ["s2-0001", "s2-0002"]


def test_a_window_without_scenes_leaves_nothing(service: Service, tmp_path: Path) -> None:
    window = ("--from", "2019-01-01", "--to", "2019-06-01")
    said = service.refusal(*COPSE, "--as", "netcdf", "--out", tmp_path / "n.nc", *window)
    assert "holds no s2 scene from 2019-01-01 to 2019-06-01" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "geotiff"])
def test_the_same_export_is_the_same_bytes(service: Service, tmp_path: Path, kind: str) -> None:
    for name in ("one", "two"):
        service.said(*COPSE, "--as", kind, "--out", tmp_path / name, "--to", "2024-01-30")
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def bytes_of(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return {str(each.relative_to(path)): each.read_bytes() for each in files}


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "geotiff"])
def test_an_earlier_export_is_replaced_only_when_told(service: Service, tmp_path: Path, kind: str) -> None:
    export = (*COPSE, "--as", kind, "--out", tmp_path / "out")
    service.said(*export, "--to", "2024-01-10")
    before = bytes_of(tmp_path / "out")
    assert "is there already" in service.refusal(*export)
    assert bytes_of(tmp_path / "out") == before
    service.said(*export, "--to", "2024-01-20", "--force")
    assert bytes_of(tmp_path / "out") != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "geotiff"])
def test_what_is_no_export_is_never_replaced(service: Service, tmp_path: Path, kind: str) -> None:
    folder, text = tmp_path / "thesis", tmp_path / "notes.txt"
    folder.mkdir()
    (folder / "chapter.tif").write_text("mine")
    text.write_text("mine")
    (tmp_path / "link").symlink_to(folder)
    for out in (folder, text, tmp_path / "link"):
        assert "not an earlier" in service.refusal(*COPSE, "--as", kind, "--out", out, "--force")
    assert (folder / "chapter.tif").read_text() == text.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_place_that_cannot_be_written_is_one_line(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "copse.nc"
    assert "cannot be written" in service.refusal(*COPSE, "--as", "netcdf", "--out", out)


def test_an_unknown_woodland_is_named(service: Service, tmp_path: Path) -> None:
    said = service.refusal("export", "--woodland", "Oak", "--as", "zarr", "--out", tmp_path / "z")
    assert said.startswith("woodland 'Oak'")


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "geotiff"])
def test_a_full_disk_is_one_line_and_leaves_nothing(service: Service, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "copse"
    with files_of_at_most(1_000):
        said = service.refusal(*COPSE, "--as", kind, "--out", out)
    assert said.startswith(f"{out}: cannot be written: ")
    assert not list(tmp_path.iterdir())


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let the system refuse to write files that are larger, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "geotiff"])
def test_a_name_that_no_file_can_have_is_one_line(service: Service, tmp_path: Path, kind: str) -> None:
    said = service.refusal(*COPSE, "--as", kind, "--out", tmp_path / ("é" * 200))
    assert said.endswith("cannot be written: File name too long")
    assert not list(tmp_path.iterdir())


def test_a_name_as_long_as_may_be_is_written(service: Service, tmp_path: Path) -> None:
    out = tmp_path / ("é" * 127)
    service.said(*COPSE, "--as", "zarr", "--out", out)
    assert list(tmp_path.iterdir()) == [out]


def test_a_minicube_whose_last_day_is_before_its_first_is_wrong_use(tmp_path: Path) -> None:
    days = ("--from", "2024-03-02", "--to", "2024-03-01")
    asked = ("cube", "make", "--lat", "51.6", "--lon", "-1.8", *days, "--catalogue", "none")
    result = CliRunner().invoke(cli.app, [*asked, "--out", str(tmp_path / "m.nc")])
    assert isinstance(result.exception, SettingsError)
    assert "2024-03-02 --to 2024-03-01: the last day is before the first" in str(result.exception)


@pytest.mark.parametrize(
    ("part", "said"),
    [("chunks", "array s2/values: "), ("manifests", ""), ("snapshots", "group s2: missing or damaged")],
)
def test_a_damaged_cube_is_one_line_that_names_it(
    service: Service, tmp_path: Path, part: str, said: str
) -> None:
    sound, service = service, start(tmp_path)
    shutil.copytree(sound.workspace.cube, service.workspace.cube)
    cube = service.workspace.cube / service.block.id
    for path in (cube / part).rglob("*"):
        path.write_bytes(bytes(byte ^ 0xFF for byte in path.read_bytes()))
    refusal = service.refusal(*COPSE, "--as", "netcdf", "--out", tmp_path / "copse.nc")
    assert refusal.startswith(f"cube {cube}: {said}")
    assert not (tmp_path / "copse.nc").exists()
