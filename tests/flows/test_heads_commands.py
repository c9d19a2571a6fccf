"""`underwood train`, `predict` and `evaluate` on files, where there is no service at all."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from head_files import DIMS, IDS, N, embeddings_of, rows_of, write_embeddings, write_table
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.settings import CONFIG_VARIABLE
from models.heads.card import read_head_card
from models.heads.head import load_head
from monitoring.errors import CardMismatchError, ModelError, SampleError, SettingsError, UnderwoodError

#: One candidate in this process: a head in a second.
QUICKLY = ("--candidates", "ridge", "--workers", "1")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(autouse=True)
def _no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, embeddings, and the head of both."""
    folder = tmp_path_factory.mktemp("files")
    write_table(folder / "samples.csv")
    write_embeddings(folder / "e.npz")
    done = train(folder / "samples.csv", folder / "e.npz", folder / "head")
    assert done.exit_code == 0, done.output
    return folder


def train(samples: Path, embeddings: Path, out: Path, *more: object) -> Result:
    named = ("--target", "richness", "--samples", samples, "--embeddings", embeddings, "--out", out)
    return call("train", *named, *QUICKLY, *more)


def predict(head: Path, embeddings: Path, out: Path, *more: object) -> list[dict[str, str]]:
    done = call("predict", "--head", head, "--embeddings", embeddings, "--out", out, *more)
    if done.exception:
        raise done.exception
    return list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))


def refusal(result: Result) -> str:
    """The one line a command refuses by."""
    assert isinstance(result.exception, UnderwoodError), result.exception
    assert "\n" not in str(result.exception)
    return str(result.exception)


# --- train


def test_a_head_is_trained_from_two_files_and_says_how_good_it_is(files: Path, tmp_path: Path) -> None:
    done = train(files / "samples.csv", files / "e.npz", tmp_path / "head")
    assert done.exit_code == 0
    for said in ("ridge *", "ridge on place", "random", "1 km", "A random split would have promised R2"):
        assert said in done.stdout
    assert sorted(path.name for path in (tmp_path / "head").iterdir()) == [
        "card.json", "evaluation.safetensors", "head.safetensors",
    ]  # fmt: skip
    card = read_head_card(tmp_path / "head")
    assert (card.n_samples, card.n_dropped, card.dims, card.encoder_id) == (N, 0, DIMS, "unstated")
    assert card == read_head_card(files / "head")  # the same files and seed give the same head


def test_rows_for_programs_are_numbers_with_their_bounds(files: Path, tmp_path: Path) -> None:
    done = train(files / "samples.csv", files / "e.npz", tmp_path / "head", "--format", "json")
    rows = json.loads(done.stdout)
    card = read_head_card(tmp_path / "head")
    assert [row["scheme"] for row in rows if row["part"] == "held out"] == [s.scheme for s in card.schemes]
    (chosen,) = [row for row in rows if row["part"] == "compared" and row["chosen"]]
    assert chosen["candidate"] == "ridge"
    assert chosen["r2"] == card.scores.r2.estimate
    assert chosen["rmse_low"] == card.scores.rmse.low


@pytest.mark.parametrize("ids", [np.arange(N), np.arange(N, dtype=float), np.arange(N).astype(str)])
def test_ids_that_are_numbers_in_one_file_and_text_in_the_other_meet(tmp_path: Path, ids: Any) -> None:
    table = write_table(tmp_path / "s.csv", rows_of(tuple(range(N))))
    done = train(table, write_embeddings(tmp_path / "e.npz", ids), tmp_path / "head")
    assert done.exit_code == 0, done.exception
    assert read_head_card(tmp_path / "head").n_samples == N


def test_samples_without_embeddings_and_embeddings_without_samples_are_counted(
    files: Path, tmp_path: Path
) -> None:
    values = embeddings_of()
    values[5] = np.nan
    path = write_embeddings(tmp_path / "e.npz", [*IDS[:-10], *"xyz"], values[: N - 7])
    assert train(files / "samples.csv", path, tmp_path / "head").exit_code == 0
    card = read_head_card(tmp_path / "head")
    assert (card.n_samples, card.n_dropped) == (N - 11, 11)
    counts = {row.defect: row.count for row in card.defects}
    assert (counts["no embedding of this id"], counts["embedding of no usable sample"]) == (10, 3)


def test_folds_keep_a_named_column_together_and_need_no_places(files: Path, tmp_path: Path) -> None:
    rows = [[row[0], row[4], row[5], row[6]] for row in rows_of()]
    table = write_table(tmp_path / "s.csv", rows, ("sample_id", "richness", "reads", "wood"))
    assert train(table, files / "e.npz", tmp_path / "head", "--group", "wood").exit_code == 0
    card = read_head_card(tmp_path / "head")
    assert card.primary == "group"
    assert {row.scheme: row.n_blocks for row in card.schemes}["group"] == 15
    assert "no column for longitude" in refusal(train(table, files / "e.npz", tmp_path / "other"))


def test_a_head_is_replaced_and_a_foreign_folder_is_left_alone(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "head"
    assert train(files / "samples.csv", files / "e.npz", out).exit_code == 0
    before = read_head_card(out)
    assert train(files / "samples.csv", files / "e.npz", out, "--seed", 1).exit_code == 0
    assert read_head_card(out).id != before.id
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert "no part of a head" in refusal(train(files / "samples.csv", files / "e.npz", tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def with_value(value: float) -> list[list[Any]]:
    return [[*row[:4], value, *row[5:]] for row in rows_of()]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (with_value(30.0), "all samples have the value 30, nothing to learn"),
        (rows_of()[:10], "10 usable samples of 10, needs 50"),
        ([*rows_of(), rows_of()[0]], "id 'S0' is used by rows 1 and 91, an id names one sample"),
        (rows_of(tuple(f"T{k}" for k in range(N))), "ids there are like 'T0', here like 'S0'"),
    ],
)
def test_samples_that_carry_no_head_are_refused_and_nothing_is_written(
    files: Path, tmp_path: Path, rows: list[list[Any]], said: str
) -> None:
    table = write_table(tmp_path / "s.csv", rows)
    assert said in refusal(train(table, files / "e.npz", tmp_path / "head"))
    assert not (tmp_path / "head").exists()


def test_embeddings_that_are_all_nan_are_refused(files: Path, tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "e.npz", IDS, np.full((N, DIMS), np.nan))
    assert "none of 90 samples has an embedding" in refusal(
        train(files / "samples.csv", path, tmp_path / "h")
    )


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("--out", "--embeddings without --out: name a folder for the head"),
        ("--target", "--embeddings without --target: name what the samples hold"),
        ("--samples", "--embeddings without --samples: name the table they belong to"),
    ],
)
def test_options_that_belong_together_are_asked_for(files: Path, left_out: str, said: str) -> None:
    options = {"--target": "richness", "--samples": files / "samples.csv", "--out": "head"}
    given = [word for name, value in options.items() if name != left_out for word in (name, value)]
    result = call("train", "--embeddings", files / "e.npz", *given)
    assert refusal(result) == said
    assert isinstance(result.exception, SettingsError)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--group", "plot"), "no column 'plot'"),
        (("--candidates", "oracle"), "candidate 'oracle': known are"),
        (("--covariate", "climate"), "--covariate climate: expected NAME=RASTER"),
        (("--covariate", "climate=nowhere.tif"), "nowhere.tif"),
        (("--target", "age"), "target 'age': known are"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(
    files: Path, tmp_path: Path, more: tuple[str, str], said: str
) -> None:
    result = train(files / "samples.csv", files / "e.npz", tmp_path / "head", *more)
    assert said in refusal(result)


# --- predict


def test_predictions_are_those_of_the_head(files: Path, tmp_path: Path) -> None:
    rows = predict(files / "head", files / "e.npz", tmp_path / "p.csv")
    assert list(rows[0]) == ["sample_id", "mean", "sd", "lo90", "hi90", "applicable"]
    assert tuple(row["sample_id"] for row in rows) == IDS
    found = load_head(files / "head").predict(embeddings_of())
    np.testing.assert_allclose([float(row["mean"]) for row in rows], found.mean, rtol=1e-8)
    assert all(float(row["lo90"]) < float(row["mean"]) < float(row["hi90"]) for row in rows)
    truth = np.array([row[4] for row in rows_of()])
    assert np.corrcoef(found.mean, truth)[0, 1] > 0.9


def test_what_was_not_seen_is_empty_and_not_applicable(files: Path, tmp_path: Path) -> None:
    values = embeddings_of()
    values[3, 1] = np.nan
    rows = predict(files / "head", write_embeddings(tmp_path / "e.npz", IDS, values), tmp_path / "p.csv")
    assert rows[3] == {"sample_id": "S3", "mean": "", "sd": "", "lo90": "", "hi90": "", "applicable": "false"}
    assert rows[4]["mean"] != ""


def test_what_lies_far_from_every_sample_is_not_applicable(files: Path, tmp_path: Path) -> None:
    path = write_embeddings(
        tmp_path / "e.npz", ["near", "far"], np.vstack([embeddings_of()[0], [50.0] * DIMS])
    )
    rows = predict(files / "head", path, tmp_path / "p.csv")
    assert [row["applicable"] for row in rows] == ["true", "false"]


def test_a_head_is_also_named_by_its_card(files: Path, tmp_path: Path) -> None:
    by_folder = predict(files / "head", files / "e.npz", tmp_path / "p.csv")
    assert predict(files / "head" / "card.json", files / "e.npz", tmp_path / "q.csv") == by_folder


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+A1", "-2+3+cmd|' /C calc'!A0", "a\tb", "a\x1b[2J"])
def test_an_id_that_a_spreadsheet_would_run_is_never_written(files: Path, tmp_path: Path, name: str) -> None:
    path = write_embeddings(tmp_path / "e.npz", ["a", name], embeddings_of()[:2])
    with pytest.raises(SampleError, match="as a formula, or cannot be printed") as refused:
        predict(files / "head", path, tmp_path / "p.csv")
    assert str(refused.value).isprintable()
    assert not (tmp_path / "p.csv").exists()


def test_a_negative_number_is_an_id_like_any_other(files: Path, tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "e.npz", [-5, 7], embeddings_of()[:2])
    rows = predict(files / "head", path, tmp_path / "p.csv")
    assert [row["sample_id"] for row in rows] == ["-5", "7"]


def test_embeddings_of_another_encoder_are_refused(files: Path, tmp_path: Path) -> None:
    other = write_embeddings(tmp_path / "e.npz", encoder="underwood-student-1")
    with pytest.raises(CardMismatchError, match=r"belongs to encoder unstated, not to underwood-student-1"):
        predict(files / "head", other, tmp_path / "p.csv")
    assert train(files / "samples.csv", other, tmp_path / "head").exit_code == 0
    assert read_head_card(tmp_path / "head").encoder_id == "underwood-student-1"
    predict(tmp_path / "head", other, tmp_path / "p.csv")
    with pytest.raises(CardMismatchError, match="--encoder says what made embeddings"):
        predict(tmp_path / "head", files / "e.npz", tmp_path / "q.csv")
    predict(tmp_path / "head", files / "e.npz", tmp_path / "q.csv", "--encoder", "underwood-student-1")


def test_embeddings_of_another_length_are_refused(files: Path, tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "e.npz", IDS, np.ones((N, DIMS + 1)))
    with pytest.raises(ModelError, match=r"takes \(N, 4\), got \(90, 5\)"):
        predict(files / "head", path, tmp_path / "p.csv")


def test_a_folder_without_a_head_and_a_file_that_is_no_csv_are_refused(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no card\.json there"):
        predict(tmp_path, files / "e.npz", tmp_path / "p.csv")
    with pytest.raises(SettingsError, match=r"must end in \.csv"):
        predict(files / "head", files / "e.npz", tmp_path / "p.xlsx")


# --- evaluate


def test_an_evaluation_done_again_gives_what_the_card_says(files: Path) -> None:
    done = call("evaluate", files / "head", "--workers", 1, "--format", "json")
    assert done.exit_code == 0
    rows = {row["scheme"]: row for row in json.loads(done.stdout)}
    assert all(row["same"] for row in rows.values())
    card = read_head_card(files / "head")
    assert rows[card.primary]["r2 again"] == card.scores.r2.estimate
    assert set(rows) == {row.scheme for row in card.schemes if row.scores}


def test_a_card_that_was_altered_is_refused(files: Path, tmp_path: Path) -> None:
    assert train(files / "samples.csv", files / "e.npz", tmp_path / "head").exit_code == 0
    path = tmp_path / "head" / "card.json"
    path.write_text(path.read_text("utf-8").replace('"seed": 0', '"seed": 1'), "utf-8")
    assert "was altered" in refusal(call("evaluate", tmp_path / "head"))


# --- the command line


def test_help_comes_without_the_libraries_that_work() -> None:
    code = (
        "import sys; import flows.cli; "
        "heavy = ('torch', 'sklearn', 'prefect', 'pandas', 'geopandas', 'scipy.stats', 'pystac_client'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
