"""Product XML: what the metadata of a Sentinel-2 L2A product state, read as an untrusted file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import shapely

from flows.sources.assets.angles import BAND_IDS
from flows.sources.checksums import named_multihash
from flows.sources.scenes.acquisitions import moment
from flows.sources.scenes.footprints import outline_of_positions
from flows.sources.scenes.offsets import SCALE_DN
from flows.sources.scenes.unfit import UnfitError
from flows.sources.xml_documents import MAX_BYTES, XmlRefusedError, xml_root
from monitoring.scenes import S2_BANDS

_NAME = re.compile(r"(S2[A-Z])_MSIL2A_\d{8}T\d{6}_N\d{4}_R\d{3}_T(\d\d[C-X][A-Z]{2})_\d{8}T\d{6}")
_EPSG = re.compile(r"EPSG:(\d{4,6})")


def read_xml(path: Path) -> Element:
    """Return the root element of an XML file; UnfitError names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            return xml_root(file.read(MAX_BYTES + 1))
    except XmlRefusedError as error:
        raise UnfitError(f"{path.name}: {error}") from error.__cause__
    except OSError as error:
        raise UnfitError(f"{path.name}: cannot be read: {error.strerror or type(error).__name__}") from error


@dataclass(frozen=True)
class Product:
    """What MTD_MSIL2A.xml states of a product."""

    name: str
    """Product name without `.SAFE`."""
    platform: str
    """`Sentinel-2A`, ..."""
    datatake: str
    """`GS2A_20190212T192651_019029_N02.12`."""
    baseline: str
    tile: str
    relative_orbit: int
    started_at: datetime
    generated_at: str
    offset_dn: int | None
    """Digital number to subtract from every band (minus BOA_ADD_OFFSET); None where none is stated."""
    cloud_fraction: float
    """0-1; NaN where it is not stated."""
    footprint: shapely.Geometry
    """Polygon in degrees."""
    images: tuple[str, ...]
    """Paths of the image files within the product, without their suffix."""
    is_geotiff: bool
    """Images are GeoTIFF (converted products); JPEG 2000 otherwise, as ESA delivers them."""


def product_of(root: Element) -> Product:
    """Return what a product's metadata state; UnfitError names what is missing or not as it must be."""
    level = _text(root, "PROCESSING_LEVEL")
    if not level.startswith("Level-2A"):
        raise UnfitError(f"{level[:20] or 'no processing level'}: surface reflectance is needed (Level-2A)")
    name = _text(root, "PRODUCT_URI").removesuffix(".SAFE")
    named = _NAME.fullmatch(name)
    if named is None:
        raise UnfitError(f"PRODUCT_URI {name[:80]!r} is not the name of an L2A product")
    _check_quantification(root)
    granule = _only_granule(root)
    return Product(
        name=name,
        platform=_text(root, "SPACECRAFT_NAME"),
        datatake=_attribute(root, "Datatake", "datatakeIdentifier"),
        baseline=_text(root, "PROCESSING_BASELINE"),
        tile=named[2],
        relative_orbit=_orbit(root),
        started_at=_started_at(root),
        generated_at=_text(root, "GENERATION_TIME"),
        offset_dn=_offset_dn(root),
        cloud_fraction=_cloud_fraction(root),
        footprint=_footprint(root),
        images=tuple((image.text or "").strip() for image in granule.iter("IMAGE_FILE")),
        is_geotiff=granule.get("imageFormat", "").lower() == "geotiff",
    )


def _text(root: Element, tag: str) -> str:
    """Return the text of the first element of that name; empty where there is none."""
    found = next(root.iter(tag), None)
    return (found.text or "").strip() if found is not None else ""


def _attribute(root: Element, tag: str, key: str) -> str:
    found = next(root.iter(tag), None)
    return found.get(key, "") if found is not None else ""


def _check_quantification(root: Element) -> None:
    stated = _text(root, "BOA_QUANTIFICATION_VALUE")
    if _number(stated) != SCALE_DN:
        raise UnfitError(f"BOA_QUANTIFICATION_VALUE is {stated[:20] or 'not stated'}: {SCALE_DN} is needed")


def _number(text: str) -> float:
    """Return a finite number; NaN for anything else."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _only_granule(root: Element) -> Element:
    granules = list(root.iter("Granule"))
    if len(granules) != 1:
        raise UnfitError(f"{len(granules)} granules in one product: 1 is needed")
    return granules[0]


def _orbit(root: Element) -> int:
    number = _text(root, "SENSING_ORBIT_NUMBER")
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else 0


def _started_at(root: Element) -> datetime:
    started_at = moment(_text(root, "PRODUCT_START_TIME"))
    if started_at is None:
        raise UnfitError("no PRODUCT_START_TIME")
    return started_at


def _offset_dn(root: Element) -> int | None:
    """Return what all optical bands subtract; UnfitError where one is missing or another."""
    stated = {one.get("band_id", ""): (one.text or "").strip() for one in root.iter("BOA_ADD_OFFSET")}
    if not stated:
        return None
    offsets = {band: _number(stated.get(str(BAND_IDS.index(band)), "")) for band in S2_BANDS}
    lacking = next((band for band in S2_BANDS if not offsets[band].is_integer()), None)
    if lacking:
        raise UnfitError(f"BOA_ADD_OFFSET of band {lacking} is not a whole number")
    if len(set(offsets.values())) > 1:
        said = ", ".join(f"{band} {offsets[band]:g}" for band in S2_BANDS)
        raise UnfitError(f"BOA_ADD_OFFSET is not the same for all bands: {said}")
    return -int(offsets[S2_BANDS[0]])


def _cloud_fraction(root: Element) -> float:
    percent = _number(_text(root, "Cloud_Coverage_Assessment"))
    return percent / 100 if 0 <= percent <= 100 else math.nan


def _footprint(root: Element) -> shapely.Geometry:
    numbers = [_number(word) for word in _text(root, "EXT_POS_LIST").split()[:20_000]]
    outline = outline_of_positions(list(zip(numbers[1::2], numbers[::2], strict=False)))  # latitude first
    if outline is None:
        raise UnfitError("EXT_POS_LIST is not the outline of a footprint")
    return outline


def epsg_of(granule: Element) -> int:
    """Return the EPSG code of a granule's grid (MTD_TL.xml); UnfitError where it states none."""
    code = _text(granule, "HORIZONTAL_CS_CODE")
    found = _EPSG.fullmatch(code)
    if found is None:
        raise UnfitError(f"HORIZONTAL_CS_CODE {code[:20]!r} is not an EPSG code")
    return int(found[1])


def masks_of(granule: Element) -> tuple[str, ...]:
    """Return the paths within the product of the masks that a granule's metadata (MTD_TL.xml) list."""
    return tuple((mask.text or "").strip() for mask in granule.iter("MASK_FILENAME"))


def manifest_checksums(manifest: Element) -> dict[str, str]:
    """Return the multihash of each file by its path within the product, where manifest.safe states one."""
    found: dict[str, str] = {}
    for stream in manifest.iter("byteStream"):
        path = _attribute(stream, "fileLocation", "href").removeprefix("./")
        checksum = named_multihash(_attribute(stream, "checksum", "checksumName"), _text(stream, "checksum"))
        if path and checksum:
            found[path] = checksum
    return found
