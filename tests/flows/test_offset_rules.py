"""The two offset rules: what each does to a digital number, and that nothing of one meets the other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from flows.estimating.estimate import inputs_hash
from flows.ingesting.listing import Listing
from flows.modelling.training import pretrain_student
from flows.operating.doctor import TRAINED_AS_PUBLISHED, examine
from flows.settings import Settings, read_settings
from flows.sources.addresses import Place
from flows.sources.assets.pixels import reflectance
from flows.sources.assets.sampling import Sampled
from flows.sources.scenes.items import Offer, Rejected, offer_from_item
from flows.sources.scenes.offsets import AS_PUBLISHED, Offset, OffsetRule, offset_of, published_offset_of
from flows.workspace import open_workspace
from models.encoders.card import encoder_cards
from monitoring.errors import SettingsError
from monitoring.grid import Block, PixelSet
from monitoring.scenes import S2_BANDS
from monitoring.seasons import Season

DARK_TO_BRIGHT = [0, 1, 999, 1000, 1001, 65535]
AFTER = datetime(2022, 1, 26, tzinfo=UTC)
MINIMAL = 'catalogue = "archive/catalog.json"\nwoodlands = "woods.gpkg"\n'

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def corrected(acquired_at: datetime = AFTER, baseline: str = "04.00") -> Offset:
    decided = offset_of("planetary-computer", baseline, acquired_at, {}, "https://x.example/B04.tif")
    assert decided is not None
    return decided


def published(acquired_at: datetime = AFTER, source: str = "planetary-computer") -> Offset:
    decided = published_offset_of(source, acquired_at)
    assert decided is not None
    return decided


def stored(offset: Offset, numbers: list[int]) -> list[int]:
    """What the cube holds of digital numbers."""
    values = np.array(numbers, np.uint16)
    kept: list[int] = reflectance(Sampled(values, values == 0, 1, 1), offset.dn, offset.from_dn).tolist()
    return kept


def item(acquired_at: str, baseline: str) -> dict[str, object]:
    """A Sentinel-2 item."""
    return {
        "id": "scene-1",
        "collection": "sentinel-2-l2a",
        "bbox": [-2, 51, -1, 52],
        "properties": {
            "datetime": acquired_at,
            "proj:epsg": 32630,
            "s2:processing_baseline": baseline,
        },
        "assets": {band: {"href": f"./{band}.tif"} for band in (*S2_BANDS, "SCL")},
    }


def decide(one: dict[str, object], source: str, rule: OffsetRule) -> Offer | Rejected:
    return offer_from_item(one, Place("https://x.example/a.json", ""), source, offset_rule=rule)


# --- digital numbers


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (corrected(), [0, 1, 1, 1, 1, 64535]),
        (corrected(baseline="03.01"), DARK_TO_BRIGHT),
        (published(), [0, 1, 999, 1, 1, 64535]),  # 1000 would be 0, which is missing
        (published(datetime(2022, 1, 25, tzinfo=UTC)), DARK_TO_BRIGHT),
        (published(source="earth-search"), DARK_TO_BRIGHT),
    ],
)
def test_what_becomes_of_digital_numbers(offset: Offset, expected: list[int]) -> None:
    assert stored(offset, DARK_TO_BRIGHT) == expected


@given(st.lists(st.integers(0, 65535), min_size=2, max_size=50))
def test_the_corrected_rule_never_makes_a_darker_pixel_the_brighter_one(numbers: list[int]) -> None:
    kept = stored(corrected(), sorted(numbers))
    assert kept == sorted(kept)


@given(st.integers(2, 999), st.integers(1000, 1001))
def test_the_published_rule_makes_a_darker_pixel_the_brighter_one(darker: int, brighter: int) -> None:
    first, second = stored(published(), [darker, brighter])
    assert first > second


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=50))
def test_the_rules_differ_below_the_offset_only(numbers: list[int]) -> None:
    pairs = zip(numbers, stored(corrected(), numbers), stored(published(), numbers), strict=True)
    assert all((one != other) == (1 < number < 1000) for number, one, other in pairs)


# --- scenes


@pytest.mark.parametrize(
    ("moment", "baseline", "by_baseline", "by_date"),
    [
        ("2022-01-24T11:00:00Z", "03.01", 0, 0),
        ("2022-01-25T00:00:00Z", "04.00", 1000, 0),
        ("2022-01-25T23:59:59Z", "04.00", 1000, 0),
        ("2022-01-26T00:00:00Z", "04.00", 1000, 1000),
        ("2018-06-07T11:00:00Z", "05.00", 1000, 0),  # processed anew
        ("2022-02-01T11:00:00Z", "03.01", 0, 1000),
    ],
)
def test_one_rule_goes_by_baseline_and_the_other_by_date(
    moment: str, baseline: str, by_baseline: int, by_date: int
) -> None:
    one = item(moment, baseline)
    first = decide(one, "planetary-computer", "corrected")
    second = decide(one, "planetary-computer", "as-published")
    assert isinstance(first, Offer)
    assert isinstance(second, Offer)
    assert (first.scene.offset_dn, first.scene.offset_from_dn) == (by_baseline, 1)
    assert (second.scene.offset_dn, second.scene.offset_from_dn) == (by_date, by_date or 1)
    assert second.scene.offset_rule.startswith("as published: ")
    assert "as published" not in first.scene.offset_rule


def test_nothing_is_subtracted_from_earth_search_as_published() -> None:
    one = item("2023-06-07T11:00:00Z", "05.09")  # not in the corrected bucket: the offset is still there
    scenes = [decide(one, "earth-search", rule) for rule in ("corrected", "as-published")]
    assert [offer.scene.offset_dn for offer in scenes if isinstance(offer, Offer)] == [1000, 0]


def test_a_source_the_published_pipeline_never_read_is_refused() -> None:
    refused = decide(item("2023-06-07T11:00:00Z", "05.09"), "cdse", AS_PUBLISHED)
    assert isinstance(refused, Rejected)
    assert refused.reason == "offset rule as-published: the published pipeline never read source cdse"


# --- what is kept


def settings_with(folder: Path, text: str = "") -> Settings:
    path = folder / "underwood.toml"
    path.write_text(MINIMAL + text, "utf-8")
    return read_settings(path)


def test_the_corrected_rule_is_used_where_none_is_named(tmp_path: Path) -> None:
    assert settings_with(tmp_path).offset_rule == "corrected"


def test_a_third_rule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="offset_rule"):
        settings_with(tmp_path, 'offset_rule = "by-feel"\n')


def test_a_rule_for_scenes_is_refused_where_no_scene_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"offset_rule 'as-published'.* no scene is read") as refused:
        settings_with(tmp_path, 'source = "geotessera"\noffset_rule = "as-published"\n')
    assert "\n" not in str(refused.value)


def test_the_rules_make_estimates_of_different_inputs(tmp_path: Path) -> None:
    pixels = PixelSet(32630, np.arange(3, dtype=np.int32), np.arange(3, dtype=np.int32)[::-1].copy())
    block = Block("a", ("wood",), pixels, sparse.csr_array(np.ones((1, 3))))
    listing = Listing("a", "2025-Q4", (), (), ())
    first = inputs_hash(block, listing, settings_with(tmp_path))
    named = inputs_hash(block, listing, settings_with(tmp_path, 'offset_rule = "corrected"\n'))
    other = inputs_hash(block, listing, settings_with(tmp_path, 'offset_rule = "as-published"\n'))
    assert first == named == "0ea92deec983"  # as before there was a choice
    assert other != first


def test_nothing_made_from_pixels_is_shared_between_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "underwood.toml"
    folders: list[set[Path]] = []
    for rule in ("corrected", "as-published"):
        config = path.with_name(f"{rule}.toml")
        config.write_text(f'{MINIMAL}offset_rule = "{rule}"\n', "utf-8")
        one = open_workspace(str(config))
        folders.append({one.cube, one.staging, one.warehouse, one.published, one.panels, one.heads})
        assert one.settings.home == tmp_path / ".underwood"
    assert not folders[0] & folders[1]
    assert tmp_path / ".underwood" / "cube" in folders[0]
    assert tmp_path / ".underwood" / "as-published" / "cube" in folders[1]


# --- what the doctor says


def said_by_the_doctor(folder: Path, text: str) -> str:
    settings_with(folder, text)
    (finding,) = [each for each in examine(folder / "underwood.toml") if each.what == "offset rule"]
    assert finding.ok
    return finding.found


def test_the_doctor_warns_where_the_encoder_was_trained_with_the_other_rule(tmp_path: Path) -> None:
    said = said_by_the_doctor(tmp_path, 'encoder = "tessera-v1.1-mpc"\n')
    assert said.startswith("corrected; warning: encoder tessera-v1.1-mpc was trained with the other rule")
    assert "dark pixels of scenes after 2022-01-25" in said
    as_published = 'offset_rule = "as-published"\n'
    other = said_by_the_doctor(tmp_path, as_published + 'encoder = "tessera-v2-nano"\n')
    assert other.startswith("as-published; warning: encoder tessera-v2-nano does not state that rule")


@pytest.mark.parametrize(
    ("rule", "encoder"), [("corrected", "tessera-v2-nano"), ("as-published", "tessera-v1.1-mpc")]
)
def test_the_doctor_only_names_a_rule_that_fits_the_encoder(tmp_path: Path, rule: str, encoder: str) -> None:
    assert said_by_the_doctor(tmp_path, f'offset_rule = "{rule}"\nencoder = "{encoder}"\n') == rule


def test_the_card_that_was_trained_as_published_is_known_by_what_it_states() -> None:
    stated = [card.id for card in encoder_cards() if card.offset_rule.startswith(TRAINED_AS_PUBLISHED)]
    assert stated == ["tessera-v1.1-mpc"]


def test_no_student_is_pretrained_on_numbers_its_card_would_deny(tmp_path: Path) -> None:
    config = tmp_path / "underwood.toml"
    config.write_text('catalogue = "a.json"\nwoodlands = "w.gpkg"\noffset_rule = "as-published"\n')
    window = Season.parse("2024-Q4"), Season.parse("2025-Q4")
    with pytest.raises(SettingsError, match="learns from 'corrected' digital numbers"):
        pretrain_student(
            open_workspace(str(config)), window, tmp_path / "out", 1, lambda _done, _all: None, NOW
        )
    assert not (tmp_path / "out").exists()
