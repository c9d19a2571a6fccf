"""Settings: what a file may say, and how a mistake in it is told."""

from __future__ import annotations

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
