"""Drift: an encoder that no longer says what it said stops the season, and nothing else does."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from ingest_world import write_woods
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.estimating.drift import (
    accept_again,
    hold_to_panel,
    look_at_inputs,
    refuse_drift,
    refuse_drifted_training,
    standing_of_panels,
)
from flows.estimating.panels import AS_FROZEN, last_compared, panel_path, read_panel, write_panel
from flows.ingesting.ingest import IngestReceipt, ingest_block
from flows.modelling.training import keep, train
from flows.workspace import Workspace, open_workspace
from models.encoders.encoder import load_encoder
from models.heads.fitting import Fitting, fit_head
from models.heads.head import Head
from models.heads.samples import Labels
from monitoring.errors import DriftError, PanelError, SettingsError, UnderwoodError
from monitoring.seasons import Season
from warehouse.content import content_digest
from warehouse.cube import open_cube

WriteSettings = Callable[..., Path]
Underwood = Callable[..., "subprocess.CompletedProcess[str]"]
SEASON = Season(2025, 4)
NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)
LATER = datetime(2026, 4, 15, 3, tzinfo=UTC)
#: Three woodlands of each park.
WOODS = [f"{park}-{number:03d}" for park in ("HF", "OW") for number in (2, 11, 23)]
#: Runs `underwood` with every weight of the encoder off by a relative random amount.
OFF = """
import sys
import torch
import models.encoders.encoder as engine
size, genuine = float(sys.argv.pop(1)), engine.load_weights
def off(network, *arguments):
    network, random = genuine(network, *arguments), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + size * torch.randn(weight.shape, generator=random))
    return network
engine.load_weights = off
from flows.cli import main
main()
"""
#: Replaces a panel by another in a child process that is killed at one call to the file system after another.
KILLED = """
import os, shutil, sys
from pathlib import Path
from flows.estimating.panels import read_panel, write_panel
old, new, folder = map(Path, sys.argv[1:])
panel = read_panel(new).panel
def dying(step):
    genuine = {"fsync": os.fsync, "replace": os.replace, "rename": os.rename}
    left = [step]
    def dies(name):
        def call(*arguments, **more):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return genuine[name](*arguments, **more)
        return call
    for name in genuine:
        setattr(os, name, dies(name))
for step in range(20):
    place = folder / str(step) / old.parent.name / old.name
    place.parent.mkdir(parents=True)
    shutil.copy(old, place)
    child = os.fork()
    if not child:
        dying(step)
        write_panel(place, panel)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@dataclasses.dataclass(frozen=True)
class Service:
    """A service whose cube holds a season."""

    workspace: Workspace
    config: Path
    receipts: tuple[IngestReceipt, ...]

    def hold(self, number: int = 0) -> Path:
        """Hold the encoder to the panel of a block, as the flow does; return where the panel lies."""
        receipt = self.receipts[number]
        block = self.workspace.blocks[receipt.block_id]
        hold_to_panel(self.workspace, block, SEASON, receipt.listing, NOW)
        return panel_path(self.workspace, block.id)

    def refuse_drift(self) -> int:
        """Compare all panels before the season, as the flow does."""
        return refuse_drift(self.workspace, self.receipts, LATER)

    def restarted(self) -> Service:
        """Return the same service as the next process sees it."""
        fresh = Workspace(self.workspace.settings, self.workspace.science)
        return dataclasses.replace(self, workspace=fresh)


@pytest.fixture(scope="module")
def ingested(
    tmp_path_factory: pytest.TempPathFactory, one_year: Callable[[int], Path], write_settings: WriteSettings
) -> Service:
    """A service that has ingested one year of the archive and has a head."""
    folder = tmp_path_factory.mktemp("ingested")
    archive = one_year(SEASON.year)
    woods = write_woods(folder / "woods.gpkg", archive / "woodlands.gpkg", WOODS)
    config = write_settings(folder, archive, woodlands=woods, device="cpu")
    workspace = open_workspace(str(config))
    receipts = tuple(ingest_block(workspace, block, SEASON, NOW) for block in workspace.blocks.values())
    keep(workspace, some_head(workspace), NOW)
    return Service(workspace, config, receipts)


def some_head(workspace: Workspace) -> Head:
    """Return a head that fits the encoder; what it predicts is of no matter here."""
    random = np.random.default_rng(1)
    embeddings = random.normal(size=(60, workspace.encoder_card.dims)).astype(np.float32)
    labels = Labels(
        ids=tuple(f"S{number}" for number in range(60)),
        value=100 + 5 * embeddings[:, 0] + random.normal(size=60),
        coordinates=np.column_stack([random.uniform(-3, 0, 60), random.uniform(51, 54, 60)]),
        effort=np.full((60, 1), 8000.0),
        year=np.full(60, 2025, np.int64),
    )
    how = Fitting(candidates=("ridge",))
    return fit_head(embeddings, labels, workspace.target, workspace.encoder_card, how)


@pytest.fixture
def service(ingested: Service, tmp_path: Path, write_settings: WriteSettings) -> Service:
    """A copy of that service that a test may damage."""
    chosen = ingested.workspace.settings
    shutil.copytree(chosen.home, tmp_path / "service")
    archive = Path(chosen.catalogue).parent
    config = write_settings(tmp_path, archive, woodlands=chosen.woodlands, device="cpu")
    return Service(open_workspace(str(config)), config, ingested.receipts)


@pytest.fixture
def weights_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[Workspace, float], None]:
    """Put every weight of a workspace's encoder off by a relative random amount."""
    import torch

    import models.encoders.encoder as engine

    def off(workspace: Workspace, size: float) -> None:
        genuine = engine.load_weights

        def load(*arguments: object) -> object:
            network, random = genuine(*arguments), torch.Generator().manual_seed(1)
            with torch.no_grad():
                for weight in network.parameters():
                    weight.mul_(1 + size * torch.randn(weight.shape, generator=random))
            return network

        with monkeypatch.context() as patch:
            patch.setattr(engine, "load_weights", load)
            workspace.__dict__["encoders"] = (load_encoder(workspace.encoder_card),)
            workspace.__dict__.pop("_seats", None)

    return off


def files_under(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_first_season_of_a_block_freezes_its_panel(service: Service) -> None:
    stored = read_panel(service.hold())
    record, block = stored.panel.record, service.workspace.blocks[service.receipts[0].block_id]
    assert (record.block_id, record.season, record.encoder) == (block.id, "2025-Q4", "underwood-student-1")
    assert record.accepted_at == "2026-01-15T03:00:00+00:00"
    assert (record.environment.device, record.environment.precision) == ("cpu", "fp32")
    assert stored.panel.inputs.n_pixels == len(stored.panel.embeddings.values) == 64
    assert (block.pixels.index_of(stored.panel.column, stored.panel.row) >= 0).all()
    assert np.isfinite(stored.panel.embeddings.values).any()


def test_the_same_encoder_agrees_to_the_last_bit(service: Service) -> None:
    paths = [service.hold(number) for number in range(len(service.receipts))]
    before = [path.read_bytes() for path in paths]
    assert service.restarted().refuse_drift() == len(paths) == 2
    for path, content in zip(paths, before, strict=True):
        found = last_compared(read_panel(path))
        assert found is not None
        assert (found.agrees, found.bitwise, found.difference, list(found.changed)) == (True, True, 0.0, [])
        assert found.compared_at == "2026-04-15T03:00:00+00:00"
        assert path.read_bytes() == content


def test_weights_off_by_a_thousandth_stop_the_season_and_nothing_is_staged(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    path = service.hold()
    before, staged = path.read_bytes(), files_under(service.workspace.staging)
    later = service.restarted()
    weights_off(later.workspace, 1e-3)
    for stops in (later.refuse_drift, later.hold):
        with pytest.raises(DriftError) as caught:
            stops()
        said = str(caught.value)
        assert path.stem in said
        assert "underwood-student-1" in said
        assert "bound 2e-05" in said
        assert "changed since 2026-01-15: nothing of what is recorded" in said
        assert "\n" not in said
    assert path.read_bytes() == before
    assert files_under(service.workspace.staging) == staged


def test_a_change_within_numerics_passes_and_its_first_number_is_named(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    path = service.hold()
    later = service.restarted()
    weights_off(later.workspace, 1e-7)
    assert later.refuse_drift() == 1
    found = last_compared(read_panel(path))
    assert found is not None
    assert found.agrees
    assert not found.bitwise
    assert 0 < found.difference < 2e-5
    assert found.deviates_at.startswith("pixel ")


def test_what_changed_around_a_drifted_encoder_is_named(service: Service) -> None:
    path = service.hold()
    panel = read_panel(path).panel
    environment = dataclasses.replace(panel.record.environment, torch="1.0", capability="SVE")
    values = panel.embeddings.values + np.float32(1e-3)
    older = dataclasses.replace(
        panel,
        record=dataclasses.replace(panel.record, environment=environment),
        embeddings=dataclasses.replace(panel.embeddings, values=values),
    )
    write_panel(path, older)
    with pytest.raises(DriftError, match=r"capability SVE -> \w+; torch 1\.0 -> [^;]*; the season stops"):
        service.refuse_drift()


def test_a_head_cannot_be_trained_on_a_drifted_encoder_and_nothing_is_written(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    paths = [service.hold(number) for number in range(2)]
    later = service.restarted()
    before = files_under(service.workspace.settings.home)
    weights_off(later.workspace, 1e-3)
    with pytest.raises(DriftError, match=r"and 1 more blocks.*; no head is fitted") as caught:
        train(later.workspace, NOW)
    assert "\n" not in str(caught.value)
    notes = {path.with_suffix(".compared.json") for path in paths}
    after = files_under(service.workspace.settings.home)
    assert {path: content for path, content in after.items() if path not in notes} == before


def test_training_compares_every_panel_of_its_own_encoder(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    assert refuse_drifted_training(service.workspace) == 0
    paths = [service.hold(number) for number in range(2)]
    later = service.restarted()
    assert refuse_drifted_training(later.workspace, LATER) == 2
    assert [compared.agrees for compared in map(last_compared, map(read_panel, paths)) if compared] == [
        True
    ] * 2
    weights_off(later.workspace, 1e-3)
    later.workspace.__dict__["encoder_card"] = dataclasses.replace(later.workspace.encoder_card, id="another")
    assert refuse_drifted_training(later.workspace) == 0


def test_training_on_published_embeddings_compares_nothing(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    service.hold()
    later = service.restarted()
    weights_off(later.workspace, 1e-3)
    published = dataclasses.replace(later.workspace.encoder_card, input="embeddings")
    later.workspace.__dict__["encoder_card"] = published
    assert refuse_drifted_training(later.workspace) == 0


def test_a_damaged_panel_is_its_own_error_and_says_what_to_do(service: Service) -> None:
    path = service.hold()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for stops in (service.refuse_drift, service.restarted().hold):
        with pytest.raises(PanelError, match=r"damaged.*restore it from a backup") as caught:
            stops()
        assert not isinstance(caught.value, DriftError)


def test_a_panel_under_another_blocks_name_is_refused(service: Service) -> None:
    path = service.hold()
    other = panel_path(service.workspace, service.receipts[1].block_id)
    shutil.copy(path, other)
    with pytest.raises(PanelError, match=f"is of block {path.stem}"):
        read_panel(other)


@pytest.mark.parametrize("changed", [{"id": "another"}, {"weights_sha256": "cd" * 32}])
def test_a_panel_of_another_encoder_is_not_compared(
    service: Service, weights_off: Callable[[Workspace, float], None], changed: dict[str, str]
) -> None:
    first = service.hold()
    before = first.read_bytes()
    later = service.restarted()
    weights_off(later.workspace, 1e-3)
    card = dataclasses.replace(later.workspace.encoder_card, **changed)  # type: ignore[arg-type]
    later.workspace.__dict__["encoder_card"] = card
    later.workspace.__dict__["head"] = service.workspace.head
    assert later.refuse_drift() == 0
    second = later.hold()
    assert second != first
    assert (first.read_bytes(), last_compared(read_panel(first))) == (before, None)


def test_a_new_block_is_not_frozen_from_a_drifted_encoder(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    service.hold(0)
    later = service.restarted()
    weights_off(later.workspace, 1e-3)
    alone = dataclasses.replace(later, receipts=later.receipts[1:])
    for stops in (alone.refuse_drift, alone.hold):
        with pytest.raises(DriftError, match=service.receipts[0].block_id):
            stops()
    assert not panel_path(later.workspace, service.receipts[1].block_id).exists()


def test_embeddings_that_are_not_computed_here_have_no_panel(service: Service) -> None:
    card = dataclasses.replace(service.workspace.encoder_card, input="published embeddings")
    service.workspace.__dict__["encoder_card"] = card
    assert not service.hold().exists()
    assert service.refuse_drift() == 0
    assert standing_of_panels(service.workspace) == "none: underwood-student-1 is not computed here"


def test_accepting_again_keeps_the_old_panel_and_the_reason(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    path = service.hold()
    old, old_bytes = read_panel(path), path.read_bytes()
    later = service.restarted()
    weights_off(later.workspace, 1e-3)
    new, step = accept_again(later.workspace, path, "  a reason ", LATER)
    assert (new.panel.record.why, new.panel.record.replaces) == ("a reason", old.sha256)
    assert not step.agrees
    assert step.difference > 2e-5
    (kept,) = (path.parent / "replaced").iterdir()
    assert kept.name == f"{path.stem}-20260115T030000Z-{old.sha256[:12]}.panel"
    assert kept.read_bytes() == old_bytes
    assert later.refuse_drift() == 1
    assert read_panel(path).sha256 == new.sha256


def test_accepting_again_without_a_reason_is_wrong_use(service: Service) -> None:
    path = service.hold()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="--why"):
        accept_again(service.workspace, path, " ")
    assert path.read_bytes() == before


def test_an_acceptance_killed_at_any_moment_leaves_the_old_panel_or_the_new(
    service: Service, tmp_path: Path
) -> None:
    path = service.hold()
    old, original = read_panel(path), shutil.copy(path, tmp_path / path.name)
    new, _ = accept_again(service.workspace, path, "another", LATER)
    before = tmp_path / "old" / path.parent.name / path.name
    before.parent.mkdir(parents=True)
    shutil.move(original, before)
    command = [sys.executable, "-c", KILLED, str(before), str(path), str(tmp_path / "killed")]
    subprocess.run(command, check=True, timeout=60)
    steps = sorted((tmp_path / "killed").iterdir(), key=lambda step: int(step.name))
    left = [read_panel(step / path.parent.name / path.name).sha256 for step in steps]
    assert len(steps) > 4
    assert set(left) == {old.sha256, new.sha256}
    assert left == sorted(left, key=[old.sha256, new.sha256].index), "once new, it stays new"
    for step, sha256 in zip(steps, left, strict=True):
        kept = [read.sha256 for read in map(read_panel_anywhere, step.rglob("replaced/*.panel"))]
        assert kept == [old.sha256] or sha256 == old.sha256


def read_panel_anywhere(path: Path) -> SimpleNamespace:
    from models.encoders.panel import panel_sha256

    return SimpleNamespace(sha256=panel_sha256(path.read_bytes(), str(path)))


def test_a_cube_that_gives_other_observations_than_were_frozen_is_noticed(service: Service) -> None:
    stored = read_panel(service.hold())
    workspace = service.workspace
    assert look_at_inputs(workspace, stored).inputs == AS_FROZEN
    block = workspace.blocks[stored.block_id]
    session = open_cube(workspace.cube, block).repository.writable_session("main")
    values = zarr.open_group(session.store, path="s2", mode="r+")["values"]
    values[:] = np.asarray(values[:]) + 1
    session.commit("what should never happen")
    assert look_at_inputs(workspace, stored).inputs.startswith("changed: bands")
    assert "warning: block" in standing_of_panels(workspace)


def test_a_cube_that_lost_the_scenes_is_not_called_changed(service: Service) -> None:
    stored = read_panel(service.hold())
    shutil.rmtree(service.workspace.cube)
    assert look_at_inputs(service.workspace, stored).inputs.startswith("the cube lacks ")


def command(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(service.config), "panels", *arguments])


def test_the_commands_say_how_every_panel_stands(service: Service) -> None:
    assert command(service, "list").stdout == "no panel is frozen yet\n"
    paths = [service.hold(number) for number in range(2)]
    (first, _) = rows = json.loads(command(service, "list", "--format", "json").stdout)
    assert [row["block"] for row in rows] == [path.stem for path in paths]
    assert (first["season"], first["pixels"], first["compared_at"]) == ("2025-Q4", 64, None)
    checked = command(service, "check", "--format", "json")
    assert checked.exit_code == 0
    assert {(row["agrees"], row["bitwise"], row["inputs"]) for row in json.loads(checked.stdout)} == {
        (True, "yes", AS_FROZEN)
    }


def test_check_exits_with_one_on_drift_and_accept_makes_it_fit_again(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    paths = [service.hold(number) for number in range(2)]
    weights_off(service.workspace, 1e-3)
    drifted = command(service, "check")
    assert drifted.exit_code == 1
    assert drifted.stderr.count("has drifted") == 2
    accepted = command(service, "accept", "--block", paths[0].stem, "--why", "on purpose", "--format", "json")
    assert [row["block"] for row in json.loads(accepted.stdout)] == [paths[0].stem]
    assert command(service, "check").stderr.count("has drifted") == 1
    assert command(service, "accept", "--all", "--why", "on purpose").exit_code == 0
    assert command(service, "check").exit_code == 0
    whys = {row["why"] for row in json.loads(command(service, "list", "--format", "json").stdout)}
    assert whys == {"on purpose"}


@pytest.mark.parametrize(
    "arguments", [(), ("--all", "--block", "32630-e1-n2"), ("--block", "32630-e1-n2"), ("--block", "../x")]
)
def test_accepting_nothing_everything_twice_or_an_unknown_block_is_wrong_use(
    service: Service, arguments: tuple[str, ...]
) -> None:
    service.hold()
    assert isinstance(command(service, "accept", "--why", "on purpose", *arguments).exception, SettingsError)


def test_a_damaged_panel_does_not_hide_the_others(service: Service) -> None:
    paths = [service.hold(number) for number in range(2)]
    paths[0].write_bytes(b"")
    for verb in ("list", "check"):
        answer = command(service, verb, "--format", "json")
        assert [row["block"] for row in json.loads(answer.stdout)] == [paths[1].stem]
        assert "damaged" in answer.stderr
        assert answer.exit_code == 1


def test_the_doctor_speaks_of_drift(
    service: Service, weights_off: Callable[[Workspace, float], None]
) -> None:
    service.hold()
    assert "equal to the last bit" in standing_of_panels(service.workspace)
    weights_off(service.workspace, 1e-3)
    with pytest.raises(UnderwoodError, match="has drifted"):
        standing_of_panels(service.workspace)


@pytest.mark.slow
def test_a_season_with_a_drifted_encoder_stores_nothing_and_a_mended_one_runs(
    trained: Path, tmp_path: Path, archive: Path, write_settings: WriteSettings, underwood: Underwood,
    prefect_api: str,
) -> None:  # fmt: skip
    shutil.copytree(trained.parent / "service" / "heads", tmp_path / "service" / "heads")
    settings = write_settings(tmp_path, archive)
    home = tmp_path / "service"

    def run(season: str) -> subprocess.CompletedProcess[str]:
        arguments = ("--config", str(settings), "run", "--season", season)
        return underwood(*arguments, cwd=tmp_path, PREFECT_API_URL=prefect_api)

    done = run("2023-Q4")
    assert len(list(home.glob("panels/*/*.panel"))) == 2, done.stderr
    stored = content_digest(home / "warehouse.duckdb")
    panels = {path: path.read_bytes() for path in home.glob("panels/*/*.panel")}
    off = [sys.executable, "-c", OFF, "1e-3", "--config", str(settings), "run", "--season", "2024-Q4"]
    drifted = subprocess.run(off, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert drifted.returncode == 1
    said = [line for line in drifted.stderr.splitlines() if line.startswith("underwood: ")]
    assert len(said) == 1
    assert "has drifted" in said[0]
    assert list((home / "staging" / "2024-Q4").glob("*.parquet")) == []
    assert content_digest(home / "warehouse.duckdb") == stored
    assert {path: path.read_bytes() for path in home.glob("panels/*/*.panel")} == panels
    mended = run("2024-Q4")
    assert mended.returncode == 0, mended.stderr
    assert content_digest(home / "warehouse.duckdb") != stored
    assert {path: path.read_bytes() for path in home.glob("panels/*/*.panel")} == panels
