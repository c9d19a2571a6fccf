"""Maps: real COGs of the estimates, written whole or not at all, with an item that says what they are."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pystac
import pytest
import rasterio
from matplotlib.image import imread
from numpy.typing import NDArray
from pyproj import Transformer

from flows.mapping.item import MapTitle, item_id, plain
from flows.mapping.layers import Colours, Frame, Piece, colours_of, frame_of, gathered, piece_of, preview
from flows.mapping.mapping import park_area, woodland_area
from flows.mapping.maps import map_files, refuse_present, write_maps
from flows.workspace import Workspace
from monitoring.errors import BoundaryError, WarehouseError
from monitoring.estimates import PixelEstimates
from monitoring.grid import PixelSet
from monitoring.seasons import Season
from monitoring.targets import Target

ZONE, NEXT_ZONE = 32630, 32631
WEST, NORTH = 50_000, 590_000
FILES = {"mean.tif", "sd.tif", "mean-colours.tif", "applicability.tif", "preview.png", "item.json"}
NAN = float("nan")


def title(name: str = "Oak Wood") -> MapTitle:
    target = Target("richness", "taxa per standard sample")
    return MapTitle(name, Season(2025, 4), target, {"head": "richness-abc", "n_scenes": 7})


def piece(
    column: Sequence[int] | NDArray[np.int64],
    row: Sequence[int] | NDArray[np.int64],
    mean: Sequence[float] | NDArray[np.float64],
    inside: Sequence[bool] | NDArray[np.bool_] | bool = True,
    epsg: int = ZONE,
) -> Piece:
    """Return cells at (column, row) from the corner, with sd = mean / 10."""
    values = np.asarray(mean, np.float64)
    cells = PixelSet(epsg, WEST + np.asarray(column, np.int32), NORTH + np.asarray(row, np.int32))
    applicable = np.broadcast_to(np.asarray(inside), values.shape) & np.isfinite(values)
    sd, zero = values / 10, np.zeros(len(values), np.int64)
    return piece_of(cells, PixelEstimates(values, sd, sd, sd, values, values, applicable, values, zero))


#: A wood that can be checked by eye: two lines, a hole, a cell that nobody saw, one outside the area.
#:   30 40  .
#:   50  . NaN
WOOD = piece([0, 1, 0, 2], [1, 1, 0, 0], [30, 40, 50, NAN], [True, False, True, True])


def square(edge: int) -> Piece:
    """Return a wood of edge x edge cells whose mean rises from west to east."""
    line, column = np.divmod(np.arange(edge * edge), edge)
    return piece(column, edge - 1 - line, 20 + 40 * column / edge)


def read(path: Path) -> Any:
    with rasterio.open(path) as raster:
        return raster.read(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a map is written."""
    return tmp_path / "maps" / "oak"


def test_every_cell_holds_its_estimate_and_all_others_nothing(folder: Path) -> None:
    assert write_maps([WOOD], title(), folder) == [folder]
    assert {path.name for path in folder.iterdir()} == FILES
    np.testing.assert_array_equal(read(folder / "mean.tif"), np.float32([[30, 40, NAN], [50, NAN, NAN]]))
    np.testing.assert_array_equal(read(folder / "sd.tif"), np.float32([[3, 4, NAN], [5, NAN, NAN]]))
    np.testing.assert_array_equal(read(folder / "applicability.tif"), [[1, 0, 255], [1, 255, 255]])


def test_the_rasters_lie_on_the_ten_metre_grid_of_the_zone(folder: Path) -> None:
    write_maps([WOOD], title(), folder)
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as raster:
            assert raster.crs.to_epsg() == ZONE
            assert raster.bounds == (10 * WEST, 10 * NORTH, 10 * (WEST + 3), 10 * (NORTH + 2))
            assert raster.res == (10, 10)
            # The centre of the cell (column 0, row 0), which holds the 50.
            assert raster.index(10 * WEST + 5, 10 * NORTH + 5) == (1, 0)


def test_a_large_map_is_a_cog_whose_overviews_average_known_cells_only(folder: Path) -> None:
    wood = square(1000)
    known = wood.cells.column % 4 != 1
    wood = Piece(wood.cells, np.where(known, wood.mean, np.nan).astype(np.float32), wood.sd, wood.applicable)
    write_maps([wood], title(), folder)
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as raster:
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert raster.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
            assert raster.block_shapes == [(256, 256)]
            assert raster.overviews(1) == [2, 4]
    mean = read(folder / "mean.tif")
    with rasterio.open(folder / "mean.tif", overview_level=0) as raster:
        halved = raster.read(1)
    np.testing.assert_allclose(halved[0, :2], [mean[0, 0], (mean[0, 2] + mean[0, 3]) / 2], rtol=1e-6)


def test_an_overview_of_applicability_is_what_most_known_cells_are(folder: Path) -> None:
    size = 600
    column, row = np.tile(np.arange(size), 2), np.repeat([size - 1, size - 2], size)
    inside = (column % 2 == 0) & (row == size - 1) & (column < 300)  # one cell in four, in the west
    only = row == size - 1  # in the east half only one line is there, and it is inside
    keep = (column < 300) | only
    wood = piece(column[keep], row[keep], np.ones(keep.sum()), (inside | (column >= 300))[keep])
    write_maps([wood], title(), folder)
    with rasterio.open(folder / "applicability.tif", overview_level=0) as raster:
        first = raster.read(1)[0]
    assert set(first[:150]) == {0}
    assert set(first[150:]) == {1}


def test_colours_come_with_a_table_and_lead_back_to_the_unit(folder: Path) -> None:
    write_maps([square(50)], title(), folder)
    with rasterio.open(folder / "mean-colours.tif") as raster:
        table, codes = raster.colormap(1), raster.read(1)
        back = codes * raster.scales[0] + raster.offsets[0]
        assert raster.nodata == 255
    mean = read(folder / "mean.tif")
    inner = (codes > 0) & (codes < 254)
    assert inner.sum() > 2000
    np.testing.assert_allclose(back[inner], mean[inner], atol=40 / 254)
    assert table[0][:3] == (68, 1, 84)  # the ends of viridis, as published
    assert table[254][:3] == (253, 231, 36) or table[254][:3] == (253, 231, 37)
    with rasterio.open(folder / "applicability.tif") as raster:
        assert raster.colormap(1)[0] != raster.colormap(1)[1]
        assert raster.nodata == 255


def test_the_item_says_what_where_when_and_of_what(folder: Path) -> None:
    write_maps([WOOD], title(), folder)
    item = pystac.Item.from_file(str(folder / "item.json"))
    assert item.id == "oak-wood-2025-q4-richness-epsg32630"
    assert (item.properties["title"], item.datetime) == ("Oak Wood 2025-Q4", None)
    assert item.common_metadata.start_datetime == Season(2025, 4).start
    assert item.common_metadata.end_datetime == Season(2025, 4).end
    assert item.properties["proj:code"] == f"EPSG:{ZONE}"
    assert item.properties["underwood:head"] == "richness-abc"
    assert (item.properties["underwood:n_cells"], item.properties["underwood:n_estimated"]) == (4, 3)
    assert item.properties["underwood:applicable_share"] == pytest.approx(2 / 3)
    with rasterio.open(folder / "mean.tif") as raster:
        assert item.assets["mean"].extra_fields["proj:shape"] == list(raster.shape)
        assert item.assets["mean"].extra_fields["proj:transform"] == list(raster.transform)[:6]
    longitude, latitude = Transformer.from_crs(ZONE, 4326, always_xy=True).transform(
        10 * WEST + 15, 10 * NORTH + 10
    )
    assert item.bbox is not None
    west, south, east, north = item.bbox
    assert west < longitude < east
    assert south < latitude < north
    assert (east - west, north - south) == pytest.approx((30 / 66_000, 20 / 111_000), rel=0.1)
    assert {(folder / asset.href).name for asset in item.assets.values()} == FILES - {"item.json"}
    assert all((folder / asset.href).is_file() for asset in item.assets.values())
    roles = {name: asset.roles for name, asset in item.assets.items()}
    assert roles["preview"] == ["thumbnail"]
    assert roles["mean-colours"] == ["visual"]


def test_the_item_is_plain_json_without_nan(folder: Path) -> None:
    write_maps([WOOD], title(), folder)
    text = (folder / "item.json").read_text("utf-8")
    item = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert (item["type"], item["stac_version"][:2]) == ("Feature", "1.")
    assert str(folder) not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc\n\x1b[31m", "etc-31m-2025-q4-richness-epsg32630"),
        ("Bois de Saint-Élie", "bois-de-saint-elie-2025-q4-richness-epsg32630"),
        ("森", "2025-q4-richness-epsg32630"),
    ],
)
def test_a_name_from_a_boundary_file_becomes_a_harmless_id(name: str, expected: str) -> None:
    assert item_id(title(name), ZONE) == expected
    assert "\x1b" not in plain(name)
    assert "\n" not in plain(name)


def test_the_same_map_is_the_same_bytes() -> None:
    wood = square(300)
    colours = colours_of([wood])
    assert map_files(wood, colours, title()) == map_files(wood, colours, title())


def test_the_order_of_the_blocks_does_not_matter() -> None:
    east, west = piece([5, 6], [0, 0], [1, 2]), piece([0], [3], [7])
    one, other = gathered([east, west]), gathered([west, east])
    np.testing.assert_array_equal(one.mean, [7, 1, 2])
    np.testing.assert_array_equal(other.mean, one.mean)
    np.testing.assert_array_equal(one.cells.row, other.cells.row)


def test_a_cell_that_two_blocks_share_is_drawn_once_and_counts_where_it_is_known() -> None:
    together = gathered([piece([0, 1], [0, 0], [NAN, 4]), piece([0, 1], [0, 0], [3, 5])])
    np.testing.assert_array_equal(together.mean, [3, 4])
    np.testing.assert_array_equal(together.applicable, [1, 1])


def test_a_woodland_of_one_cell_has_a_map(folder: Path) -> None:
    write_maps([piece([0], [0], [42.0])], title(), folder)
    assert read(folder / "mean.tif").tolist() == [[42.0]]
    assert read(folder / "mean-colours.tif").tolist() == [[0]]
    assert imread(folder / "preview.png").shape == (1024, 1024, 4)


def test_two_zones_become_two_folders_with_the_same_colours(folder: Path) -> None:
    pieces = [piece([0, 1], [0, 0], [10, 90], epsg=NEXT_ZONE), piece([0, 1], [0, 0], [10, 30])]
    places = write_maps(pieces, title(), folder)
    assert places == [folder / f"epsg-{ZONE}", folder / f"epsg-{NEXT_ZONE}"]
    coded = [read(place / "mean-colours.tif").tolist() for place in places]
    assert coded[0][0][0] == coded[1][0][0] == 0
    assert coded[0][0][1] < coded[1][0][1] == 254
    ids = {pystac.Item.from_file(str(place / "item.json")).id for place in places}
    assert len(ids) == 2


def test_a_zone_that_nobody_saw_is_drawn_empty_beside_one_that_was_seen(folder: Path) -> None:
    places = write_maps([WOOD, piece([0], [0], [NAN], epsg=NEXT_ZONE)], title(), folder)
    assert np.isnan(read(places[1] / "mean.tif")).all()
    assert json.loads((places[1] / "item.json").read_text())["properties"]["underwood:n_estimated"] == 0


def test_a_map_of_nothing_is_refused_in_one_line(folder: Path) -> None:
    with pytest.raises(WarehouseError, match=r"^map of Oak Wood 2025-Q4: no cell has an estimate$"):
        write_maps([piece([0], [0], [NAN])], title(), folder)
    assert not folder.parent.exists()


def test_woodlands_at_the_two_ends_of_a_zone_are_no_map(folder: Path) -> None:
    with pytest.raises(WarehouseError, match=r"box has 40001 x 40001 cells of 10 m, at most 400,000,000"):
        write_maps([piece([0, 40_000], [0, 40_000], [1, 2])], title(), folder)


def test_a_folder_that_is_there_is_kept_unless_force_is_given(folder: Path) -> None:
    write_maps([WOOD], title(), folder)
    before = (folder / "mean.tif").read_bytes()
    with pytest.raises(WarehouseError, match="is there already; --force replaces an earlier map"):
        write_maps([square(3)], title(), folder)
    assert (folder / "mean.tif").read_bytes() == before
    write_maps([square(3)], title(), folder, force=True)
    assert read(folder / "mean.tif").shape == (3, 3)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_force_replaces_a_map_of_two_zones_by_one_of_one(folder: Path) -> None:
    write_maps([WOOD, piece([0], [0], [1.0], epsg=NEXT_ZONE)], title(), folder)
    (folder / f"epsg-{ZONE}" / "mean.tif.aux.xml").write_text("<statistics of a viewer/>")
    write_maps([WOOD], title(), folder, force=True)
    assert {path.name for path in folder.iterdir()} == FILES


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.docx", "years of work"),
        ("mean.tif", "somebody else's mean"),
        ("item.json", '{"type": "Feature", "properties": {}}'),
        ("item.json", "not even JSON"),
        ("epsg-32630/thesis.docx", "years of work"),
    ],
)
def test_force_never_replaces_a_folder_of_other_files(folder: Path, name: str, content: str) -> None:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(content)
    with pytest.raises(WarehouseError, match="is not of an earlier map, so it is not replaced"):
        write_maps([WOOD], title(), folder, force=True)
    assert (folder / name).read_text() == content


def test_force_never_replaces_a_map_beside_which_somebody_keeps_files(folder: Path) -> None:
    write_maps([WOOD], title(), folder)
    (folder / "notes.txt").write_text("keep me")
    with pytest.raises(WarehouseError, match=r"notes\.txt is not of an earlier map"):
        write_maps([WOOD], title(), folder, force=True)
    assert (folder / "notes.txt").read_text() == "keep me"


def test_force_replaces_neither_a_file_nor_what_a_link_leads_to(tmp_path: Path) -> None:
    write_maps([WOOD], title(), tmp_path / "map")
    (tmp_path / "link").symlink_to(tmp_path / "map")
    (tmp_path / "file").write_text("mine")
    for name in ("link", "file"):
        with pytest.raises(WarehouseError, match="is not of an earlier map"):
            refuse_present(tmp_path / name, force=True)


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow further, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_leaves_the_earlier_map(folder: Path) -> None:
    write_maps([WOOD], title(), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with files_of_at_most(600), pytest.raises(WarehouseError, match=r"cannot be written: File too large$"):
        write_maps([square(40)], title(), folder, force=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_nobody_may_write_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match=r"cannot be written: Not a directory$"):
        write_maps([WOOD], title(), tmp_path / "file" / "map")


def test_a_map_killed_while_it_is_made_leaves_nothing_behind(folder: Path) -> None:
    folder.parent.mkdir()
    script = f"""
        import os, signal
        from pathlib import Path
        import numpy as np
        import flows.mapping.maps
        from flows.mapping.item import MapTitle
        from flows.mapping.layers import Piece
        from monitoring.grid import PixelSet
        from monitoring.seasons import Season
        from monitoring.targets import Target
        # The preview is made after the last raster.
        flows.mapping.maps.preview = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        cell = np.ones(1, np.int32)
        piece = Piece(PixelSet(32630, cell, cell), np.float32(cell), np.float32(cell), np.uint8(cell))
        title = MapTitle("Oak", Season(2025, 4), Target("richness", "taxa"), {{}})
        flows.mapping.maps.write_maps([piece], title, Path({str(folder)!r}))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment, check=False)
    assert done.returncode == -9
    assert list(folder.parent.iterdir()) == []


def test_the_picture_shows_the_mean_and_lets_the_ground_through(tmp_path: Path) -> None:
    wood = piece([0, 1], [1, 0], [10, 20])
    (tmp_path / "p.png").write_bytes(preview(wood, frame_of(wood.cells), Colours(10.0, 10 / 254)))
    shown = imread(tmp_path / "p.png")
    assert shown.shape == (1024, 1024, 4)
    assert shown[0, 0, 3] == shown[-1, -1, 3] == 1
    assert shown[0, -1, 3] == shown[-1, 0, 3] == 0
    assert shown[-1, -1, :3].mean() > shown[0, 0, :3].mean() + 0.3  # much is light, little is dark


def test_a_pixel_of_the_picture_of_a_large_map_is_the_mean_of_its_known_cells(tmp_path: Path) -> None:
    wood = piece([0, 1, 0, 2047], [2047, 2047, 2046, 0], [10, 20, NAN, 40])
    (tmp_path / "p.png").write_bytes(preview(wood, frame_of(wood.cells), Colours(0.0, 1.0)))
    shown = np.rint(imread(tmp_path / "p.png") * 255)
    assert shown.shape == (1024, 1024, 4)
    from reports.ramp import ramp

    np.testing.assert_array_equal(shown[0, 0], ramp(255)[15])
    assert (shown[..., 3] > 0).sum() == 2


def test_a_single_value_has_a_colour() -> None:
    colours = colours_of([piece([0, 1], [0, 0], [1e12, 1e12])])
    assert colours.code(np.float32([1e12, NAN])).tolist() == [0, 255]


def test_a_frame_is_the_box_of_its_cells() -> None:
    assert frame_of(WOOD.cells) == Frame(ZONE, WEST, NORTH + 1, 3, 2)


def workspace(*parks: str) -> Workspace:
    woods = tuple(SimpleNamespace(id=f"w{i}", park=park) for i, park in enumerate(parks))
    settings = SimpleNamespace(woodlands=Path("woods.gpkg"))
    return cast(Workspace, SimpleNamespace(woodlands=woods, settings=settings))


def test_a_park_is_all_its_woodlands() -> None:
    assert park_area(workspace("Vale", "", "Vale"), "Vale").woodland_ids == {"w0", "w2"}


@pytest.mark.parametrize(
    ("park", "parks", "line"),
    [
        ("Dale", ("Vale", "Hill\x1b", "Vale"), r"^park 'Dale': no woodland of it; there are Hill, Vale$"),
        ("", ("", "Vale"), r"^park '': no woodland of it; there are Vale$"),
        ("Dale", ("",), "no woodland has a park$"),
        ("Dale", tuple(f"P{i:02}" for i in range(14)), "P09 and 4 more$"),
    ],
)
def test_a_park_that_is_not_there_is_one_line(park: str, parks: tuple[str, ...], line: str) -> None:
    with pytest.raises(BoundaryError, match=line):
        park_area(workspace(*parks), park)


def test_a_woodland_that_is_not_there_is_one_line() -> None:
    with pytest.raises(BoundaryError, match=r"^woodland 'w7': not in woods.gpkg$"):
        woodland_area(workspace("Vale"), "w7")
