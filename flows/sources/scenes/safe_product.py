"""From a SAFE product's folder to a scene: the product's own metadata decide."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.sources.addresses import AddressRefusedError, Place, resolve
from flows.sources.catalogues.provenance import ESA
from flows.sources.scenes.acquisitions import (
    baseline_of,
    optical_acquisition,
    optical_orbit,
    platform_of,
    version_of,
)
from flows.sources.scenes.items import Offer, Rejected, published_or_refused
from flows.sources.scenes.offsets import AS_PUBLISHED, CORRECTED, Offset, OffsetRule, agreed
from flows.sources.scenes.product_xml import (
    Product,
    epsg_of,
    manifest_checksums,
    masks_of,
    product_of,
    read_xml,
)
from flows.sources.scenes.unfit import UnfitError
from monitoring.scenes import ANGLES, CLOUD_BAND, S2_BANDS, SCL_BAND, Scene, Sensor

#: File in a product's folder that states what the product is.
PRODUCT_METADATA = "MTD_MSIL2A.xml"
#: Name that the collection of such products has in catalogues.
COLLECTION = "sentinel-2-l2a"

_TEN_METRES = ("B02", "B03", "B04", "B08")
_SUFFIXES = (".jp2", ".tif")
_CLOUD_MASK = "MSK_CLDPRB_20m"
_GRANULE = re.compile(r"GRANULE/\w+")


def offer_from_safe(
    folder: Path | str, source: str = ESA, offset_rule: OffsetRule = CORRECTED
) -> Offer | Rejected:
    """Return the scene of a Sentinel-2 L2A product's folder, or the reason why there is none; never raises.

    Only metadata are read, and only inside the folder; a missing image file is found when it is read.
    """
    folder = Path(os.path.realpath(folder))
    try:
        return _offer(folder, source, offset_rule)
    except (UnfitError, AddressRefusedError) as error:
        return Rejected(folder.name.removesuffix(".SAFE"), COLLECTION, str(error))


def _offer(folder: Path, source: str, rule: OffsetRule) -> Offer:
    product = product_of(read_xml(folder / PRODUCT_METADATA))
    place = Place(str(folder / PRODUCT_METADATA), str(folder))
    granule_path = f"{_granule_folder(product)}/MTD_TL.xml"
    granule = read_xml(Path(resolve(granule_path, place)))
    files = dict(_files(product, granule_path, masks_of(granule), place))
    properties = _as_properties(product)
    baseline = baseline_of(product.name, properties)
    offset = _offset(product, baseline, source, rule)
    west, south, east, north = product.footprint.bounds
    scene = Scene(
        id=product.name,
        collection=COLLECTION,
        source=source,
        sensor=Sensor.S2,
        platform=platform_of(product.name, properties),
        acquired_at=product.started_at,
        acquisition=optical_acquisition(product.name, properties, product.started_at),
        baseline=baseline,
        offset_dn=offset.dn,
        offset_rule=offset.why,
        offset_from_dn=offset.from_dn,
        epsg=epsg_of(granule),
        bbox=(west, south, east, north),
        hrefs=tuple((band, resolve(path, place)) for band, path in files.items()),
        cloud_fraction=product.cloud_fraction,
        relative_orbit=optical_orbit(product.name, properties),
        tile=product.tile,
        checksums=_checksums(folder, product, files),
    )
    return Offer(scene, version_of(baseline, properties), product.footprint)


def _as_properties(product: Product) -> dict[str, Any]:
    """Return the properties that a STAC item of the product would state."""
    return {
        "platform": product.platform,
        "s2:product_uri": f"{product.name}.SAFE",
        "s2:datatake_id": product.datatake,
        "s2:processing_baseline": product.baseline,
        "s2:generation_time": product.generated_at,
        "s2:mgrs_tile": product.tile,
        "sat:relative_orbit": product.relative_orbit,
    }


def _granule_folder(product: Product) -> str:
    folders = {"/".join(image.split("/")[:2]) for image in product.images}
    if len(folders) != 1 or not _GRANULE.fullmatch(next(iter(folders))):
        raise UnfitError(f"images in {len(folders)} folders, not all in 1 of GRANULE")
    return folders.pop()


def _files(
    product: Product, granule_path: str, masks: tuple[str, ...], place: Place
) -> Iterator[tuple[str, str]]:
    """Yield (band, path within the product): the ten bands, SCL, then cloud probability and angles."""
    suffixes = _SUFFIXES[::-1] if product.is_geotiff else _SUFFIXES
    for band in (*S2_BANDS, SCL_BAND):
        yield band, _with_suffix(_image(band, product.images), suffixes, place)
    mask = next((path for path in masks if Path(path).stem == _CLOUD_MASK), None)
    if mask:
        yield CLOUD_BAND, mask
    yield ANGLES, granule_path


def _image(band: str, images: tuple[str, ...]) -> str:
    resolution = "10m" if band in _TEN_METRES else "20m"
    found = [image for image in images if image.endswith(f"/R{resolution}/{Path(image).name}")]
    found = [image for image in found if image.endswith(f"_{band}_{resolution}")]
    if len(found) != 1:
        raise UnfitError(f"band {band}: {len(found)} image files of {resolution} are stated: 1 is needed")
    return found[0]


def _with_suffix(image: str, suffixes: tuple[str, ...], place: Place) -> str:
    """Return the path with the suffix that is there, the usual one first; the usual one where none is."""
    paths = [f"{image}{suffix}" for suffix in suffixes]
    return next((path for path in paths if Path(resolve(path, place)).is_file()), paths[0])


def _offset(product: Product, baseline: str, source: str, rule: OffsetRule) -> Offset:
    if rule == AS_PUBLISHED:
        return published_or_refused(source, product.started_at)
    if product.offset_dn is None:
        return agreed(0, baseline, "no BOA_ADD_OFFSET in the product's metadata")
    return agreed(
        product.offset_dn, baseline, f"BOA_ADD_OFFSET {-product.offset_dn} of the product's metadata"
    )


def _checksums(folder: Path, product: Product, files: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return (band, multihash) as manifest.safe states them.

    Not for converted products: Planetary Computer's manifests hash placeholders of 744 bytes.
    """
    manifest = folder / "manifest.safe"
    if product.is_geotiff or not manifest.is_file():
        return ()
    stated = manifest_checksums(read_xml(manifest))
    return tuple((band, stated[path]) for band, path in files.items() if path in stated)
