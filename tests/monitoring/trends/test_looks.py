import math

import pytest

from monitoring.errors import SettingsError
from monitoring.trends.looks import SPENDING, allowed_q

Q = 0.05


@pytest.mark.parametrize(("look", "share"), [(1, 1), (2, 4), (3, 9), (10, 100)])
def test_the_inverse_square_allows_the_whole_at_first_and_less_every_year(look, share):
    assert allowed_q(Q, look, "inverse square") == pytest.approx(Q / share)


def test_all_harmonic_looks_together_spend_the_whole_and_no_more():
    spent = math.fsum(allowed_q(Q, look, "harmonic") for look in range(1, 100_001))
    assert spent < Q
    assert spent == pytest.approx(Q, rel=1e-4)


def test_without_spending_every_look_allows_the_whole():
    assert {allowed_q(Q, look, "none") for look in range(1, 11)} == {Q}


@pytest.mark.parametrize("spending", SPENDING)
def test_a_later_look_never_allows_more_than_an_earlier_one_nor_than_the_whole(spending):
    allowed = [allowed_q(Q, look, spending) for look in range(1, 31)]
    assert allowed == sorted(allowed, reverse=True)
    assert 0 < allowed[-1] <= allowed[0] <= Q


@pytest.mark.parametrize("look", [0, -1])
def test_looks_are_counted_from_one(look):
    with pytest.raises(ValueError, match=f"look {look}: looks are counted from 1"):
        allowed_q(Q, look, "none")


def test_a_spending_that_is_not_known_is_refused():
    with pytest.raises(SettingsError, match="trend spending 'greedy': must be one of inverse square"):
        allowed_q(Q, 1, "greedy")
