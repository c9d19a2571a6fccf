import dataclasses
import tomllib
from pathlib import Path

import pytest

from monitoring.errors import SettingsError
from monitoring.science import AlertRule, Blocks, Estimation, Science, TrendTest, read_science


def read(tmp_path, text):
    path = tmp_path / "science.toml"
    path.write_text(text, "utf-8")
    return read_science(path)


def test_an_empty_file_is_the_defaults(tmp_path):
    assert read(tmp_path, "") == Science()


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path):
    found = read(tmp_path, 'version = "2"\n[trend]\nmin_years = 9\n[alert]\nexit_q = 0.3\n')
    assert found == Science(version="2", trend=TrendTest(min_years=9), alert=AlertRule(exit_q=0.3))


def test_a_whole_number_is_a_fine_fraction(tmp_path):
    found = read(tmp_path, "[estimation]\nmin_coverage = 1\n")
    assert found.estimation.min_coverage == 1.0
    assert found.digest == Science(estimation=Estimation(min_coverage=1.0)).digest


def test_the_digest_names_the_choices_and_not_their_order(tmp_path):
    one = read(tmp_path, "[trend]\nmin_years = 9\n[blocks]\nsize_m = 5000\n")
    other = read(tmp_path, "[blocks]\nsize_m = 5000\n[trend]\nmin_years = 9\n")
    assert one.digest == other.digest
    assert len(one.digest) == 12
    assert one.digest != Science().digest


def test_every_choice_moves_the_digest():
    changed = {Science(version="2").digest}
    for section in dataclasses.fields(Science):
        value = getattr(Science(), section.name)
        if not dataclasses.is_dataclass(value):
            continue
        for field in dataclasses.fields(value):
            old = getattr(value, field.name)
            new = old + "x" if isinstance(old, str) else old + 1
            moved = dataclasses.replace(value, **{field.name: new})
            changed.add(dataclasses.replace(Science(), **{section.name: moved}).digest)
    choices = sum(
        len(dataclasses.fields(getattr(Science(), field.name))) if field.name != "version" else 1
        for field in dataclasses.fields(Science)
    )
    assert len(changed) == choices
    assert Science().digest not in changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_year = 9", "unknown key 'min_year'; known are alert, blocks"),
        ("[trend]\nmin_year = 9", "trend: unknown key 'min_year'; known are confidence"),
        ('[trend]\nmin_years = "9"', "trend: min_years: expected int, got '9'"),
        ("[trend]\nmin_years = 8.5", "trend: min_years: expected int, got 8.5"),
        ("[trend]\nmin_years = true", "trend: min_years: expected int, got True"),
        ("trend = 9", "trend: expected a table, got 9"),
        ("version = 2", "version: expected str, got 2"),
        ("[estimation]\nmin_coverage = 50", "estimation: min_coverage 50.0: must be from 0 to 1"),
        ("[estimation]\nmin_coverage = nan", "estimation: min_coverage nan: must be from 0 to 1"),
        ("[alert]\nq_confirmed = -0.1", "alert: q_confirmed -0.1: must be from 0 to 1"),
        ("[alert]\nmin_decline_fraction = inf", "alert: min_decline_fraction inf: must be from 0 to 1"),
        ("[blocks]\nsize_m = 0", "blocks: size_m 0: must be from 10 to"),
        ("[trend]\nmin_years = 2", "trend: min_years 2: must be from 5 to"),
        ("[trend]\nmin_effect_fraction = 0.5", "trend: min_effect_fraction 0.5: must be from 0 to 0.1"),
        ("[alert]\nwatch_probability = 0.2", "alert: watch_probability 0.2: must be from 0.5 to 1"),
        ("[alert]\np_watch = 0.01", "alert: unknown key 'p_watch'; known are exit_q"),
        ("[gates]\nmin_reference_sites = 1", "gates: min_reference_sites 1: must be from 2 to 100000"),
        ("[completeness]\nfloor = 50", "completeness: floor 50.0: must be from 0 to 1"),
        ("[radiometry]\nmax_step_dn = 1000", "radiometry: max_step_dn 1000.0: must be from 100 to 900"),
        ("[phenology]\nleaf_on_first_day = 0", "phenology: leaf_on_first_day 0: must be from 1 to 366"),
        (
            "[geolocation]\nmax_shift = 1",
            "geolocation: unknown key 'max_shift'; known are max_shift_error_px",
        ),
        ("[scenes]\nmax_cloud_probability = 255", "scenes: max_cloud_probability 255: must be from 0 to 100"),
        ("[trend]\nconfidence = 95", "trend: confidence 95.0: must be from 0.5 to 0.9999"),
        (
            "[estimation]\nmin_applicable_share = nan",
            "estimation: min_applicable_share nan: must be from 0 to 1",
        ),
        ("[estimation]\nmax_richness = 600.0", "estimation: unknown key 'max_richness'"),
    ],
)
def test_a_wrong_choice_is_refused_by_name_value_and_bound(tmp_path, text, message):
    with pytest.raises(SettingsError, match=r"science\.toml: ") as refusal:
        read(tmp_path, text)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_number_has_a_bound_that_its_default_keeps(tmp_path):
    for section in dataclasses.fields(Science):
        for field in (
            dataclasses.fields(getattr(Science(), section.name)) if section.name != "version" else ()
        ):
            value = getattr(getattr(Science(), section.name), field.name)
            if isinstance(value, str):
                continue
            assert read(tmp_path, f"[{section.name}]\n{field.name} = {value}\n") == Science()
            with pytest.raises(SettingsError, match=f"{field.name} -1"):
                read(tmp_path, f"[{section.name}]\n{field.name} = -1\n")


@pytest.mark.parametrize("content", [b"[trend", b"\xff\xfe\x00", b'version = "1"\nversion = "1"'])
def test_a_file_that_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "science.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"science file .*science\.toml"):
        read_science(path)


def test_the_packaged_file_states_every_default():
    packaged = Path(__file__).parents[2] / "flows" / "science.toml"
    assert read_science(packaged) == Science()
    stated = tomllib.loads(packaged.read_text("utf-8"))
    for section in dataclasses.fields(Science):
        value = getattr(Science(), section.name)
        assert stated[section.name] == (
            dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
        )


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"science file .*absent\.toml"):
        read_science(tmp_path / "absent.toml")


def test_choices_cannot_be_changed_after_they_were_read():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Blocks().size_m = 5
