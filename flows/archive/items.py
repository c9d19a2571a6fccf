"""STAC items of the archive, in the shape of Planetary Computer's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import box, mapping

from flows.archive.optics import COARSE_BANDS, OpticalScene
from flows.archive.orbits import Pass
from flows.archive.parks import CELL_M, SIZE, Park
from flows.archive.products import OpticalProduct

Json = dict[str, Any]

S2_COLLECTION, S1_COLLECTION = "sentinel-2-l2a", "sentinel-1-rtc"
RTC_NODATA = -32768
#: Name of the granule metadata beside the bands, with the angle grids.
GRANULE_FILE = "MTD_TL.xml"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
#: From this year on items carry `proj:code` in place of the older `proj:epsg`.
PROJ_CODE_YEAR = 2025
#: Name, common name, wavelength and width in micrometres of each band, from the Sentinel-2 handbook.
BAND_FACTS: dict[str, tuple[str, str, float, float]] = {
    "B02": ("Band 2 - Blue", "blue", 0.490, 0.098),
    "B03": ("Band 3 - Green", "green", 0.560, 0.045),
    "B04": ("Band 4 - Red", "red", 0.665, 0.038),
    "B05": ("Band 5 - Vegetation red edge 1", "rededge", 0.704, 0.019),
    "B06": ("Band 6 - Vegetation red edge 2", "rededge", 0.740, 0.018),
    "B07": ("Band 7 - Vegetation red edge 3", "rededge", 0.783, 0.028),
    "B08": ("Band 8 - NIR", "nir", 0.842, 0.145),
    "B8A": ("Band 8A - Vegetation red edge 4", "rededge", 0.865, 0.033),
    "B11": ("Band 11 - SWIR (1.6)", "swir16", 1.610, 0.143),
    "B12": ("Band 12 - SWIR (2.2)", "swir22", 2.190, 0.242),
}
#: Item property and the scene class it counts.
SCL_SHARES = {
    "s2:saturated_defective_pixel_percentage": 1,
    "s2:dark_features_percentage": 2,
    "s2:cloud_shadow_percentage": 3,
    "s2:vegetation_percentage": 4,
    "s2:not_vegetated_percentage": 5,
    "s2:water_percentage": 6,
    "s2:unclassified_percentage": 7,
    "s2:medium_proba_clouds_percentage": 8,
    "s2:high_proba_clouds_percentage": 9,
    "s2:thin_cirrus_percentage": 10,
    "s2:snow_ice_percentage": 11,
}
_EXTENSION = "https://stac-extensions.github.io/{}/schema.json"


def s2_asset_file(product: OpticalProduct, band: str) -> str:
    """Return the file name of a band, as in the original product."""
    metres = 20 if band in COARSE_BANDS or band == "SCL" else 10
    one = product.sensing
    return f"T{one.park.tile}_{one.sensed_at:%Y%m%dT%H%M%S}_{band}_{metres}m.tif"


def s1_item_id(one: Pass) -> str:
    """Return Planetary Computer's id of a radar item; start and end are 25 s apart."""
    start, end = radar_times(one)
    datatake = f"{_datatake(one):06X}"
    stamps = f"{start:%Y%m%dT%H%M%S}_{end:%Y%m%dT%H%M%S}_{one.orbit:06d}_{datatake}"
    return f"{one.satellite.name}_IW_GRDH_1SDV_{stamps}_rtc"


def radar_times(one: Pass) -> tuple[datetime, datetime]:
    """Return the first and last moment of a radar slice."""
    return one.sensed_at - timedelta(seconds=12.5), one.sensed_at + timedelta(seconds=12.5)


def s2_item(product: OpticalProduct, scene: OpticalScene, folder: Path) -> Json:
    """Return the item of a product whose COGs and granule metadata lie in `folder`."""
    one = product.sensing
    assets = {band: _s2_asset(product, band, folder) for band in sorted([*scene.bands, "SCL"])}
    assets["granule-metadata"] = _granule_asset(folder)
    properties = {
        "datetime": _stamp(one.sensed_at),
        "platform": f"Sentinel-2{one.satellite.name[-1]}",
        **_projection(one),
        "instruments": ["msi"],
        "constellation": "Sentinel 2",
        "created": _stamp(product.generated_at + timedelta(hours=2)),
        "updated": _stamp(product.generated_at + timedelta(hours=2)),
        "sat:orbit_state": one.orbit_state,
        "sat:relative_orbit": one.relative_orbit,
        **_s2_names(product),
        **_s2_shares(scene.scl),
        "s2:mean_solar_zenith": round(scene.sun.zenith, 6),
        "s2:mean_solar_azimuth": round(scene.sun.azimuth, 6),
        "s2:reflectance_conversion_factor": _earth_sun_factor(one.sensed_at),
        "underwood:simulated": True,
    }
    extensions = ["eo/v1.0.0", "sat/v1.0.0", _projection_version(one), "file/v2.1.0"]
    return _item(product.id, S2_COLLECTION, one, properties, assets, extensions)


def s1_item(one: Pass, folder: Path) -> Json:
    """Return the item of a radar pass whose COGs lie in `folder`."""
    start, end = radar_times(one)
    properties = {
        "datetime": _stamp(one.sensed_at),
        "start_datetime": f"{start:%Y-%m-%d %H:%M:%S.%f}+00:00",
        "end_datetime": f"{end:%Y-%m-%d %H:%M:%S.%f}+00:00",
        "platform": f"SENTINEL-1{one.satellite.name[-1]}",
        "constellation": "Sentinel-1",
        **_projection(one),
        "proj:bbox": list(one.park.bounds_m),
        "proj:shape": [SIZE, SIZE],
        "proj:transform": [*_transform(one.park, CELL_M), 0, 0, 1],
        "created": _stamp(one.sensed_at + timedelta(hours=9)),
        "updated": _stamp(one.sensed_at + timedelta(hours=9)),
        "s1:datatake_id": str(_datatake(one)),
        "s1:orbit_source": "RESORB",
        "s1:instrument_configuration_ID": "7",
        "sar:instrument_mode": "IW",
        "sar:product_type": "GRD",
        "sar:polarizations": ["VV", "VH"],
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:looks_range": 5,
        "sar:looks_azimuth": 1,
        "sar:looks_equivalent_number": 4.4,
        "sar:resolution_range": 20,
        "sar:resolution_azimuth": 22,
        "sar:pixel_spacing_range": 10,
        "sar:pixel_spacing_azimuth": 10,
        "sar:observation_direction": "right",
        "sat:orbit_state": one.orbit_state,
        "sat:absolute_orbit": one.orbit,
        "sat:relative_orbit": one.relative_orbit,
        "sat:platform_international_designator": one.satellite.designator,
        "processing:level": "L1",
        "underwood:simulated": True,
    }
    versions = ["sar/v1.0.0", "sat/v1.0.0", _projection_version(one), "processing/v1.2.0"]
    extensions = [*versions, "file/v2.1.0", "raster/v1.1.0", "sentinel-1/v0.2.0"]
    assets = {name: _s1_asset(name, folder) for name in ("vh", "vv")}
    return _item(s1_item_id(one), S1_COLLECTION, one, properties, assets, extensions)


def _item(
    item_id: str,
    collection: str,
    one: Pass,
    properties: Json,
    assets: Mapping[str, Json],
    versions: list[str],
) -> Json:
    bbox = tuple(round(degrees, 8) for degrees in one.park.bbox)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [_EXTENSION.format(version) for version in versions],
        "id": item_id,
        "collection": collection,
        "geometry": mapping(box(*bbox)),
        "bbox": list(bbox),
        "properties": properties,
        "links": [
            {"rel": "root", "href": "../../../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
            {"rel": "collection", "href": "../../collection.json", "type": "application/json"},
        ],
        "assets": dict(assets),
    }


def _s2_asset(product: OpticalProduct, band: str, folder: Path) -> Json:
    cell_m = 20 if band in COARSE_BANDS or band == "SCL" else 10
    park, file = product.sensing.park, s2_asset_file(product, band)
    asset: Json = {
        "href": f"./{file}",
        "type": COG_TYPE,
        "roles": ["data"],
        "gsd": float(cell_m),
        "proj:bbox": [float(edge) for edge in park.bounds_m],
        "proj:shape": [SIZE * CELL_M // cell_m] * 2,
        "proj:transform": [float(term) for term in _transform(park, cell_m)],
        **_file_facts(folder / file),
    }
    if band == "SCL":
        return {**asset, "title": "Scene classfication map (SCL)"}
    title, common, centre, width = BAND_FACTS[band]
    facts = {"center_wavelength": centre, "full_width_half_max": width}
    bands = [{"name": band, "common_name": common, "description": title, **facts}]
    return {**asset, "title": f"{title} - {cell_m}m", "eo:bands": bands}


def _granule_asset(folder: Path) -> Json:
    return {
        "href": f"./{GRANULE_FILE}",
        "type": "application/xml",
        "roles": ["metadata"],
        "title": "Granule metadata",
        **_file_facts(folder / GRANULE_FILE),
    }


def _s1_asset(name: str, folder: Path) -> Json:
    received = {"vv": "vertical", "vh": "horizontal"}[name]
    return {
        "href": f"./iw-{name}.rtc.tiff",
        "type": COG_TYPE,
        "roles": ["data"],
        "title": f"{name.upper()}: vertical transmit, {received} receive",
        "description": "Terrain-corrected gamma naught, linear power (simulated)",
        "raster:bands": [{"nodata": RTC_NODATA, "data_type": "float32", "spatial_resolution": CELL_M}],
        **_file_facts(folder / f"iw-{name}.rtc.tiff"),
    }


def _file_facts(path: Path) -> Json:
    content = path.read_bytes()
    multihash = "1220" + hashlib.sha256(content).hexdigest()
    return {"file:size": len(content), "file:checksum": multihash}


def granule_name(product: OpticalProduct) -> str:
    """Return the name of a product's granule, as in its metadata."""
    one = product.sensing
    return f"{_station(product, 'TL')}_A{one.orbit:06d}_T{one.park.tile}_N{product.baseline}"


def _station(product: OpticalProduct, kind: str) -> str:
    generated = f"{product.generated_at:%Y%m%dT%H%M%S}"
    return f"{product.sensing.satellite.name}_OPER_MSI_L2A_{kind}_SIMU_{generated}"


def _s2_names(product: OpticalProduct) -> Json:
    one, version = product.sensing, f"N{product.baseline}"
    start = f"{one.sensed_at:%Y%m%dT%H%M%S}"
    return {
        "s2:mgrs_tile": one.park.tile,
        "s2:processing_baseline": product.baseline,
        "s2:product_uri": product.product_uri,
        "s2:product_type": "S2MSI2A",
        "s2:generation_time": _stamp(product.generated_at),
        "s2:datatake_id": f"G{one.satellite.name}_{start}_{one.orbit:06d}_{version}",
        "s2:datatake_type": "INS-NOBS",
        "s2:datastrip_id": f"{_station(product, 'DS')}_S{start}_{version}",
        "s2:granule_id": granule_name(product),
        "s2:degraded_msi_data_percentage": 0.0,
    }


def _s2_shares(scl: NDArray[np.uint8]) -> Json:
    count = np.bincount(scl.ravel(), minlength=12)
    seen = max(int(count[1:].sum()), 1)
    shares = {name: round(100.0 * int(count[code]) / seen, 6) for name, code in SCL_SHARES.items()}
    cloud = round(100.0 * int(count[[8, 9, 10]].sum()) / seen, 6)
    missing = round(100.0 * int(count[0]) / scl.size, 6)
    return {"eo:cloud_cover": cloud, "s2:nodata_pixel_percentage": missing, **shares}


def _projection(one: Pass) -> Json:
    epsg = one.park.epsg
    return {"proj:code": f"EPSG:{epsg}"} if one.sensed_at.year >= PROJ_CODE_YEAR else {"proj:epsg": epsg}


def _projection_version(one: Pass) -> str:
    return "projection/v2.0.0" if one.sensed_at.year >= PROJ_CODE_YEAR else "projection/v1.0.0"


def _transform(park: Park, cell_m: int) -> list[int]:
    return [cell_m, 0, park.west_m, 0, -cell_m, park.north_m]


def _datatake(one: Pass) -> int:
    return one.orbit * 7 + 1871


def _earth_sun_factor(moment: datetime) -> float:
    day = moment.timetuple().tm_yday
    return round(float((1.0 - 0.01673 * np.cos(0.9856 * np.pi / 180.0 * (day - 4))) ** -2), 12)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
