from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from warehouse_world import filled

from monitoring.errors import SettingsError, WarehouseError
from warehouse.answering.questions import MOST_CHARACTERS, Limits, Reply, confined, question
from warehouse.content import content_digest

REACHES = (
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_csv('/dev/stdin')",
    "select * from read_parquet('x.parquet')",
    "select * from read_json('http://127.0.0.1:1/x.json')",
    "select * from glob('/etc/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from 'http://127.0.0.1:1/x.csv'",
    "select getenv('HOME')",
    "select * from REACHES",
    "select * from query('copy (select 1) to ''/tmp/x''')",
)
CHANGES = (
    "attach '/tmp/x.duckdb'", "attach ':memory:' as m", "detach warehouse", "use memory",
    "copy woodland to '/tmp/x.csv'", "export database '/tmp/x'", "import database '/tmp/x'",
    "install spatial", "load spatial", "pragma database_list", "call pragma_version()",
    "set memory_limit = '64GB'", "reset memory_limit", "set lock_configuration = false",
    "set variable x = 1", "create table t (a integer)", "create temp table t (a integer)",
    "create table memory.t (a integer)", "create macro f() as 1", "create secret s (type s3)",
    "insert into park values ('x', now())", "update park set name = 'x'", "delete from park",
    "truncate park", "drop table park", "alter table park add column y integer",
    "comment on table park is 'x'", "checkpoint", "vacuum", "begin", "prepare p as select 1",
    "with x as (insert into park values ('x', now()) returning *) select * from x",
    "explain analyze delete from park", "select 1; drop table park", "", ";", "-- nothing", "selec 1",
    "select $1", "select * from nothing_of_that_name", "select '", "/*", "\0",
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("asked") / "warehouse.duckdb")


def rows(path: Path, sql: str, limits: Limits | None = None) -> list[dict[str, object]]:
    with question(path, sql, limits or Limits()) as reply:
        return [row for batch in reply.batches() for row in batch.to_pylist()]


def refusal(path: Path, sql: str, limits: Limits | None = None) -> str:
    with pytest.raises(WarehouseError) as refused:
        rows(path, sql, limits)
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) as n from site_history", [{"n": 18}]),
        ("with a as (select 1 as x) select * from a", [{"x": 1}]),
        ("from park select name", [{"name": "Vale"}]),
        ("values (1)", [{"col0": 1}]),
        ("select 1 as a;", [{"a": 1}]),
        ("select 1 as a, 2 as a", [{"a": 1, "a_1": 2}]),
        ("select name from park where false", []),
    ],
)
def test_a_question_is_answered(path: Path, sql: str, expected: Sequence[object]) -> None:
    assert rows(path, sql) == expected


def test_what_there_is_can_be_asked_too(path: Path) -> None:
    assert {"name": "site_history"} in rows(path, "show tables")
    assert rows(path, "describe site_history")[0]["column_name"] == "woodland_id"
    assert rows(path, "summarize park")[0]["min"] == "Vale"


@pytest.mark.parametrize("sql", REACHES)
def test_a_question_reaches_no_file_address_or_variable(path: Path, sql: str) -> None:
    assert refusal(path, sql).startswith("query: ")


def test_whatever_is_no_question_fails_with_one_line_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    with confined(path, Limits()) as connection:
        for sql in CHANGES:
            with pytest.raises(WarehouseError) as refused:
                list(Reply(connection, sql, Limits()).batches())
            assert "\n" not in str(refused.value)
    assert path.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_a_question_that_reaches_out_is_told_so(path: Path) -> None:
    assert "it may read the warehouse and nothing else" in refusal(path, REACHES[0])


def test_a_misspelt_column_brings_a_hint(path: Path) -> None:
    line = refusal(path, "select wodland_id from site_history")
    assert "wodland_id" in line
    assert "woodland_id" in line.replace("wodland_id", "")


def test_a_question_that_takes_too_long_is_stopped(path: Path) -> None:
    started = time.monotonic()
    endless = "select count(*) from range(100000000000) a(i) where hash(i) = 3"
    assert refusal(path, endless, Limits(seconds=0.3)) == "query: took longer than 0.3 s (--timeout)"
    assert time.monotonic() - started < 5


def test_an_answer_without_end_is_stopped_in_its_midst(path: Path) -> None:
    limits = Limits(seconds=0.3)
    with question(path, "select * from range(100000000000)", limits) as reply:
        batches = reply.batches()
        assert next(batches).num_rows > 0
        with pytest.raises(WarehouseError, match="took longer than"):
            for _ in batches:
                pass


def test_the_time_of_who_reads_slowly_does_not_count(path: Path) -> None:
    with question(path, "select * from range(300000)", Limits(seconds=0.5)) as reply:
        n_rows = 0
        for batch in reply.batches():
            n_rows += batch.num_rows
            time.sleep(0.3)
    assert n_rows == 300_000


def test_a_question_that_needs_more_memory_than_it_may_fails(path: Path) -> None:
    wide = "select * from range(20000000) t(i) order by hash(i)"
    assert "Out of Memory" in refusal(path, wide, Limits(memory="64MB"))


def test_the_first_rows_of_a_long_answer_come_before_the_last_is_computed(path: Path) -> None:
    with question(path, "select * from range(100000000000)", Limits(rows=5)) as reply:
        assert [batch["range"].to_pylist() for batch in reply.batches()] == [[0, 1, 2, 3, 4]]
        assert reply.is_cut


@pytest.mark.parametrize(("limit", "is_cut"), [(17, True), (18, False), (19, False)])
def test_a_row_limit_says_whether_it_cut(path: Path, limit: int, is_cut: bool) -> None:
    with question(path, "select season from site_history order by all", Limits(rows=limit)) as reply:
        assert sum(batch.num_rows for batch in reply.batches()) == min(limit, 18)
        assert reply.is_cut is is_cut


def test_times_are_utc_and_polygons_say_what_they_are(path: Path) -> None:
    with question(path, "select recorded_at, geometry from woodland", Limits()) as reply:
        assert str(reply.schema.field("recorded_at").type) == "timestamp[us, tz=UTC]"
        assert reply.schema.field("geometry").metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"


@pytest.mark.parametrize("wrong", ["1", "63MB", "-1", "all", "1GB; drop table park", "", "1e9GB", "nanGB"])
def test_a_memory_limit_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="memory limit"):
        Limits(memory=wrong)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="time limit"):
        Limits(seconds=seconds)


def test_a_row_limit_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="row limit 0"):
        Limits(rows=0)


def test_a_question_longer_than_any_person_asks_is_refused(path: Path) -> None:
    assert "characters" in refusal(path, "select 1 --" + "x" * MOST_CHARACTERS)


@pytest.mark.parametrize("opening", ["(", "not ", "[", "-"])
def test_a_question_nested_without_end_fails(path: Path, opening: str) -> None:
    assert refusal(path, f"select {opening * 20_000} 1")


def test_where_nothing_is_published_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert "nothing has been published there yet" in refusal(tmp_path / "none.duckdb", "select 1")


def test_what_is_no_warehouse_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("not a database")
    assert "text.duckdb" in refusal(tmp_path / "text.duckdb", "select 1")


def test_a_folder_with_quotes_in_its_name_is_only_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a'; drop table park; --"
    folder.mkdir()
    asked = filled(folder / "warehouse.duckdb")
    before = content_digest(asked)
    assert rows(asked, "select count(*) as n from park") == [{"n": 1}]
    assert content_digest(asked) == before
