"""One scene made and written: pixels, COGs, granule metadata, item."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from flows.archive.angles import granule_metadata
from flows.archive.echoes import NODATA, listen
from flows.archive.items import (
    GRANULE_FILE,
    S1_COLLECTION,
    S2_COLLECTION,
    granule_name,
    s1_item,
    s1_item_id,
    s2_asset_file,
    s2_item,
)
from flows.archive.optics import observe, with_offset
from flows.archive.orbits import Pass, radar_passes
from flows.archive.parks import PARKS, YEARS
from flows.archive.products import OpticalProduct, optical_products
from flows.archive.rasters import write_cog
from flows.archive.stac import item_folder, write_json
from flows.archive.world import build_world

Product = OpticalProduct | Pass


@dataclass(frozen=True)
class SceneOrder:
    """A scene to be made: enough for any process to make it alone."""

    root: Path
    seed: int
    product: Product

    @property
    def listing(self) -> tuple[str, int, str]:
        """Collection, year and item id."""
        if isinstance(self.product, OpticalProduct):
            return S2_COLLECTION, self.product.sensing.sensed_at.year, self.product.id
        return S1_COLLECTION, self.product.sensed_at.year, s1_item_id(self.product)


def scene_orders(root: Path, seed: int, years: Collection[int] = YEARS) -> tuple[SceneOrder, ...]:
    """Return every scene of those years, park by park in time order."""
    products: list[Product] = []
    for park in PARKS:
        products += [*optical_products(park, seed), *radar_passes(park, seed)]
    orders = (SceneOrder(root, seed, product) for product in products)
    return tuple(order for order in orders if order.listing[1] in years)


def make_scene(order: SceneOrder) -> tuple[str, int, str]:
    """Write one scene's COGs, granule metadata and item; return its collection, year and id."""
    collection, year, item_id = order.listing
    folder = item_folder(order.root, collection, year, item_id)
    folder.mkdir(parents=True)
    if isinstance(order.product, OpticalProduct):
        item = _make_optical(order.product, order.seed, folder)
    else:
        item = _make_radar(order.product, order.seed, folder)
    write_json(folder / f"{item_id}.json", item)
    return order.listing


def _make_optical(product: OpticalProduct, seed: int, folder: Path) -> dict[str, object]:
    park = product.sensing.park
    scene = observe(build_world(seed)[park.number - 1], product.sensing, product.first_of_month, seed)
    for band, numbers in scene.bands.items():
        write_cog(folder / s2_asset_file(product, band), with_offset(numbers, product.offset), park, 0)
    write_cog(folder / s2_asset_file(product, "SCL"), scene.scl, park, 0)
    (folder / GRANULE_FILE).write_text(granule_metadata(product, granule_name(product)), "utf-8")
    return s2_item(product, scene, folder)


def _make_radar(one: Pass, seed: int, folder: Path) -> dict[str, object]:
    for name, power in listen(build_world(seed)[one.park.number - 1], one, seed).items():
        write_cog(folder / f"iw-{name}.rtc.tiff", power, one.park, float(NODATA))
    return s1_item(one, folder)
