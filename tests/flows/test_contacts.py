"""The people who are told of alerts: kept apart, known to the log by id only, and gone when erased."""

from __future__ import annotations

import itertools
import json
import stat
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from flows.operating.contacts import add_contact, erase_contact, find_contact, read_contacts, refuse_personal
from monitoring.errors import ContactError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "contacts.json"


def run(folder: Path, *arguments: str) -> Result:
    config = folder / "underwood.toml"
    config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
    return CliRunner().invoke(app, ["--config", str(config), "contacts", *arguments])


def test_a_person_is_added_listed_and_erased_for_good(tmp_path: Path) -> None:
    given = run(tmp_path, "add", "Hazel Wood", "--mail", "hazel@vale.example", "--park", "Vale")
    contact_id = given.stdout.strip()
    assert contact_id.startswith("c-")
    assert len(contact_id) == 10
    listed = json.loads(run(tmp_path, "list", "--format", "json").stdout)
    assert listed == [{"id": contact_id, "name": "Hazel Wood", "mail": "hazel@vale.example", "park": "Vale"}]
    assert run(tmp_path, "erase", contact_id).exit_code == 0
    kept = [file.read_text("utf-8") for file in (tmp_path / "home").iterdir() if file.is_file()]
    assert not any("Hazel" in text or "hazel" in text for text in kept)
    assert "no contact is kept" in run(tmp_path, "list").stdout


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    add_contact(path, "Hazel")
    path.chmod(0o644)
    add_contact(path, "Rowan")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_id_is_drawn_not_derived_and_never_given_twice_at_once(path: Path) -> None:
    drawn = itertools.chain(["00000001", "00000001", "00000002"])
    first = add_contact(path, "Hazel", draw=lambda _n: next(drawn))
    second = add_contact(path, "Rowan", draw=lambda _n: next(drawn))
    assert (first.id, second.id) == ("c-00000001", "c-00000002")


def test_erasing_takes_what_a_killed_command_left_as_well(path: Path) -> None:
    hazel = add_contact(path, "Hazel", mail="hazel@vale.example")
    left = path.with_name(".contacts.json.4711.draft")
    left.write_text(path.read_text())
    erase_contact(path, hazel.id)
    assert not left.exists()
    assert read_contacts(path) == ()


def test_a_contact_is_found_by_id_or_by_a_name_that_only_one_has(path: Path) -> None:
    hazel = add_contact(path, "Hazel", park="Vale")
    assert find_contact(read_contacts(path), "hazel") == hazel == find_contact(read_contacts(path), hazel.id)
    other = add_contact(path, "Hazel", park="Downs")
    with pytest.raises(ContactError, match=f"2 have that name.*{min(hazel.id, other.id)}"):
        find_contact(read_contacts(path), "Hazel")
    with pytest.raises(ContactError, match="'Rowan': not known"):
        find_contact(read_contacts(path), "Rowan")
    with pytest.raises(ContactError) as refused:
        find_contact(read_contacts(path), "rowan@vale.example")
    assert "@" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "mail"),
    [("", ""), (" ", ""), ("underwood", ""), ("c-00000001", ""), ("two\nlines", ""), ("h@vale.example", ""),
     ("Hazel", "hazel"), ("Hazel", "hazel@vale"), ("Hazel", "a@b.example,c@d.example"), ("x" * 255, "")],
)  # fmt: skip
def test_who_cannot_be_named_or_written_to_is_refused(path: Path, name: str, mail: str) -> None:
    with pytest.raises(ContactError) as refused:
        add_contact(path, name, mail=mail)
    assert "\n" not in str(refused.value)
    assert not path.exists()


def test_a_person_is_kept_once(path: Path) -> None:
    add_contact(path, "Hazel", park="Vale")
    with pytest.raises(ContactError, match="known already"):
        add_contact(path, "Hazel", park="Vale")


@pytest.mark.parametrize("content", ["{", "[1]", '[{"id": "c-00000001"}]', '[{"id": "x", "name": "Hazel"}]'])
def test_a_damaged_file_is_refused_and_stays_as_it_is(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(ContactError):
        add_contact(path, "Rowan")
    assert path.read_text() == content


@pytest.mark.parametrize(
    "note",
    ["ask hazel@vale.example", "hazel.wood+owl @ vale.co.uk", "hazel(at)vale.example", "ring 01865 275 000",
     "+44 1865 275000", "(01865) 275000", "0049-30-1234567", "call 555-123-4567 first"],
)  # fmt: skip
def test_a_note_that_says_how_a_person_is_reached_is_refused(note: str) -> None:
    with pytest.raises(ContactError, match=r"seems to hold a (mail address|telephone number)") as refused:
        refuse_personal(note, "note")
    assert note not in str(refused.value)


@pytest.mark.parametrize(
    "note",
    ["", "stumps @ the north gate", "felled on 2024-03-01 and 2024-03-15", "seen 01/02/2024 10:30",
     "between 01.02.2024 and 03.04.2024", "q fell to 0.0123456789", "at SU 12345 67890", "woodland 1412345",
     "lost 12 taxa in 2021, 14 in 2022 and 16 in 2023"],
)  # fmt: skip
def test_days_grids_and_figures_are_no_telephone_numbers(note: str) -> None:
    assert refuse_personal(note, "note") == note
