"""The documents: what they show can be typed, what they name exists, where they point there is something."""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import typer

from flows.cli import app
from flows.settings import Settings
from monitoring.alerts.looking import events_of_look
from monitoring.science import AlertRule, Science
from warehouse.records import AlertRow
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
COOKBOOK, OPERATIONS = ROOT / "docs" / "sql-cookbook.md", ROOT / "docs" / "operations.md"
#: Variables of the environment that are no settings.
NO_SETTINGS = {"UNDERWOOD_CONFIG", "UNDERWOOD_SHARED"}


def pages(found: list[Path] = PAGES) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in found]


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def recipes() -> list[tuple[str, str]]:
    """Every query of the cookbook with the heading it stands under, and the one of the README."""
    found = re.findall(r"^## (.+?)$.*?^```sql\n(.+?)^```", COOKBOOK.read_text("utf-8"), re.M | re.S)
    return [
        *found,
        *(("README", line) for line in re.findall(r"^    (select .+;)$", text_of("README.md"), re.M)),
    ]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Two woodlands with nine years, a trend each, and an alert that was raised, as readers see them."""
    folder = tmp_path_factory.mktemp("cookbook")
    with open_writer(folder / "warehouse.duckdb", now=world.NOW) as writer:
        world.prepare(writer)
        world.load(writer, folder, world.history())
        writer.load_trends([world.trend_row("a"), world.trend_row("b", q=world.NAN)], now=world.NOW)
        row = AlertRow(world.assessment(), world.alert_row("a").alert)
        events = events_of_look({}, [row.alert], {}, {"a"}, AlertRule(), "2025-Q4", "run-1", world.NOW)
        writer.record_look([row], events, now=world.NOW)
        writer.publish(folder / "published.duckdb")
    with duckdb.connect(str(folder / "published.duckdb"), read_only=True) as connection:
        yield connection


def test_the_cookbook_holds_a_query_under_each_heading() -> None:
    text = COOKBOOK.read_text("utf-8")
    assert len(recipes()) == text.count("\n## ") + 1 == text.count("```sql") + 1


@pytest.mark.parametrize(("heading", "query"), recipes(), ids=[heading for heading, _ in recipes()])
def test_every_query_of_the_cookbook_runs(
    snapshot: duckdb.DuckDBPyConnection, heading: str, query: str
) -> None:
    assert snapshot.execute(query).description, heading


def test_the_cookbook_finds_the_alert_that_stands(snapshot: duckdb.DuckDBPyConnection) -> None:
    query = dict(recipes())["Alerts that stand, and who looks"]
    assert [row[0] for row in snapshot.execute(query).fetchall()] == ["CONFIRMED"]


@dataclasses.dataclass(frozen=True)
class Mention:
    """A command as a document shows it."""

    page: str
    words: str


def mentions(page: str) -> list[Mention]:
    """Every `underwood ...` of a page: whole lines of code up to two spaces, and code within a sentence."""
    text = text_of(page)
    joined = re.sub(r" *\\\n +", " ", text)
    lines = [line for line in joined.splitlines() if line.startswith("    ")]
    in_lines = [words for line in lines for words in re.findall(r"\bunderwood ((?:\S+ )*\S+)", line)]
    sentences = "\n".join(line for line in joined.splitlines() if not line.startswith("    "))
    in_sentences = [" ".join(words.split()) for words in re.findall(r"`underwood ([^`]+)`", sentences)]
    return [Mention(page, words) for words in (*in_lines, *in_sentences)]


def untypable(mention: Mention) -> str:
    """What of a command is not in the command line; empty where all of it is.

    ` | ` parts what can stand in the place of the last word, `a|b` words of which each can stand there.
    """
    group: object = ROOT_COMMAND
    for part in mention.words.split(" | "):
        words = words_before_options(part)
        start = group if words and words[0] in commands_of(group) else ROOT_COMMAND
        for command, above in resolved(start, words):
            if isinstance(command, str):
                return f"{mention.page}: underwood {mention.words}: no command {command!r}"
            group = above
            unknown = set(re.findall(r"--[a-z][a-z0-9-]*", part)) - options_of(command) - {"--help"}
            if unknown:
                return f"{mention.page}: underwood {mention.words}: no option {', '.join(sorted(unknown))}"
    return ""


def words_before_options(part: str) -> list[str]:
    """The words that name a command and its arguments; what is in brackets may be left out."""
    bare = re.sub(r"\[[^\]]*\]?|--config \S+|--debug", "", part)
    return bare.split(" -")[0].split()


ROOT_COMMAND = typer.main.get_command(app)


def commands_of(command: object) -> dict[str, object]:
    found = getattr(command, "commands", {})
    return found if isinstance(found, dict) else {}


def options_of(command: object) -> set[str]:
    parameters = [*getattr(command, "params", ()), *ROOT_COMMAND.params]
    return {name for each in parameters for name in (*each.opts, *each.secondary_opts)}


def resolved(start: object, words: list[str]) -> Iterator[tuple[object, object]]:
    """Yield each command the words name with the group it lies in; the word itself where there is none."""
    if not commands_of(start) or not words:
        yield start, start
        return
    for word in words[0].split("|"):
        below = commands_of(start).get(word)
        if below is None:
            yield word, start
        elif commands_of(below) and words[1:]:
            yield from resolved(below, words[1:])
        else:
            yield below, start


@pytest.mark.parametrize("page", pages())
def test_every_command_shown_can_be_typed(page: str) -> None:
    assert [said for said in map(untypable, mentions(page)) if said] == []


def test_the_documents_show_the_commands_a_person_needs() -> None:
    shown = " ".join(mention.words for page in pages() for mention in mentions(page))
    for command in commands_of(ROOT_COMMAND):
        assert re.search(rf"\b{command}\b", shown), f"underwood {command} stands in no document"


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for words in ("plough", "alerts plough", "alerts list|plough", "cube info | plough", "trends --plough"):
        assert untypable(Mention("README.md", words)), words
    for words in ("alerts list|show", "cube info | export", "run --season latest", "alerts [--park P]"):
        assert not untypable(Mention("README.md", words)), words


def links(page: str) -> list[str]:
    text = re.sub(r"```.+?```|`[^`]+`", "", text_of(page), flags=re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        aim = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert aim.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(aim), f"{page}: {link}"


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        names = [link.partition("#")[0] for link in links(str(page.relative_to(ROOT)))]
        aims = [(page.parent / name).resolve() for name in names if (page.parent / name).exists()]
        inside = [found for aim in aims for found in (aim.glob("*.md") if aim.is_dir() else [aim])]
        waiting += [aim for aim in inside if aim.suffix == ".md" and aim not in reached]
    assert pages(sorted(set(PAGES) - reached)) == []


def settings_keys() -> set[str]:
    """Every key of the settings file, those within a table with a point before them."""
    found = set()
    for name, each in Settings.model_fields.items():
        within = getattr(each.annotation, "model_fields", {})
        found |= {f"{name}.{key}" for key in within} or {name}
    return found - {"config_file"}


def test_the_table_of_settings_names_every_key_and_no_other() -> None:
    section = OPERATIONS.read_text("utf-8").split("## Settings")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.M)
    assert {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)} == settings_keys()


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_every_settings_file_shown_is_accepted(page: str) -> None:
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .+\n)+", text_of(page), re.M)]
    shown = [content for block in blocks if (content := toml_of(block))]
    assert shown
    for content in shown:
        Settings(**{"catalogue": "catalog.json", "woodlands": Path("woodlands.gpkg"), **content})


def toml_of(block: str) -> dict[str, object]:
    try:
        return tomllib.loads(block)
    except tomllib.TOMLDecodeError:
        return {}


@pytest.mark.parametrize("page", pages())
def test_every_variable_of_the_environment_is_a_setting(page: str) -> None:
    named = {found.rstrip("_") for found in re.findall(r"\bUNDERWOOD_[A-Z_]+", text_of(page))} - NO_SETTINGS
    known = {f"UNDERWOOD_{key.replace('.', '__').upper()}" for key in settings_keys()} | {"UNDERWOOD"}
    assert named <= known


def choices() -> dict[str, dict[str, object]]:
    """The scientific choices as shipped, by section."""
    content = dataclasses.asdict(Science())
    return {section: values for section, values in content.items() if isinstance(values, dict)}


@pytest.mark.parametrize("page", [page for page in pages() if page != "CHANGELOG.md"])
def test_scientific_choices_are_called_by_their_names(page: str) -> None:
    named = re.findall(rf"`({'|'.join(choices())})\.(\w+)`", text_of(page))
    assert [f"{section}.{key}" for section, key in named if key not in choices()[section]] == []


@pytest.mark.parametrize("page", pages())
def test_a_number_beside_a_scientific_choice_is_the_one_it_has(page: str) -> None:
    shipped = {key: value for values in choices().values() for key, value in values.items()}
    for key, number in re.findall(r"`(?:\w+\.)?(\w+)`(?:,| \()\s*([\d.]*\d)", text_of(page)):
        if isinstance(shipped.get(key), int | float):
            assert float(number) == shipped[key], f"{page}: {key} {number}, shipped {shipped[key]}"
