"""Bad input on the command line: one clear line that names the thing, and the right exit status."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import WRONG_USE, app
from monitoring.errors import SeasonError, SettingsError, UnderwoodError, WeightsError

Refusal = Callable[..., UnderwoodError]


@pytest.fixture
def refusal() -> Refusal:
    """Run a command that must be refused, and return the error that `main` turns into one line."""

    def run(*arguments: str) -> UnderwoodError:
        result: Result = CliRunner().invoke(app, list(arguments))
        assert isinstance(result.exception, UnderwoodError), (result.exception, result.output)
        assert "\n" not in str(result.exception)
        return result.exception

    return run


def test_a_missing_settings_file_is_wrong_use(refusal: Refusal, tmp_path: Path) -> None:
    error = refusal("--config", str(tmp_path / "none.toml"), "status")
    assert isinstance(error, SettingsError)
    assert "none.toml" in str(error)


@pytest.mark.parametrize("season", ["2025-Q5", "winter", "2025", "1999-Q4"])
def test_an_unknown_season_is_wrong_use(refusal: Refusal, tmp_path: Path, season: str) -> None:
    out = str(tmp_path / "r.pdf")
    settings = tmp_path / "underwood.toml"
    settings.write_text('catalogue = "c"\nwoodlands = "w"\n')
    error = refusal("--config", str(settings), "report", "--season", season, "--out", out)
    assert isinstance(error, SeasonError)
    assert season in str(error)


def test_asking_before_anything_is_published_says_so(refusal: Refusal, tmp_path: Path) -> None:
    settings = tmp_path / "underwood.toml"
    settings.write_text('catalogue = "c"\nwoodlands = "w"\n')
    for command in (("history", "W1"), ("trends",), ("alerts",), ("status",)):
        assert "nothing has been published" in str(refusal("--config", str(settings), *command))


@pytest.mark.parametrize("content", [b"", b"not a map", b'{"type": "FeatureCollection", "features": ['])
def test_an_unreadable_boundary_file_is_named(refusal: Refusal, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "woods.geojson"
    path.write_bytes(content)
    assert "woods.geojson" in str(refusal("woodlands", "check", str(path)))


def test_a_database_that_is_no_map_is_named(refusal: Refusal, tmp_path: Path) -> None:
    path = tmp_path / "woods.gpkg"
    with sqlite3.connect(path) as database:
        database.execute("create table woods (id integer)")
    database.close()
    assert "woods.gpkg" in str(refusal("woodlands", "check", str(path)))


def test_an_unknown_encoder_is_answered_with_those_known(refusal: Refusal, tmp_path: Path) -> None:
    error = refusal("embed", "--encoder", "gpt", "--input", str(tmp_path), "--out", str(tmp_path / "e.npz"))
    assert "gpt" in str(error)
    assert "tessera-v2-nano" in str(error)


def test_weights_of_another_hash_are_refused(refusal: Refusal, tmp_path: Path, shared: Path) -> None:
    weights = tmp_path / "nano.safetensors"
    shutil.copy(shared / "golden" / "tessera_v2" / "nano_random_full.safetensors", weights)
    arguments = ("--encoder", "tessera-v2-nano", "--weights", str(weights), "--input", str(tmp_path))
    error = refusal("embed", *arguments, "--out", str(tmp_path / "e.npz"))
    assert isinstance(error, WeightsError)
    assert "nano.safetensors: expected sha256" in str(error)
    assert not (tmp_path / "e.npz").exists()


def test_an_unknown_option_is_wrong_use() -> None:
    assert CliRunner().invoke(app, ["trends", "--colour"]).exit_code == WRONG_USE
