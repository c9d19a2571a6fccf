"""Matching a new inventory release with the woodlands before it, on squares of 100 m that can be counted."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate

from monitoring.boundaries.allotting import allot
from monitoring.boundaries.matching import Kind, Link, match
from monitoring.boundaries.outlines import Outline
from monitoring.woodlands import boundary_digest

#: Side of a cell of the drawings, metres: a cell is one hectare.
CELL_M = 100.0


def outline(name: str, polygon: Polygon | MultiPolygon, source_id: str = "") -> Outline:
    return Outline(name, source_id or name, polygon, boundary_digest(polygon))


def drawn(*rows: str) -> list[Outline]:
    """One woodland for each letter of a drawing, of the cells that show it."""
    cells: dict[str, list[Polygon]] = defaultdict(list)
    for down, row in enumerate(rows):
        for right, letter in enumerate(row):
            if letter != ".":
                corner = (right * CELL_M, -down * CELL_M)
                cells[letter].append(shapely.box(*corner, corner[0] + CELL_M, corner[1] + CELL_M))
    return [outline(letter, shapely.union_all(found)) for letter, found in sorted(cells.items())]


def told(links: Sequence[Link]) -> list[tuple[str, str, str]]:
    return [(link.old, link.new, link.kind.value) for link in links]


def test_a_release_like_the_last_keeps_every_woodland() -> None:
    woods = drawn("AA.B", "AACC")
    links = match(woods, woods)
    assert told(links) == [("A", "A", "kept"), ("B", "B", "kept"), ("C", "C", "kept")]
    assert [(link.shared_ha, link.share_of_old, link.share_of_new) for link in links] == [
        (4, 1, 1), (1, 1, 1), (2, 1, 1),
    ]  # fmt: skip


def test_a_woodland_that_gained_and_lost_a_tenth_has_moved() -> None:
    (link,) = match(drawn("AAAAAAAAAA."), drawn(".AAAAAAAAAA"))
    assert link == Link("A", "A", Kind.MOVED, 9.0, pytest.approx(0.9), pytest.approx(0.9))


@pytest.mark.parametrize(("lost_m", "kind"), [(4, "kept"), (6, "moved")])
def test_half_a_percent_of_an_edge_is_a_drawn_line_and_more_is_a_move(lost_m: float, kind: str) -> None:
    before, after = shapely.box(0, 0, 1000, 100), shapely.box(lost_m, 0, 1000, 100)
    (link,) = match([outline("A", before)], [outline("A", after)])
    assert link.kind.value == kind


def test_in_a_large_woodland_five_cells_are_a_move_however_small_their_share() -> None:
    before, after = shapely.box(0, 0, 5000, 5000), shapely.box(0.2, 0, 5000, 5000)  # 1000 m2 of 2500 ha
    (link,) = match([outline("A", before)], [outline("A", after)])
    assert link.kind is Kind.MOVED


def test_the_ground_decides_and_not_the_id_of_the_file() -> None:
    before = [outline("A", shapely.box(0, 0, 100, 100)), outline("B", shapely.box(500, 0, 600, 100))]
    after = [outline("B", shapely.box(0, 0, 100, 100)), outline("A", shapely.box(500, 0, 600, 100))]
    assert told(match(before, after)) == [("A", "B", "kept"), ("B", "A", "kept")]


def test_between_equal_polygons_the_id_of_the_file_decides() -> None:
    square = shapely.box(0, 0, 100, 100)
    before = [outline("A", square, "7"), outline("B", square, "5")]
    after = [outline("5", square), outline("7", square)]
    assert told(match(before, after)) == [("A", "7", "kept"), ("B", "5", "kept")]


def test_a_woodland_cut_in_halves_is_split() -> None:
    links = match(drawn("AAAA"), drawn("PPQQ"))
    assert links == (Link("A", "P", Kind.SPLIT, 2.0, 0.5, 1.0), Link("A", "Q", Kind.SPLIT, 2.0, 0.5, 1.0))


def test_two_woodlands_under_one_outline_are_merged() -> None:
    links = match(drawn("AABB"), drawn("PPPP"))
    assert links == (Link("A", "P", Kind.MERGED, 2.0, 1.0, 0.5), Link("B", "P", Kind.MERGED, 2.0, 1.0, 0.5))


def test_a_small_part_broken_off_is_new_on_old_ground_and_the_rest_goes_on() -> None:
    links = match(drawn("AAAAAAAAAA"), drawn("AAAAAAAAAP"))
    assert told(links) == [("A", "A", "moved"), ("A", "P", "new")]
    assert (links[1].share_of_old, links[1].share_of_new) == (pytest.approx(0.1), 1.0)


def test_a_small_woodland_taken_into_a_large_one_is_merged_and_the_large_one_goes_on() -> None:
    assert told(match(drawn("AAAAAAAAAB"), drawn("AAAAAAAAAA"))) == [
        ("A", "A", "moved"),
        ("B", "A", "merged"),
    ]


def test_what_stands_alone_is_new_or_gone() -> None:
    gone, new = sorted(match(drawn("A..."), drawn("...B")), key=lambda link: link.kind)
    assert (gone.old, gone.new, gone.kind, gone.shared_ha, gone.share_of_old) == ("A", "", Kind.GONE, 0, 0)
    assert (new.old, new.new, new.kind, new.shared_ha, new.share_of_new) == ("", "B", Kind.NEW, 0, 0)
    assert math.isnan(gone.share_of_new)
    assert math.isnan(new.share_of_old)


def test_neighbours_that_share_an_edge_only_are_strangers() -> None:
    assert told(match(drawn("A."), drawn(".B"))) == [("", "B", "new"), ("A", "", "gone")]


def test_a_sliver_over_a_neighbours_edge_relates_nobody() -> None:
    before = [outline("A", shapely.box(0, 0, 1000, 100)), outline("B", shapely.box(1000, 0, 2000, 100))]
    after = [outline("A", shapely.box(0, 0, 1010, 100)), outline("B", shapely.box(1010, 0, 2000, 100))]
    assert told(match(before, after)) == [("A", "A", "moved"), ("B", "B", "moved")]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [("AAAAAAAAAA", "AAAAAA....", "split"), ("AAAAAA....", "AAAAAAAAAA", "merged")],
)
def test_a_woodland_that_lost_or_gained_much_is_another_one_that_it_leads_to(
    before: str, after: str, kind: str
) -> None:
    assert told(match(drawn(before), drawn(after))) == [("A", "A", kind)]


def test_woodlands_divided_anew_are_merged_where_several_meet_and_split_where_one_is_spread() -> None:
    links = match(drawn("AAAABBBB", "AAAABBBB"), drawn("PPQQQQRR", "PPQQQQRR"))
    assert told(links) == [
        ("A", "P", "split"),
        ("A", "Q", "merged"),
        ("B", "Q", "merged"),
        ("B", "R", "split"),
    ]


def test_the_first_release_is_all_new_and_one_with_nothing_in_it_leaves_nothing() -> None:
    woods = drawn("AB")
    assert told(match([], woods)) == [("", "A", "new"), ("", "B", "new")]
    assert told(match(woods, [])) == [("A", "", "gone"), ("B", "", "gone")]


# --- ids


def test_who_goes_on_keeps_his_id_and_others_get_those_of_their_file() -> None:
    links = match(drawn("AAA.CC"), drawn("BBB.DE"))
    assert allot(links, "BDE", "AC", "2027") == {"B": "A", "D": "D", "E": "E"}


def test_an_id_ever_given_is_not_given_again() -> None:
    before, after = drawn("AA....."), drawn("....A.Z")
    assert allot(match(before, after), "AZ", {"A", "Z"}, "2027") == {"A": "A:2027", "Z": "Z:2027"}
    taken = {"A", "A:2027", "Z"}
    assert allot(match(before, after), "AZ", taken, "2027")["A"] == "A:2027-2"


def test_a_part_that_goes_by_the_id_of_the_whole_gets_one_of_its_own() -> None:
    assert allot(match(drawn("AAAA"), drawn("AABB")), "AB", "A", "2027") == {"A": "A:2027", "B": "B"}


def test_a_file_whose_ids_look_like_allotted_ones_still_gives_each_woodland_its_own() -> None:
    before = [outline("A", shapely.box(0, 0, 100, 100))]
    after = [outline(name, shapely.box(at, 500, at + 50, 550)) for at, name in ((0, "A"), (200, "A:2027"))]
    ids = allot(match(before, after), ["A", "A:2027"], ["A"], "2027")
    assert ids == {"A": "A:2027-2", "A:2027": "A:2027"}


# --- of any releases

#: A map of one-hectare cells, each of a woodland 1-6, or of none (0).
MAPS = st.lists(st.integers(0, 6), min_size=36, max_size=36)


def on_map(cells: Sequence[int], prefix: str) -> list[Outline]:
    rows = ["".join("." if cell == 0 else str(cell) for cell in cells[at : at + 6]) for at in range(0, 36, 6)]
    return [outline(prefix + one.id, one.polygon, one.id) for one in drawn(*rows)]


def sums(links: Sequence[Link], end: str, share: str) -> Mapping[str, float]:
    total: dict[str, float] = defaultdict(float)
    for link in links:
        if link.old and link.new:
            total[getattr(link, end)] += getattr(link, share)
    return total


@settings(max_examples=60, deadline=None)
@given(MAPS, MAPS)
def test_every_woodland_is_accounted_for_and_shares_never_exceed_the_whole(
    before: list[int], after: list[int]
) -> None:
    old, new = on_map(before, "o"), on_map(after, "n")
    links = match(old, new)
    assert {link.old for link in links} - {""} == {one.id for one in old}
    assert {link.new for link in links} - {""} == {one.id for one in new}
    assert len({(link.old, link.new) for link in links}) == len(links)
    assert all(total <= 1 + 1e-9 for total in sums(links, "old", "share_of_old").values())
    assert all(total <= 1 + 1e-9 for total in sums(links, "new", "share_of_new").values())
    same = [link for link in links if link.kind in (Kind.KEPT, Kind.MOVED)]
    assert len({link.old for link in same}) == len({link.new for link in same}) == len(same)
    ended = {link.old for link in links if link.kind in (Kind.SPLIT, Kind.MERGED, Kind.GONE)}
    assert ended.isdisjoint(link.old for link in same)
    assert ended | {link.old for link in same} == {one.id for one in old}


@settings(max_examples=60, deadline=None)
@given(MAPS)
def test_a_release_matched_with_itself_is_kept_whole(cells: list[int]) -> None:
    woods = on_map(cells, "")
    links = match(woods, woods)
    assert told(links) == [(one.id, one.id, "kept") for one in woods]


@settings(max_examples=60, deadline=None)
@given(MAPS, MAPS, st.randoms())
def test_the_order_of_the_files_makes_no_difference(
    before: list[int], after: list[int], chance: random.Random
) -> None:
    old, new = on_map(before, "o"), on_map(after, "n")
    mixed = chance.sample(old, len(old)), chance.sample(new, len(new))
    links, again = match(old, new), match(*mixed)
    assert repr(again) == repr(links)  # NaN is not equal to itself, its text is
    names = [one.id for one in new]
    assert allot(links, names, {"n1"}, "2") == allot(again, names[::-1], {"n1"}, "2")


@settings(max_examples=60, deadline=None)
@given(MAPS, st.integers(-90, 90))
def test_a_slight_shift_of_all_leaves_every_large_woodland_its_id(cells: list[int], shift_dm: int) -> None:
    blocks = on_map([0 if cell != 1 else 1 for cell in cells], "")
    moved = [outline(one.id, translate(one.polygon, shift_dm / 10), one.id) for one in blocks]
    kinds = {link.kind for link in match(blocks, moved)}
    assert kinds <= {Kind.KEPT, Kind.MOVED}
