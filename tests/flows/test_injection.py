"""Text that would be SQL, through every entry that takes text: it fails or finds nothing, changes nothing."""

from __future__ import annotations

import contextlib
import inspect
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from flows.cli import app
from flows.workspace import open_workspace
from monitoring.errors import UnderwoodError
from warehouse.answering.sites import family, find_woodland, sites
from warehouse.answering.tables import Tables
from warehouse.content import content_digest
from warehouse.publish import publish
from warehouse.reader import Reader, read
from warehouse.staging import staging_path
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

ATTACKS = (
    "'; drop table estimate; --", "' or '1'='1", "a' union select * from run --", '"; delete from park; --',
    "a'; attach '/tmp/x.duckdb'; --", "$woodland_id", "%", "\\'; drop table run; --", "a\0b", "é'\u202e--",
)  # fmt: skip
BY = ("--by", "nobody")
#: Commands that reach the warehouse with a text: the arguments, `@` standing for the text.
ATTACKED = {
    "history": ("@", "--as-of @ a", "--lineage @"),
    "sites": ("--park @", "--near @", "--status @"),
    "query": ("@", "--memory @ select·1"),
    "trends": ("--park @",),
    "report": ("--season @ --out o.pdf", "--season 2025-Q4 --park @ --out o.pdf"),
    "run": ("--season @",),
    "provenance": ("@",),
    "rebuild": ("@", "--season @"),
    "promotions": ("--target @", "--head @"),
    "lineage": ("@",),
    "alerts list": ("--park @",),
    "alerts show": ("@",),
    "alerts explain": ("@",),
    "alerts ack": ("@ --by nobody", "alert-a --by @", "alert-a --by nobody --note @"),
    "alerts assign": ("@ --to x --by nobody", "alert-a --to @ --by nobody", "alert-a --to x --by @"),
    "alerts dismiss": ("@ --reason x --by nobody", "alert-a --reason @ --by nobody"),
    "alerts field": ("@ confirmed --by nobody", "alert-a confirmed --by nobody --note @"),
    "alerts reopen": ("@ --reason x --by nobody", "alert-a --reason @ --by nobody"),
    "contacts erase": ("@",),
    "export": ("tree --views @",),
    "releases load": ("none.gpkg --name @", "none.gpkg --valid-from @"),
}  # fmt: skip
#: Commands whose texts never reach the warehouse: files, models, weather, the cube, contacts of their own.
ELSEWHERE = {
    "assess", "backfill", "contacts add", "cube export", "cube info", "cube make", "embed", "map",
    "models compare", "models promote", "models pull", "models show", "models verify", "panels accept",
    "predict", "pretrain", "replay", "train", "weather",
}  # fmt: skip


def commands(of: typer.Typer, path: tuple[str, ...] = ()) -> Iterator[tuple[str, typing.Any]]:
    for command in of.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        yield " ".join((*path, name)), command.callback
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, (*path, str(group.name)))


def takes_text(callback: typing.Any) -> bool:
    kinds = [kind for name, kind in typing.get_type_hints(callback).items() if name != "return"]
    return any(str in (kind, *typing.get_args(kind)) or list[str] in typing.get_args(kind) for kind in kinds)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("injected") / "a'; drop table woodland; --"
    folder.mkdir()
    config = folder / "underwood.toml"
    config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "ho\'me"\n', "utf-8")
    workspace = open_workspace(str(config))
    workspace.warehouse.parent.mkdir(parents=True)
    publish(world.filled(workspace.warehouse), workspace.published)
    return config


def digests(config: Path) -> tuple[str, str]:
    workspace = open_workspace(str(config))
    return content_digest(workspace.warehouse), content_digest(workspace.published)


def test_no_command_that_takes_text_was_forgotten() -> None:
    named = {path for path, callback in commands(app) if takes_text(callback)}
    assert named == set(ATTACKED) | ELSEWHERE


def attack_all(config: Path, command: str, attacks: tuple[str, ...], most: int | None = None) -> None:
    for line in ATTACKED[command][:most]:
        for attack in attacks:
            words = [attack if word == "@" else word.replace("·", " ") for word in line.split()]
            done = CliRunner().invoke(app, ["--config", str(config), *command.split(), *words])
            assert isinstance(done.exception, UnderwoodError | SystemExit | type(None)), (
                words,
                done.exception,
            )


def test_commands_given_sql_for_a_text_change_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    before = digests(config)
    for command in sorted(ATTACKED):
        attack_all(config, command, ATTACKS[:1], 1)
    assert digests(config) == before


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(ATTACKED))
def test_a_command_given_any_sql_for_a_text_changes_nothing(
    config: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    before = digests(config)
    attack_all(config, command, ATTACKS)
    assert digests(config) == before


def asked_with(method: typing.Any, text: str) -> dict[str, str]:
    """The text for every argument that takes one."""
    parameters = inspect.signature(method).parameters
    return {name: text for name, each in parameters.items() if "str" in str(each.annotation)}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from(ATTACKS) | st.text(min_size=3).map(lambda text: f"'{text}; drop table run; --"))
def test_no_method_of_a_reader_takes_a_text_for_sql(config: Path, text: str) -> None:
    with read(open_workspace(str(config)).published) as reader:
        for kind, asked in ((Reader, reader), (Tables, reader.tables)):
            names = [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"]
            for name in names:
                method = getattr(asked, name)
                chosen = asked_with(method, text)
                if not chosen or name in ("anchor_series", "look_number", "seen_years"):
                    continue
                with contextlib.suppress(UnderwoodError):
                    found = method(**chosen)
                    assert not len(found.rows if kind is Tables else found), name
        assert sites(reader.connection, text, park=text).num_rows == 0
        assert family(reader.connection, text) == ()
        with pytest.raises(UnderwoodError, match="not in the warehouse"):
            find_woodland(reader.connection, text)


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if "\0" not in attack])
def test_what_is_written_with_sql_in_its_ids_is_kept_as_text(tmp_path: Path, attack: str) -> None:
    path = world.filled(tmp_path / "warehouse.duckdb")
    staged = staging_path(tmp_path / "staging'; --", "2025-Q4", "block'1", attack)
    with open_writer(path, now=world.NOW) as writer:
        with pytest.raises(UnderwoodError):
            world.load(writer, staged.parent, [world.estimate(attack)])
        assert writer.finish_run(attack, "finished", now=world.NOW) == 0
        with pytest.raises(UnderwoodError):
            writer.choose_model(attack, attack, attack, attack, run_id=attack, now=world.NOW)
        assert writer.record_run(world.RunRow(attack, "2025-Q4", attack, "{}", attack, world.NOW)) == 1
        assert [run["run_id"] for run in writer.reader.runs()].count(attack) == 1
        assert len(writer.reader.history()) == 18
