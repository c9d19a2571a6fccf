"""Numbers and names as a reader sees them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import wording

NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.number(-1.25), "−1.2"),
        (wording.number(-0.04), "0.0"),
        (wording.number(61234, 0), "61\u00a0234"),
        (wording.number(NAN), "–"),
        (wording.signed(0.314), "+0.31"),
        (wording.signed(-0.314), "−0.31"),
        (wording.percent(0.125, 1), "12.5\u00a0%"),
        (wording.percent(NAN), "–"),
        (wording.probability(0.0004), "<\u00a00.001"),
        (wording.probability(0.0214), "0.021"),
        (wording.plus_minus(57.43, 7.06), "57.4\u00a0±\u00a07.1"),
        (wording.plus_minus(57.43, NAN), "57.4"),
        (wording.plus_minus(NAN, 1.0), "–"),
        (wording.interval(-2.8, -1.7), "−2.80 to −1.70"),
        (wording.interval(NAN, 1.0), "–"),
        (wording.count(1, "woodland"), "1\u00a0woodland"),
        (wording.count(0, "woodland"), "no\u00a0woodlands"),
        (wording.listed(["a", "b", "c"]), "a, b and c"),
        (wording.sentence("lost 31 % (-1.9 a year) 2017-2025"), "Lost 31 % (−1.9 a year) 2017-2025."),
        (wording.sentence(""), ""),
        (wording.shorten("Burnt Copse", 6), "Burnt…"),
    ],
)
def test_a_number_or_a_phrase_is_printed_as_a_person_would_write_it(text: str, expected: str) -> None:
    assert text == expected


@given(st.text(max_size=40))
def test_printable_text_holds_one_line_of_characters_the_fonts_have(text: str) -> None:
    shown = wording.printable(text)
    assert "\n" not in shown
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Co", "Cs", "Cn"} for character in shown)


@given(st.text(max_size=80))
def test_breakable_text_without_its_soft_hyphens_is_the_printable_text(text: str) -> None:
    assert wording.breakable(text).replace(wording.SOFT_HYPHEN, "") == wording.printable(text)


def test_an_identifier_wraps_without_a_hyphen_that_is_not_part_of_it() -> None:
    run_id = "5a2d7c1e-0000-4000-8000-000000000001"
    assert wording.SOFT_HYPHEN not in wording.exact(run_id)
    assert wording.exact(run_id).replace(wording.ZERO_WIDTH_SPACE, "") == run_id


def test_welsh_names_stay_whole_and_other_scripts_are_marked_as_missing() -> None:
    assert wording.printable("Coed  y\nTŷ ŵ") == "Coed y Tŷ ŵ"
    assert wording.printable("木 Wood") == "\ufffd Wood"


@given(st.floats())
def test_no_number_is_ever_printed_as_nan_or_infinity(value: float) -> None:
    shown = [wording.number(value), wording.signed(value), wording.percent(value), wording.probability(value)]
    assert not any("nan" in text.lower() or "inf" in text.lower() for text in shown)
