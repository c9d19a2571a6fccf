"""Identities: an id is of what it names, of all of it and of nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.identities import NAMESPACE, estimate_id, identity, is_identity, report_id, spelled, trend_id

ESTIMATE = {
    "woodland_id": "HF-002",
    "season": "2025-Q4",
    "target": "richness",
    "encoder": "student-1",
    "head": "head-1",
    "config_hash": "c0ffee",
    "inputs_hash": "1dea",
    "boundary": "b0b",
}
TREND = {name: ESTIMATE[name] for name in list(ESTIMATE)[:6]} | {"series_hash": "5e71e5"}
REPORT = {"season": "2025-Q4", "park": "", "sha256": "00"}
KINDS = [(estimate_id, ESTIMATE), (trend_id, TREND), (report_id, REPORT)]
#: Short, of few letters and full of what separates parts: the texts most likely to be taken for each other.
PARTS = st.lists(st.text("a1:,|é", max_size=4), min_size=1, max_size=4).map(tuple)


def test_an_id_stays_what_it_was_once_cited() -> None:
    named = "8:estimate,1:1,6:HF-002,7:2025-Q4,8:richness,9:student-1,6:head-1,6:c0ffee,4:1dea,3:b0b,"
    assert estimate_id(**ESTIMATE) == str(uuid.uuid5(NAMESPACE, named))
    assert estimate_id(**ESTIMATE) == "b0934d9b-e019-5b94-b62b-af8c40eaa786"


@pytest.mark.parametrize(("named", "parts"), KINDS)
def test_any_part_that_changes_gives_another_id(named: Callable[..., str], parts: dict[str, str]) -> None:
    ids = {named(**parts)} | {named(**{**parts, name: value + "x"}) for name, value in parts.items()}
    assert len(ids) == 1 + len(parts)


@given(PARTS, PARTS)
def test_two_lists_of_parts_have_one_id_only_if_they_are_the_same(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert (spelled(one) == spelled(other)) == (one == other)
    assert (identity(one) == identity(other)) == (one == other)


def test_parts_that_only_look_joined_alike_are_told_apart() -> None:
    assert identity(("a", "b,c")) != identity(("a,b", "c"))
    assert identity(("a", "b")) != identity(("b", "a"))
    assert identity(("a", "")) != identity(("a",))


def test_an_estimate_and_a_trend_of_the_same_words_are_not_one() -> None:
    assert len({named(**parts) for named, parts in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    "text", ["", "HF-002", "6f0c2a52-5d0e-4b7e-9a51-3a7c0f6f4d1b", estimate_id(**ESTIMATE).upper()]
)
def test_what_is_no_such_id_is_seen_by_its_form(text: str) -> None:
    assert not is_identity(text)
    assert is_identity(estimate_id(**ESTIMATE))
