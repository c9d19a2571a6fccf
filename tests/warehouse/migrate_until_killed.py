"""Child process: brings copies of an old warehouse up to date one after the other, and says which.

python migrate_until_killed.py FOLDER           migrates FOLDER/<number>.duckdb, copies of FOLDER/old.duckdb
python migrate_until_killed.py FOLDER make      makes FOLDER/old.duckdb, of version 6 of the schema
"""

from __future__ import annotations

import itertools
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from warehouse.database import connect
from warehouse.writer import open_writer

NOW = datetime(2026, 1, 15, tzinfo=UTC)
#: More woodlands and targets beside those of the small world, so that the rows are not copied in one piece.
_MORE = """
insert into woodland by name
select woodland.* replace ('w-' || copy as id) from woodland cross join range(700) as more (copy)
where id = 'a';
insert into estimate by name
select estimate.* replace ('w-' || copy as woodland_id) from estimate cross join range(700) as more (copy)
where woodland_id = 'a';
"""


def say(what: str, number: int) -> None:
    sys.stdout.write(f"{what} {number}\n")
    sys.stdout.flush()


def make(path: Path) -> None:
    """A warehouse as version 6 left it: rows in every table, 702 woodlands, nine years."""
    from test_migrate import version_six

    version_six(path)
    with connect(path, read_only=False) as connection:
        connection.execute(_MORE)


def migrate_on(folder: Path) -> None:
    """Migrate one copy after the other."""
    for number in itertools.count():
        path = folder / f"{number}.duckdb"
        for left in folder.glob(f"{number}.duckdb*"):
            left.unlink()
        shutil.copyfile(folder / "old.duckdb", path)
        say("migrate", number)
        with open_writer(path, now=NOW):
            say("migrated", number)
        for done in folder.glob(f"{number - 1}.duckdb*"):
            done.unlink()


if __name__ == "__main__":
    if "make" in sys.argv:
        make(Path(sys.argv[1]) / "old.duckdb")
    else:
        say("ready", 0)
        migrate_on(Path(sys.argv[1]))
