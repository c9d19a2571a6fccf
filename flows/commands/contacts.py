"""Commands for the people who are told of alerts: they are kept apart from the science, and can be erased."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.looking import FormatOption, ParkOption
from flows.commands.session import session_of
from flows.operating.contacts import FILE_NAME, Contact, add_contact, erase_contact, read_contacts
from flows.tables import Format, show

contacts = typer.Typer(
    help="People who are told of alerts; the log knows only their ids.", no_args_is_help=True
)


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    contacts.command("add")(add)
    contacts.command("list")(list_contacts)
    contacts.command("erase")(erase)
    app.add_typer(contacts, name="contacts")


def contacts_of(context: typer.Context) -> tuple[Contact, ...]:
    """Return the contacts of this installation."""
    return read_contacts(_file(context))


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the person is called.")],
    mail: Annotated[str, typer.Option(help="Where mail reaches them.")] = "",
    park: ParkOption = "",
) -> None:
    """Keep a person under a random id, which is all that the warehouse will ever know of them."""
    typer.echo(add_contact(_file(context), name, mail=mail, park=park).id)


def list_contacts(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Show the contacts with their ids."""
    show([asdict(each) for each in contacts_of(context)], form, empty="no contact is kept")


def erase(
    context: typer.Context,
    contact: Annotated[str, typer.Argument(metavar="ID", help="Id of the contact.")],
) -> None:
    """Forget a person for good; what they did stays in the log, under an id that names nobody."""
    erase_contact(_file(context), contact)
    typer.echo(f"contact {contact}: erased here; backups made with contacts still hold it")


def _file(context: typer.Context) -> Path:
    return session_of(context).open().settings.home / FILE_NAME
