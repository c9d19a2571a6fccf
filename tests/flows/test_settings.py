"""Settings: what a file may say, and how a mistake in it is told."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from flows.settings import read_settings
from monitoring.errors import SettingsError

MINIMAL = 'catalogue = "archive/catalog.json"\nwoodlands = "woods.gpkg"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "underwood.toml"
    path.write_text(text, "utf-8")
    return path


def test_relative_paths_are_relative_to_the_settings_file(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, MINIMAL))
    assert settings.woodlands == tmp_path / "woods.gpkg"
    assert settings.catalogue == str(tmp_path / "archive" / "catalog.json")
    assert settings.home == tmp_path / ".underwood"


def test_a_card_of_ones_own_is_relative_to_the_settings_file_and_an_id_is_left_as_it_is(
    tmp_path: Path,
) -> None:
    own = read_settings(written(tmp_path, MINIMAL + 'encoder = "mine.json"\n'))
    assert own.encoder == str(tmp_path / "mine.json")
    assert read_settings(written(tmp_path, MINIMAL)).encoder == "underwood-student-1"


def test_a_web_address_is_left_as_it_is(tmp_path: Path) -> None:
    text = MINIMAL.replace("archive/catalog.json", "https://stac.example/v1")
    assert read_settings(written(tmp_path, text)).catalogue == "https://stac.example/v1"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERWOOD_DEVICE", "cpu")
    assert read_settings(written(tmp_path, MINIMAL + 'device = "cuda"\n')).device == "cpu"


def test_the_settings_file_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERWOOD_CONFIG", str(written(tmp_path, MINIMAL)))
    assert read_settings().woodlands == tmp_path / "woods.gpkg"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + "colour = 1\n", "colour"),
        (MINIMAL + 'device = "gpu"\n', "device"),
        (MINIMAL + "workers = 0\n", "workers"),
        ('woodlands = "woods.gpkg"\n', "catalogue"),
        ("catalogue = \n", "Invalid value"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        read_settings(written(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: not found"):
        read_settings(tmp_path / "nowhere.toml")


# --- catalogues by name, a second one, and keys

NAMED = 'catalogue = "planetary-computer"\nwoodlands = "woods.gpkg"\n'
KEYS = '[access]\ncdse_key = "AKEY"\ncdse_secret = "hush-hush"\nplanetary_computer_key = "hush-key"\n'


def test_a_known_catalogue_is_named_and_brings_its_source(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, NAMED))
    assert settings.catalogue == "https://planetarycomputer.microsoft.com/api/stac/v1"
    assert settings.source == "planetary-computer"
    assert (settings.second_catalogue, settings.requests_per_host) == (None, 24)


def test_a_folder_of_a_known_name_is_written_as_a_path(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, NAMED.replace('"planetary', '"./planetary')))
    assert settings.catalogue == str(tmp_path / "planetary-computer")
    assert settings.source is None


def test_a_second_catalogue_is_named_like_the_first(tmp_path: Path) -> None:
    def second(text: str) -> str | None:
        return read_settings(written(tmp_path, MINIMAL + f'second_catalogue = "{text}"\n')).second_catalogue

    assert second("cdse") == "https://stac.dataspace.copernicus.eu/v1"
    assert second("https://stac.example/v1") == "https://stac.example/v1"
    assert second("other/catalog.json") == str(tmp_path / "other" / "catalog.json")


def test_keys_come_from_the_file_or_the_environment_which_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERWOOD_ACCESS__PLANETARY_COMPUTER_KEY", " hush-env\n")
    secrets = read_settings(written(tmp_path, NAMED + KEYS)).access.secrets
    assert (secrets.cdse_key, secrets.cdse_secret) == ("AKEY", "hush-hush")
    assert secrets.planetary_computer_key == "hush-env"
    assert read_settings(written(tmp_path, NAMED)).access.secrets.cdse_key == ""


def test_no_key_is_ever_shown(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, NAMED + KEYS))
    shown = [repr(settings), str(settings), repr(settings.access), repr(settings.access.secrets)]
    shown += [settings.model_dump_json(), str(settings.model_dump())]
    assert not any("hush" in text or "AKEY" in text for text in shown)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (NAMED + "requests_per_host = 0\n", "requests_per_host"),
        (NAMED + "requests_per_host = 257\n", "requests_per_host"),
        (NAMED + 'source = "cdse"\n', "not that of catalogue 'planetary-computer'"),
        (NAMED + 'source = "geotessera"\n', "not that of catalogue 'planetary-computer'"),
        (NAMED + '[access]\ncdse_key = "hush"\n', "access.*only together"),
        (NAMED + '[access]\ncdse_secret = "hush"\ncdse_key = ""\n', "access.*only together"),
        (NAMED + '[access]\ncdse_token = "hush"\n', "access.cdse_token"),
        (NAMED + "[access]\ncdse_key = 12345\n", "access.cdse_key"),
        (NAMED + '[access]\nplanetary_computer_key = "hush hush"\n', "(?i)printable ascii"),
        (NAMED + '[access]\nplanetary_computer_key = "hush\\r\\nHost: x"\n', "(?i)printable ascii"),
        (NAMED + 'cdse_secret = "hush"\n', "cdse_secret"),
        (NAMED + 'access = "hush"\n', "access"),
    ],
)
def test_a_mistake_with_a_key_is_one_line_without_it(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        read_settings(written(tmp_path, text))
    whole = "".join(traceback.format_exception(refused.value))
    assert "\n" not in str(refused.value)
    assert "hush" not in whole
    assert "12345" not in whole
