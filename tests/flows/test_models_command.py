"""`underwood models`: what encoders there are, bringing their weights here, and whether they are sound."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import FILE, REPOSITORY, REVISION, Hub, serving
from torch import Tensor
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.settings import CONFIG_VARIABLE
from flows.workspace import open_workspace
from models.cards import card_text
from models.encoders import card as cards
from models.encoders.card import EncoderCard, encoder_card, encoder_cards
from models.encoders.configs import StudentConfig
from models.encoders.networks.tessera_v2 import Student
from models.encoders.weights.shelf import shelved
from monitoring.errors import ModelError, SettingsError, WeightsError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = StudentConfig(latent_dim=4, num_layers=1, nhead=2, dim_feedforward=8)
TOKEN = "hf_nobodyMustEverSeeThis"

Models = Callable[..., Result]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """Run `underwood models ...` where there is no settings file, with a cache of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["models", *map(str, arguments)])


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def published(state: dict[str, Tensor]) -> bytes:
    content = io.BytesIO()
    torch.save({"model": state, "args": {"nhead": CONFIG.nhead}}, content)
    return content.getvalue()


def sound_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(Student(CONFIG).state_dict())


def pinned(content: bytes, **more: Any) -> EncoderCard:
    """A card that pins exactly this content, wherever it may come from."""
    pins = {"weights_sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    source = {"id": "tiny", "repository": REPOSITORY, "revision": REVISION, "file": FILE}
    return dataclasses.replace(encoder_card("tessera-v2-nano"), config=CONFIG, **(source | pins | more))


Describe = Callable[..., EncoderCard]


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Describe]:
    """Make cards of one's own the packaged ones."""
    folder = tmp_path / "cards"
    folder.mkdir()

    def describe(card: EncoderCard) -> EncoderCard:
        (folder / f"{card.id}.json").write_text(card_text(card), "utf-8")
        monkeypatch.setattr(cards, "WEIGHTS", folder)
        cards._packaged.cache_clear()
        return card

    yield describe
    monkeypatch.undo()
    cards._packaged.cache_clear()


@pytest.fixture
def brought(tmp_path: Path, described: Describe, models: Models) -> Callable[[bytes], Path]:
    """Describe some content by a card that pins it, bring it, and return where it lies."""

    def bring(content: bytes) -> Path:
        described(pinned(content))
        (tmp_path / "mine.pt").write_bytes(content)
        done = models("pull", "tiny", "--from", tmp_path / "mine.pt")
        assert done.exit_code == 0, done.output
        return tmp_path / "cache" / "underwood" / "weights" / "tiny" / "w.pt"

    return bring


def test_every_card_is_listed_with_where_its_weights_are(models: Models) -> None:
    found = {row["encoder"]: row for row in rows(models("list", "--format", "json"))}
    assert set(found) == {card.id for card in encoder_cards()}
    assert found["underwood-student-1"]["weights"] == "packaged"
    assert found["underwood-student-1"]["sources"] == "simulated"
    assert found["tessera-v2-nano"]["weights"] == "absent"
    assert found["tessera-v2-nano"]["prefixes"] == "16 32 64"
    assert found["tessera-v2-nano"]["licence"] == "CC0-1.0"
    assert found["tessera-v1.0-qat"]["weights"] == "unpinned"
    assert found["geotessera-1.0-vultr"]["weights"] == "not needed"


def test_the_list_comes_as_a_table_and_as_csv(models: Models) -> None:
    table = models("list").stdout
    assert "tessera-v2-medium" in table
    assert "planetary-computer" in table
    listed = list(csv.DictReader(io.StringIO(models("list", "--format", "csv").stdout)))
    assert [row["encoder"] for row in listed] == [card.id for card in encoder_cards()]


def test_a_card_is_shown_whole(models: Models) -> None:
    card = encoder_card("tessera-v1.1-mpc")
    table = models("show", card.id).stdout
    assert all(
        text in table for text in (card.revision, card.weights_sha256, card.digest, "2683.4553 2223.363")
    )
    assert models("show", card.id, "--format", "json").stdout == card_text(card)
    fields = [
        row["field"] for row in csv.DictReader(io.StringIO(models("show", card.id, "--format", "csv").stdout))
    ]
    assert {field.name for field in dataclasses.fields(card)} <= {name.split(".")[0] for name in fields}


def test_an_unknown_encoder_is_refused(models: Models) -> None:
    for command in ("show", "pull", "verify"):
        assert isinstance(models(command, "tessera-v9").exception, ModelError)


def test_weights_that_somebody_brings_are_listed_and_sound(
    models: Models, brought: Callable[[bytes], Path]
) -> None:
    path = brought(published(sound_state()))
    assert [row["weights"] for row in rows(models("list", "--format", "json"))] == ["pulled"]
    done = models("verify", "--format", "json")
    assert done.exit_code == 0
    parameters = sum(value.numel() for value in sound_state().values())
    assert rows(done) == [
        {"encoder": "tiny", "result": "OK", "parameters": parameters, "file": str(path), "failure": None}
    ]
    assert "OK" in models("verify", "tiny").stdout
    assert "already here" in models("pull", "tiny").stdout


class Bomb:
    """Would create a file if anybody unpickled it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def with_nan() -> bytes:
    state = sound_state()
    state["dim_reducer.0.bias"][3] = float("nan")
    return published(state)


def with_foreign_keys() -> bytes:
    return published({f"decoder.{key}": value for key, value in sound_state().items()})


def with_another_shape() -> bytes:
    return published(sound_state() | {"dim_reducer.0.bias": torch.zeros(3)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_nan, "dim_reducer.0.bias must hold finite floating-point numbers"),
        (with_foreign_keys, "parameters missing"),
        (with_another_shape, "has shape (3,), expected (64,)"),
        (lambda: published(sound_state())[:5000], "not the zip file"),
        (lambda: pickle.dumps({"model": 1}), "not the zip file"),
    ],
)
def test_pinned_weights_that_cannot_be_used_fail_in_one_line(
    models: Models, brought: Callable[[bytes], Path], content: Callable[[], bytes], message: str
) -> None:
    path = brought(content())
    done = models("verify")
    assert done.exit_code == 1
    assert "failed" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"underwood: weights {path}: ")
    assert message in line


def test_code_in_a_pinned_file_is_refused_and_not_run(
    models: Models, brought: Callable[[bytes], Path], tmp_path: Path
) -> None:
    content = io.BytesIO()
    torch.save({"model": Bomb(tmp_path / "it-ran")}, content)
    brought(content.getvalue())
    done = models("verify")
    assert done.exit_code == 1
    assert "holds more than tensors, and nothing is unpickled" in done.stderr
    assert not (tmp_path / "it-ran").exists()


def test_weights_that_changed_since_are_found_and_replaced_only_by_force(
    models: Models, brought: Callable[[bytes], Path], tmp_path: Path
) -> None:
    path = brought(published(sound_state()))
    os.truncate(path, 4000)
    done = models("verify")
    assert done.exit_code == 1
    assert "in 4000 of" in done.stderr
    refused = models("pull", "tiny", "--from", tmp_path / "mine.pt")
    assert isinstance(refused.exception, WeightsError)
    assert "--force replaces it" in str(refused.exception)
    assert models("pull", "tiny", "--from", tmp_path / "mine.pt", "--force").exit_code == 0
    assert models("verify").exit_code == 0


def test_absent_weights_fail_when_they_are_asked_for_and_only_then(models: Models) -> None:
    assert models("verify").exit_code == 0
    done = models("verify", "tessera-v2-nano", "underwood-student-1", "geotessera-1.0-vultr")
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "`underwood models pull tessera-v2-nano`" in lines[0]
    assert "not a network" in lines[1]


def test_a_card_without_a_licence_is_refused(models: Models, described: Describe) -> None:
    card = pinned(b"")
    object.__setattr__(card, "licence", "")
    described(card)
    for command in (["list"], ["pull", "tiny"], ["verify"]):
        failure = models(*command).exception
        assert isinstance(failure, ModelError)
        assert str(failure) == "encoder card tiny: states no licence, so its weights may not be used"


def test_real_weights_of_presto_and_galileo_are_sound(models: Models, shared: Path, tmp_path: Path) -> None:
    files = {"presto": "presto/default_model.pt", "galileo-nano": "galileo_nano/encoder.pt"}
    for encoder, file in files.items():
        options = ("--from", shared / "weights" / file, "--to", tmp_path / "shelf")
        assert models("pull", encoder, *options).exit_code == 0
    done = models("verify", *files, "--in", tmp_path / "shelf", "--format", "json")
    assert done.exit_code == 0
    assert [row["parameters"] for row in rows(done)] == [404_160, 1_037_856]


@pytest.mark.parametrize(
    "encoder", ["presto", "tessera-v1.1-aws", "tessera-v1.0-qat", "geotessera-1.0-vultr"]
)
def test_what_cannot_be_downloaded_says_why(models: Models, encoder: str) -> None:
    failure = models("pull", encoder).exception
    assert isinstance(failure, WeightsError)
    reasons = {
        "presto": "not on Hugging Face but in github.com/nasaharvest/presto",
        "tessera-v1.1-aws": "pins no commit",
        "tessera-v1.0-qat": "pins no sha256",
        "geotessera-1.0-vultr": "has no weights",
    }
    assert reasons[encoder] in str(failure)


def settings_in(folder: Path, **more: object) -> Path:
    folder.mkdir(exist_ok=True)
    chosen = {"catalogue": "catalog.json", "woodlands": "woodlands.gpkg", "home": "service", **more}
    path = folder / "underwood.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in chosen.items()), "utf-8")
    return path


def test_pulled_weights_lie_in_the_services_home_and_the_service_finds_them(
    models: Models, described: Describe, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path / "site", encoder="tiny", device="cpu")
    card = described(pinned(published(sound_state())))
    with pytest.raises(WeightsError, match="underwood models pull tiny"):
        _ = open_workspace(str(settings)).encoder
    (tmp_path / "mine.pt").write_bytes(published(sound_state()))
    pulled = CliRunner().invoke(
        app, ["--config", str(settings), "models", "pull", "tiny", "--from", str(tmp_path / "mine.pt")]
    )
    assert pulled.exit_code == 0
    assert shelved(card, tmp_path / "site" / "service" / "weights").is_file()
    assert open_workspace(str(settings)).encoder.card == card


def test_weights_that_the_settings_name_win_over_pulled_ones(
    models: Models, brought: Callable[[bytes], Path], tmp_path: Path
) -> None:
    """They are looked at first even when they are wrong: a named file is never passed over."""
    path = brought(published(sound_state()))
    settings = settings_in(tmp_path / "cache", encoder="tiny", home="underwood", encoder_weights="absent.pt")
    assert path.is_relative_to(tmp_path / "cache" / "underwood")
    with pytest.raises(WeightsError, match=r"absent\.pt: No such file"):
        _ = open_workspace(str(settings)).encoder


def test_a_settings_file_that_was_named_must_be_there(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, "nowhere.toml")
    assert isinstance(models("list").exception, SettingsError)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as hub:
        hub.content = published(sound_state())
        yield hub


#: The command line as it is, with a folder of cards of its own.
WITH_CARDS = """
import sys
from pathlib import Path
from models.encoders import card
card.WEIGHTS = Path(sys.argv.pop(1))
from flows.cli import main
main()
"""


def in_a_process(cwd: Path, hub: Hub, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(cwd / "hf"),
        "HF_TOKEN": TOKEN,
        "XDG_CACHE_HOME": str(cwd / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", WITH_CARDS, str(cwd / "cards"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_pull_from_the_hub_is_quiet_and_leaves_only_the_file(
    described: Describe, hub: Hub, tmp_path: Path
) -> None:
    described(pinned(hub.content))
    done = in_a_process(tmp_path, hub, "models", "pull", "tiny")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    path = tmp_path / "cache" / "underwood" / "weights" / "tiny" / "w.pt"
    assert done.stdout == f"tiny: {len(hub.content)} bytes with the card's sha256 in {path}\n"
    assert path.read_bytes() == hub.content
    assert not (tmp_path / "hf").exists()


def test_a_pull_that_fails_is_one_line_without_the_token_even_with_debug(
    described: Describe, hub: Hub, tmp_path: Path
) -> None:
    described(pinned(hub.content))
    hub.status = 403
    done = in_a_process(tmp_path, hub, "models", "pull", "tiny")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"underwood: weights {REPOSITORY}@")
    loud = in_a_process(tmp_path, hub, "--debug", "models", "pull", "tiny")
    assert "Traceback" in loud.stderr
    assert hub.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in done.stdout + done.stderr + loud.stdout + loud.stderr
