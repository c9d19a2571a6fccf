"""The whole line on the simulated archive, as its user would run it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.modelling.registry import Shelf
from models.heads.applicability import feature_weights
from models.heads.comparison import natural_mean, scored
from models.heads.crew import Crew
from models.heads.fitting import inside_when_held_out
from models.heads.folds import block_groups, deal
from models.heads.head import Head, load_head
from models.heads.holding import Trial, hold_out
from warehouse.content import content_digest

pytestmark = pytest.mark.slow

Underwood = Callable[..., "subprocess.CompletedProcess[str]"]
WriteSettings = Callable[..., Path]

#: A history long enough to be tested for trends.
FIRST, LAST = "2017-Q4", "2025-Q4"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, archive: Path, underwood: Underwood) -> Path:
    """A finished demo, its archive linked from the cache of this checkout."""
    folder = tmp_path_factory.mktemp("line") / "demo"
    folder.mkdir()
    (folder / "archive").symlink_to(archive)
    done = underwood("demo", str(folder), cwd=folder.parent, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said.txt").write_text(done.stdout, "utf-8")
    return folder


def config(demo: Path) -> tuple[str, str]:
    return "--config", str(demo / "underwood.toml")


def test_the_demo_recovers_the_planted_truth(demo: Path, underwood: Underwood) -> None:
    with (demo / "archive" / "truth" / "woodlands.csv").open(newline="") as file:
        truth = {row["wood_id"]: row["kind"] for row in csv.DictReader(file)}
    answer = underwood(*config(demo), "alerts", "--format", "json", cwd=demo)
    level = {row["woodland_id"]: row["level"] for row in json.loads(answer.stdout)}
    decliners = [wood for wood, kind in truth.items() if kind == "decline"]
    assert sum(wood in level for wood in decliners) >= 0.8 * len(decliners)
    assert [wood for wood, kind in truth.items() if kind == "stable" and level.get(wood) == "CONFIRMED"] == []


def test_the_demo_says_where_everything_is(demo: Path) -> None:
    said = (demo / "said.txt").read_text("utf-8")
    for line in ("warehouse ", "report ", "alerts "):
        assert line in said
    assert (demo / "service" / "published" / "underwood.duckdb").is_file()
    assert (demo / f"report-{LAST}.pdf").read_bytes().startswith(b"%PDF")


def test_a_second_backfill_changes_no_row_and_reads_no_pixel(demo: Path, underwood: Underwood) -> None:
    warehouse = demo / "service" / "warehouse.duckdb"
    before = content_digest(warehouse)
    arguments = ("backfill", "--from", FIRST, "--to", LAST, "--final-only", "--format", "json")
    again = underwood(*config(demo), *arguments, cwd=demo)
    # The archive's 2017 is thin on purpose: a few small woods stay in quarantine, and both runs say so.
    said = again.stderr.splitlines()
    assert again.returncode == 1
    assert said
    assert all("2017-Q4: quarantined: " in line for line in said), again.stderr
    rows = json.loads(again.stdout)
    assert len(rows) == 9
    assert [row["rows_added"] for row in rows] == [0] * 9
    assert [row["scenes_read"] for row in rows] == [0] * 9
    assert content_digest(warehouse) == before


def test_a_history_says_how_each_number_came_about(demo: Path, underwood: Underwood) -> None:
    woodland = first_woodland(demo)
    answer = underwood(*config(demo), "history", woodland, "--format", "json", cwd=demo)
    rows = json.loads(answer.stdout)
    assert [row["season"] for row in rows] == [f"{year}-Q4" for year in range(2017, 2026)]
    for row in rows:
        assert row["sd"] > 0
        assert 0.5 <= row["coverage"] <= 1.000001
        assert row["n_s2"] >= 3
        assert row["encoder"] == "underwood-student-1"
        assert row["head"].startswith("richness")
        assert len(row["run_id"]) == 36


def test_contrasts_under_other_choices_begin_with_the_one_recorded(demo: Path, underwood: Underwood) -> None:
    asked = (*config(demo), "contrasts", "--format", "json")
    recorded = json.loads(underwood(*asked, cwd=demo).stdout)
    [first, *others] = json.loads(underwood(*asked, "--variants", cwd=demo).stdout)
    [whole] = [row for row in recorded if row["park"] == first["park"]]
    assert first["variant"] == "as assessed"
    assert {name: first[name] for name in ("slope", "p", "n_ancient", "n_pairs")} == {
        name: pytest.approx(whole[name]) for name in ("slope", "p", "n_ancient", "n_pairs")
    }
    assert {"by area", "without years 2018-2021", "without years 2022-2024"} <= {
        row["variant"] for row in others
    }


def first_woodland(demo: Path) -> str:
    with (demo / "archive" / "truth" / "woodlands.csv").open(newline="") as file:
        return next(csv.DictReader(file))["wood_id"]


def test_another_process_reads_the_same_history_while_a_run_is_writing(
    demo: Path, underwood: Underwood, tmp_path: Path, prefect_api: str
) -> None:
    folder = copy_of(demo, tmp_path)
    woodland = first_woodland(demo)
    expected = json.loads(underwood(*config(demo), "history", woodland, "--format", "json", cwd=demo).stdout)
    running = start(folder, "run", "--season", "2024-Q3", PREFECT_API_URL=prefect_api)
    snapshot = folder / "service" / "published" / "underwood.duckdb"
    query = "select season, mean, run_id from site_history where woodland_id = ? and is_final order by season"
    reads = 0
    while running.poll() is None:
        with duckdb.connect(str(snapshot), read_only=True) as client:
            rows = client.execute(query, [woodland]).fetchall()
        assert rows == [(row["season"], row["mean"], row["run_id"]) for row in expected]
        reads += 1
        time.sleep(0.2)
    assert running.returncode == 0
    assert reads >= 5
    with duckdb.connect(str(snapshot), read_only=True) as client:
        seasons = client.execute("select distinct season from site_history order by season").fetchall()
    assert ("2024-Q3",) in seasons


def copy_of(demo: Path, folder: Path) -> Path:
    """Copy a demo without its flow records, its archive linked."""
    target = folder / "copy"
    shutil.copytree(demo, target, symlinks=True, ignore=shutil.ignore_patterns("prefect"))
    return target


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flows.cli", "--config", str(folder / "underwood.toml"), *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_the_report_is_the_same_bytes_for_the_same_inputs(
    demo: Path, underwood: Underwood, tmp_path: Path
) -> None:
    hashes = set()
    for name in ("one.pdf", "two.pdf"):
        out = tmp_path / name
        park = ("--park", "Hallin Fells", "--at", "2026-02-15")
        arguments = ("report", "--season", LAST, *park, "--out", str(out))
        done = underwood(*config(demo), *arguments, cwd=demo)
        assert done.returncode == 0, done.stderr
        hashes.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_season_killed_at_any_moment_and_run_again_ends_as_if_undisturbed(
    demo: Path, underwood: Underwood, tmp_path: Path, prefect_api: str
) -> None:
    season = ("run", "--season", "2025-Q4")
    quiet = fresh(demo, tmp_path / "quiet")
    began = time.monotonic()
    done = underwood("--config", str(quiet), *season, cwd=tmp_path, PREFECT_API_URL=prefect_api)
    assert done.returncode == 0, done.stderr
    length = time.monotonic() - began
    expected = content_digest(tmp_path / "quiet" / "service" / "warehouse.duckdb")
    moments = np.random.default_rng(20260115).uniform(0.2, 0.95, 5) * length
    for number, moment in enumerate(moments):
        disturbed = fresh(demo, tmp_path / f"disturbed-{number}")
        running = start(disturbed.parent, *season, PREFECT_API_URL=prefect_api)
        time.sleep(moment)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        again = underwood("--config", str(disturbed), *season, cwd=tmp_path, PREFECT_API_URL=prefect_api)
        assert again.returncode == 0, again.stderr
        found = content_digest(disturbed.parent / "service" / "warehouse.duckdb")
        assert found == expected, f"killed after {moment:.1f} of {length:.1f} s"


def fresh(demo: Path, folder: Path) -> Path:
    """Return the settings of a service that has a head and nothing else."""
    (folder / "service").mkdir(parents=True)
    shutil.copytree(demo / "service" / "heads", folder / "service" / "heads")
    for name in ("archive", "reference_sites.gpkg"):
        (folder / name).symlink_to((demo / name).resolve())
    return Path(shutil.copy(demo / "underwood.toml", folder))


def head_of(demo: Path) -> Head:
    """The head that the demo's estimates come from."""
    return load_head(Shelf(demo / "service" / "heads" / "richness").in_use)


def test_planted_richness_is_recovered_at_kilometre_squares_held_out(demo: Path) -> None:
    head = head_of(demo)
    samples = head.evaluation.samples
    squares = block_groups(samples.labels.coordinates, 1_000)
    folds = deal(squares, 5, "1 km squares")
    (held,) = hold_out([Trial(head.card.candidate, samples.training(squares), folds, 0)], Crew(), "")
    scores = scored(samples, held, squares, seed=0)
    assert scores.r2.estimate >= 0.6
    assert abs(scores.me.estimate) < 0.02 * samples.value.mean()
    assert 0.88 <= scores.coverage_90.estimate <= 0.92


def test_a_random_split_would_have_promised_more(demo: Path) -> None:
    card = head_of(demo).card
    r2 = {row.scheme: row.scores.r2.estimate for row in card.schemes if row.scores}
    assert r2["random"] > r2[card.primary] + 0.02 > r2["region"]


def test_errors_outside_the_area_of_applicability_of_the_other_park_are_half_as_large_again(
    demo: Path,
) -> None:
    """One park is left out; the other is held out by squares. Outside: unlike every training sample."""
    head = head_of(demo)
    samples, schemes = head.evaluation.samples, {each.name: each for each in head.evaluation.schemes}
    training, weights = samples.training(schemes[head.card.primary].blocks), importance(head)
    folds = {name: schemes[name].folds for name in ("region", head.card.primary)}
    trials = [Trial(head.card.candidate, training, each, 0) for each in folds.values() if each]
    held = hold_out(trials, Crew(), "")
    error = np.concatenate([natural_mean(samples, each) - samples.value for each in held])
    inside = np.concatenate(
        [
            inside_when_held_out(samples.embeddings, weights, trial.folds.fold, training.group)
            for trial in trials
        ]
    )
    assert 50 < inside.sum() < len(inside) - 50
    assert rms(error[~inside]) > 1.5 * rms(error[inside])


def importance(head: Head) -> np.ndarray:
    """How much the head depends on each number of an embedding."""
    samples = head.evaluation.samples
    return feature_weights(head.module, samples.training(samples.labels.year), 0)


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))
