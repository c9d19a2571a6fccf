"""Woodlands: every format, stable ids, what is mended and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon

from flows.sources.boundaries.parks import Park, park_names, read_parks
from flows.sources.boundaries.polygons import UnusablePolygonError, equal_area_ha, mend
from flows.sources.boundaries.woodlands import WoodlandColumns, read_woodlands
from monitoring.errors import BoundaryError
from monitoring.woodlands import Status

FORMATS = ("woods.gpkg", "woods.geojson", "woods.shp", "woods.parquet")


def square(west: float = -2.0, south: float = 51.0, size: float = 0.01) -> Polygon:
    return shapely.box(west, south, west + size, south + size)


def write(path: Path, geometries: list[Any], crs: Any = 4326, **columns: Any) -> Path:
    """Write polygons given in degrees to a file in the reference system `crs`."""
    frame = gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(geometries, crs=4326)).to_crs(crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


def write_geojson(path: Path, geometries: list[Any], **properties: Any) -> Path:
    features = [{"type": "Feature", "properties": properties, "geometry": one} for one in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


# --- formats and ids


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_woodlands(tmp_path: Path, name: str) -> None:
    polygons = [square(), MultiPolygon([square(-1.9), square(-1.8)])]
    columns = {
        "wood_id": ["A1", "A2"],
        "name": ["Oak Wood", None],
        "park": ["P", ""],
        "status": ["ASNW", "PAWS"],
    }
    reading = read_woodlands(
        write(tmp_path / name, polygons, 27700 if name == "woods.gpkg" else 4326, **columns)
    )
    one, two = reading.woodlands
    assert (one.id, one.name, one.park, one.status) == ("A1", "Oak Wood", "P", Status.ASNW)
    assert (two.id, two.name, two.park, two.status) == ("A2", "", "", Status.PAWS)
    assert len(two.geometry.geoms) == 2
    assert two.area_ha == pytest.approx(2 * one.area_ha, rel=1e-6)
    assert not reading.refused
    assert not reading.notes


@pytest.mark.parametrize("name", FORMATS)
def test_ids_from_geometry_are_the_same_in_every_format_and_order(tmp_path: Path, name: str) -> None:
    polygons = [Point(-2 + i / 20, 51.5).buffer(0.003 + i / 2000) for i in range(6)]
    plain = read_woodlands(write(tmp_path / "plain.gpkg", polygons, label=list("abcdef")))
    other = read_woodlands(write(tmp_path / name, polygons[::-1], label=list("abcdef")))
    assert [w.id for w in other.woodlands] == [w.id for w in plain.woodlands][::-1]
    assert len({w.id for w in plain.woodlands}) == 6
    assert all(w.id.startswith("g") for w in plain.woodlands)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.integers(0, 11), st.booleans(), st.floats(-7, 1.5), st.floats(50, 58))
def test_an_id_does_not_depend_on_where_a_ring_starts_or_turns(
    tmp_path_factory: pytest.TempPathFactory, n: int, start: int, turned: bool, x: float, y: float
) -> None:
    ring = [
        (x + 0.01 * np.cos(a), y + 0.01 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, n, endpoint=False)
    ]
    moved = ring[start % n :] + ring[: start % n]
    folder = tmp_path_factory.getbasetemp()
    ids = []
    for points in (ring, moved[::-1] if turned else moved):
        path = write_geojson(folder / "ring.geojson", [shapely.geometry.mapping(Polygon(points))])
        ids.append(read_woodlands(path).woodlands[0].id)
    assert ids[0] == ids[1]


def test_repeated_ids_are_replaced_by_those_of_the_geometry(tmp_path: Path) -> None:
    ids = [1410201.0, 1410201.0, 1502624.0, np.nan]
    path = write(tmp_path / "w.gpkg", [square(-2 + i / 10) for i in range(4)], THEMID=ids)
    found = [woodland.id for woodland in read_woodlands(path).woodlands]
    assert found[2] == "1502624"
    assert [one[0] for one in found] == ["g", "g", "1", "g"]
    assert len(set(found)) == 4


@pytest.mark.parametrize("bad", ["../../etc/passwd", "a/b", "x\n", "", "a" * 81, "<script>"])
def test_an_id_that_is_no_name_is_replaced(tmp_path: Path, bad: str) -> None:
    path = write_geojson(tmp_path / "w.geojson", [shapely.geometry.mapping(square())], wood_id=bad)
    (woodland,) = read_woodlands(path).woodlands
    assert woodland.id.startswith("g") or woodland.id == "x"


def test_the_same_polygon_twice_without_an_id_is_taken_once(tmp_path: Path) -> None:
    path = write(tmp_path / "w.gpkg", [square(), square(-1.9), square()], label=list("abc"))
    reading = read_woodlands(path)
    assert len(reading.woodlands) == 2
    assert [(r.feature_number, r.reason) for r in reading.refused] == [(3, "the same polygon as feature 1")]


def test_unlike_polygons_at_one_place_keep_ids_of_their_own(tmp_path: Path) -> None:
    almost = Polygon([*list(square().exterior.coords)[:-1], (-2.0 + 1e-5, 51.0)])
    forward = read_woodlands(write(tmp_path / "a.gpkg", [square(), almost], label=["a", "b"]))
    backward = read_woodlands(write(tmp_path / "b.gpkg", [almost, square()], label=["a", "b"]))
    ids = [w.id for w in forward.woodlands]
    assert len(set(ids)) == 2
    assert ids == [w.id for w in backward.woodlands][::-1]


def test_overlapping_woodlands_are_both_kept_and_noted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "w.gpkg", [square(), square(-1.995), square(-1.99, 51.01)], wood_id=["a", "b", "c"]
    )
    reading = read_woodlands(path)
    assert [woodland.id for woodland in reading.woodlands] == ["a", "b", "c"]
    assert [note.woodland_id for note in reading.notes] == ["a"]
    assert reading.notes[0].text.startswith("overlaps b by 39")


# --- attributes


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("ASNW", Status.ASNW),
        ("Ancient & Semi-Natural Woodland", Status.ASNW),
        ("ancient replanted woodland", Status.PAWS),
        ("AWPP", Status.AWP),
        ("other", Status.OTHER),
        (None, Status.OTHER),
    ],
)
def test_a_status_is_known_by_its_names(tmp_path: Path, text: str | None, status: Status) -> None:
    reading = read_woodlands(
        write_geojson(tmp_path / "w.geojson", [shapely.geometry.mapping(square())], status=text)
    )
    assert reading.woodlands[0].status is status
    assert not reading.notes


def test_a_status_that_is_not_known_is_noted(tmp_path: Path) -> None:
    reading = read_woodlands(
        write_geojson(tmp_path / "w.geojson", [shapely.geometry.mapping(square())], status="old")
    )
    assert reading.woodlands[0].status is Status.OTHER
    assert "'old' is not known" in reading.notes[0].text


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "w.gpkg", [square()], code=["7"], label=["Oak"], name=["not this"])
    (woodland,) = read_woodlands(path, WoodlandColumns(id="code", name="label")).woodlands
    assert (woodland.id, woodland.name) == ("7", "Oak")
    with pytest.raises(BoundaryError, match="no column 'nr', it has code, label, name"):
        read_woodlands(path, WoodlandColumns(id="nr"))


def test_a_park_comes_from_the_column_then_the_layer_then_the_argument(tmp_path: Path) -> None:
    polygons = [square(), square(-1.5), square(0.0)]
    path = write(tmp_path / "w.gpkg", polygons, wood_id=list("abc"), park=["Own", None, None])
    parks = (Park("First", square(-3, 50, 2)), Park("Second", square(-3, 50, 2)))
    reading = read_woodlands(path, parks=parks, park="Elsewhere")
    assert [woodland.park for woodland in reading.woodlands] == ["Own", "First", "Elsewhere"]
    assert park_names([], parks) == []
    assert park_names([square()], ()) == [""]


# --- geometry


def test_a_bow_tie_is_mended_and_said_so(tmp_path: Path) -> None:
    bow = Polygon([(-2, 51), (-1.99, 51.01), (-1.99, 51), (-2, 51.01)])
    (woodland,) = read_woodlands(write(tmp_path / "w.gpkg", [bow], wood_id=["a"])).woodlands
    assert woodland.geometry.is_valid
    assert woodland.repaired.startswith("made valid: Self-intersection")
    assert woodland.area_ha == pytest.approx(equal_area_ha(square()) / 2, rel=1e-3)


def test_a_shell_inside_a_shell_is_land_not_a_hole() -> None:
    nested = MultiPolygon([square(size=0.01), square(-1.997, 51.003, 0.004)])
    mended = mend(nested, 1e6)
    assert mended.area_ha == pytest.approx(equal_area_ha(square()), rel=1e-9)
    assert "Nested shells" in mended.repaired


def test_holes_stay_holes() -> None:
    holed = square().difference(square(-1.997, 51.003, 0.004))
    assert mend(holed, 1e6).area_ha == pytest.approx(equal_area_ha(square()) * (1 - 0.16), rel=1e-4)
    assert mend(shapely.force_3d(holed), 1e6).polygon.has_z is False


def polygon_json(*points: tuple[Any, Any]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [list(points)]}


REFUSED: list[tuple[Any, str]] = [
    (None, "no geometry"),
    ({"type": "Polygon", "coordinates": []}, "geometry"),
    ({"type": "Point", "coordinates": [-2, 51]}, "a Point: a polygon is needed"),
    ({"type": "LineString", "coordinates": [[-2, 51], [-1, 51]]}, "a LineString"),
    (polygon_json((-2, 51), (-1, 51), (-2, 51), (-2, 51)), "invalid beyond repair|area"),
    (polygon_json((400000, 180000), (401000, 180000), (401000, 181000), (400000, 180000)), "longitude to"),
    (polygon_json((-2, 89), (-1, 89), (-1, 89.5), (-2, 89)), "latitude 89"),
    (shapely.geometry.mapping(shapely.box(-5, 50, 0, 55)), "at most 100000 ha"),
]


@pytest.mark.parametrize(("geometry", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_no_woodland_can_be_made_of_is_refused_by_number(
    tmp_path: Path, geometry: Any, said: str
) -> None:
    good = shapely.geometry.mapping(square())
    reading = read_woodlands(write_geojson(tmp_path / "w.geojson", [good, geometry], name="Oak"))
    assert len(reading.woodlands) == 1
    (refused,) = reading.refused
    assert (refused.feature_number, refused.name) == (2, "Oak")
    assert any(part in refused.reason for part in said.split("|"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coordinates_that_are_not_finite_are_refused(value: float) -> None:
    with np.errstate(invalid="ignore"):
        broken = Polygon([(-2, 51), (-1, 51), (value, 52)])
    with pytest.raises(UnusablePolygonError, match="not finite"):
        mend(broken, 1e6)


def test_coordinates_outside_the_projections_domain_are_refused(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"wood_id": ["a"]}, geometry=[shapely.box(1e30, 1e30, 2e30, 2e30)], crs=27700)
    frame.to_file(tmp_path / "w.gpkg")
    assert "domain" in read_woodlands(tmp_path / "w.gpkg").refused[0].reason


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, -1), st.floats(51, 52)), min_size=3, max_size=8, unique=True))
def test_any_ring_is_mended_or_refused(points: list[tuple[float, float]]) -> None:
    try:
        mended = mend(Polygon(points), 1e6)
    except UnusablePolygonError:
        return  # its text is tested above
    assert mended.polygon.is_valid
    assert mended.area_ha > 0


# --- files


def test_a_file_without_a_reference_system_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "w.shp", [square()], wood_id=["a"])
    path.with_suffix(".prj").unlink()
    with pytest.raises(BoundaryError, match="no coordinate reference system"):
        read_woodlands(path)


@pytest.mark.parametrize("name", ["w.kml", "w.zip", "w", "w.csv"])
def test_another_extension_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(BoundaryError, match="extension"):
        read_woodlands(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"<OGRVRTDataSource/>", b"SQLite format 3\0", b"{", b'{"a": 1}', b"PAR1PAR1"],
)
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_not_what_it_says_is_one_clear_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BoundaryError) as caught:
        read_woodlands(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BoundaryError, match="No such file"):
        read_woodlands(tmp_path / "w.gpkg")


@pytest.mark.parametrize("name", ["woods.gpkg", "woods.parquet"])
def test_a_truncated_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / name, [square(-2 + i / 50) for i in range(50)], wood_id=[f"w{i}" for i in range(50)]
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(BoundaryError, match=name):
        read_woodlands(path)


def test_of_several_layers_the_one_called_woodlands_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.gpkg"
    for layer in ("roads", "rivers"):
        gpd.GeoDataFrame({"a": [1]}, geometry=[LineString([(0, 0), (1, 1)])], crs=4326).to_file(
            path, layer=layer
        )
    with pytest.raises(BoundaryError, match="it has roads, rivers"):
        read_woodlands(path)
    frame = gpd.GeoDataFrame({"wood_id": ["a"]}, geometry=[square()], crs=4326)
    frame.to_file(path, layer="woodlands")
    assert [woodland.id for woodland in read_woodlands(path).woodlands] == ["a"]
    assert read_woodlands(path, layer="roads").refused[0].reason == "a LineString: a polygon is needed"


def test_an_empty_layer_gives_no_woodland(tmp_path: Path) -> None:
    reading = read_woodlands(write_geojson(tmp_path / "w.geojson", []))
    assert reading.woodlands == ()


def test_a_park_file_needs_names(tmp_path: Path) -> None:
    with pytest.raises(BoundaryError, match="no column named"):
        read_parks(write(tmp_path / "a.gpkg", [square()], code=["x"]))
    with pytest.raises(BoundaryError, match="feature 2 has no name"):
        read_parks(write(tmp_path / "b.gpkg", [square(), square(0)], name=["x", None]))


# --- real boundaries


def test_the_ancient_woodland_inventory_around_swindon_is_read_whole(shared: Path) -> None:
    path = shared / "data" / "woodland_polygons" / "Ancient_Woodland_swindon.geojson"
    reading = read_woodlands(path)
    published = gpd.read_file(path)
    assert len(reading.woodlands) == 251
    assert not reading.refused
    assert Counter(w.status for w in reading.woodlands) == {Status.ASNW: 187, Status.PAWS: 64}
    areas = np.array([woodland.area_ha for woodland in reading.woodlands])
    np.testing.assert_allclose(areas, published["AREA"], rtol=1e-3)
    assert areas.sum() == pytest.approx(1121, rel=1e-3)
    ids = [woodland.id for woodland in reading.woodlands]
    assert len(set(ids)) == 251
    assert ids[0] == "1410201"
    assert sum(one.startswith("g") for one in ids) == published["THEMID"].duplicated(keep=False).sum() == 55


def test_the_national_parks_are_read_and_snowdonia_is_mended(shared: Path) -> None:
    parks = read_parks(shared / "data" / "woodland_polygons" / "national_parks_gb.geojson")
    assert len(parks) == 15
    assert [park.name for park in parks if park.repaired] == ["Snowdonia"]
    assert all(park.geometry.is_valid for park in parks)
    area = {park.name: equal_area_ha(park.geometry) for park in parks}
    assert area["Snowdonia"] == pytest.approx(213_000, rel=0.02)
    assert park_names([square(-3.95, 50.58, 0.01)], parks) == ["Dartmoor"]


def test_national_parks_are_too_large_for_woodlands_unless_asked(shared: Path) -> None:
    path = shared / "data" / "woodland_polygons" / "national_parks_gb.geojson"
    assert len(read_woodlands(path).refused) == 10
    assert len(read_woodlands(path, max_area_ha=1e6).woodlands) == 15


def test_wytham_keeps_its_clearings_and_lies_where_it_lies(shared: Path) -> None:
    path = shared / "data" / "woodland_polygons" / "wytham_perimeter_with_clearings.shp"
    reading = read_woodlands(path)
    assert len(reading.woodlands) == 5
    main = max(reading.woodlands, key=lambda woodland: woodland.area_ha)
    assert main.area_ha == pytest.approx(385.4, rel=1e-3)
    assert len(main.geometry.interiors) == 4
    # the file states British National Grid without its code; without the datum shift it lies 115 m off
    grid = gpd.read_file(path).set_crs(27700, allow_override=True).to_crs(32630).geometry.iloc[0].centroid
    found = gpd.GeoSeries([main.geometry], crs=4326).to_crs(32630).iloc[0].centroid
    assert found.distance(grid) < 1
