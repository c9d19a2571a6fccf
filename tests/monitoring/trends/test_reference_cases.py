"""Every printed or computed number of the reference cases beside ours: equal, explained, or not offered.

`python -m pytest tests/monitoring/trends/test_reference_cases.py -s` prints the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trend_formulas as formulas
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from monitoring.corroboration.breaks import find_break
from monitoring.statistics.change_points import fall_p, strongest_fall
from monitoring.statistics.mann_kendall import EXACT_UP_TO, mann_kendall
from monitoring.statistics.multiplicity import adjusted_p
from monitoring.statistics.regional import regional_kendall
from monitoring.statistics.theil_sen import theil_sen

Floats = NDArray[np.float64]
Case = Mapping[str, Any]

#: R and Python agree to rounding where neither prints.
EXACT = 1e-9
#: The normal limit of S misses by less than this over n.
NORMAL_ERROR = 0.15
#: The sites along the Rhine.
SITES = ("we", "ka", "mz", "ko", "bh", "bi")

PREWHITENING = "at n of 8 or 9 it rejects 9-36 % of series without a trend; memory is pooled over woodlands"
WEAKER = "it looks at the signs of a few pairs, where S looks at those of all"
ONE_STEP = "nine annual values bear one step at most"
NO_INTERVAL = "a step has a p and no interval of its year: nine values cannot narrow it down"
SHUFFLED = "share of seeded shuffles instead of an asymptotic limit: it cannot fall below 1 in 100,000"
INTERPOLATED = "an order statistic of exact coverage instead of an interpolation between two"
EXACT_P = "exact distribution instead of the normal limit"


@dataclass(frozen=True)
class Answer:
    """What we say of one expected number."""

    ours: float | str = float("nan")
    why: str = ""
    """Why it may differ; empty where it must be equal."""
    within: float = 0.0
    """Largest difference that the reason explains."""
    offered: bool = True


def not_offered(why: str) -> Answer:
    return Answer(why=why, offered=False)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    quantity: str
    expected: float | str
    answer: Answer

    @property
    def difference(self) -> float:
        if isinstance(self.expected, str) or isinstance(self.answer.ours, str):
            return 0.0 if str(self.answer.ours) in str(self.expected) else float("inf")
        return abs(self.expected - self.answer.ours)

    @property
    def verdict(self) -> str:
        if not self.answer.offered:
            return f"not offered: {self.answer.why}"
        if self.difference <= tolerance(self.expected):
            return "equal"
        if self.answer.why and self.difference <= self.answer.within:
            return f"explained: {self.answer.why}"
        return "DIFFERS"

    def __str__(self) -> str:
        ours = (
            f"{shown(self.answer.ours)} {self.difference:10.2g}"
            if self.answer.offered
            else f"{'':14} {'':10}"
        )
        return f"{self.case:34} {self.quantity:52} {shown(self.expected)} {ours}  {self.verdict}"


def shown(value: float | str) -> str:
    return f"{value:14.7g}" if isinstance(value, float | int) else f"{value[:14]:>14}"


def tolerance(expected: float | str) -> float:
    """Return half a unit of the last printed digit; of a number not rounded for print, rounding."""
    if isinstance(expected, str):
        return 0.0
    digits, _, exponent = repr(expected).partition("e")
    decimals = len(digits.partition(".")[2])
    return max(0.5 * 10.0 ** (int(exponent or 0) - decimals) * 1.001, EXACT * abs(expected))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, float | str]]:
    """Yield every number, and every text that stands for one, by its path."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, f"{path}/{key}" if path else str(key))
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from leaves(value, f"{path}[{place}]")
    elif not isinstance(tree, bool):
        yield path, tree


def mann_kendall_answers(path: str, values: Floats, tau: Callable[[Floats], float]) -> dict[str, Answer]:
    """Return S, its variance, tau, z and the normal p, and beside them the p that the service gives."""
    s, variance = formulas.s_and_variance(values)
    z = formulas.z_with_continuity(s, variance)
    test = mann_kendall(values[None, :])
    ours = float(test.p_two_sided[0])
    n = int(np.isfinite(values).sum())
    beside = Answer(ours, EXACT_P, NORMAL_ERROR / n) if n <= EXACT_UP_TO else Answer(ours)
    return {
        f"{path}/S": Answer(float(test.s[0])),
        f"{path}/varS": Answer(variance),
        f"{path}/tau": Answer(tau(values)),
        f"{path}/z": Answer(z),
        f"{path}/p": Answer(formulas.two_sided(z)),
        f"{path}/n": Answer(float(n)),
        f"{path}/p, as the service gives it": beside,
    }


def slope_answers(path: str, values: Floats) -> dict[str, Answer]:
    line = theil_sen(np.arange(len(values)), values[None, :])
    return {
        f"{path}/slope": Answer(float(line.slope[0])),
        f"{path}/conf_low_95": Answer(float(line.low[0])),
        f"{path}/conf_high_95": Answer(float(line.high[0])),
    }


MK, SEN = "computed_with_R/trend::mk.test(continuity=TRUE)", "computed_with_R/trend::sens.slope"


def plain(case: Case) -> dict[str, Answer]:
    """Return what R computed of every annual series."""
    values = series(case)
    return mann_kendall_answers(MK, values, formulas.tau_b) | slope_answers(SEN, values)


def series(case: Case) -> Floats:
    return np.array(case["data"]["value"], float)


def maxau_s(case: Case) -> dict[str, Answer]:
    values, found = series(case), plain(case)
    printed = mann_kendall_answers("published/sens_slope", values, formulas.tau_b)
    low, high = found[f"{SEN}/conf_low_95"], found[f"{SEN}/conf_high_95"]
    ends = {"published/sens_slope/ci95[0]": low, "published/sens_slope/ci95[1]": high}
    return found | printed | ends | {"published/sens_slope/slope": found[f"{SEN}/slope"]}


def maxau_q(case: Case) -> dict[str, Answer]:
    return plain(case) | mann_kendall_answers("published/mann_kendall", series(case), formulas.tau_b)


def hcb_rhine(case: Case) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for site in SITES:
        values = np.array(case["data"][site], float)
        found |= mann_kendall_answers(f"published/per_site/{site}", values, formulas.tau_b)
        found |= mann_kendall_answers(f"computed_with_R/{site}/{MK.split('/')[1]}", values, formulas.tau_b)
        found |= slope_answers(f"computed_with_R/{site}/{SEN.split('/')[1]}", values)
    region = np.array([case["data"][site] for site in SITES], float)
    for path in ("published/multisite", "computed_with_R/multisite/trend::mult.mk.test"):
        found |= regional_answers(path, region)
    return found


def regional_answers(path: str, rows: Floats) -> dict[str, Answer]:
    test = regional_kendall(rows)
    figures = {"S": test.s, "varS": test.variance, "z": test.z, "p": test.p}
    return {f"{path}/{name}": Answer(value) for name, value in figures.items()}


def nottem(case: Case) -> dict[str, Answer]:
    """Seasons are to years what woodlands are: the regional test with covariance is the corrected one."""
    months = formulas.by_season(series(case), case["data"]["period"])
    found = seasonal_answers("published/seasonal_mk", months)
    found |= seasonal_answers("computed_with_R/trend::smk.test", months)
    found |= regional_answers("published/correlated_seasonal_mk", months)
    found |= regional_answers("computed_with_R/trend::csmk.test", months)
    slope = Answer(formulas.seasonal_slope(months))
    found |= {"published/seasonal_sens_slope": slope, "computed_with_R/trend::sea.sens.slope/slope": slope}
    for number, month in enumerate(months, 1):
        z = formulas.z_with_continuity(*formulas.s_and_variance(month))
        found[f"computed_with_R/trend::smk.test/Zg[{number}]"] = Answer(z)
    return found


def seasonal_answers(path: str, seasons: Floats) -> dict[str, Answer]:
    s, variance = formulas.seasonal_kendall(seasons)
    z = formulas.z_with_continuity(s, variance)
    figures = {"S": s, "varS": variance, "z": z, "p": formulas.two_sided(z)}
    return {f"{path}/{name}": Answer(value) for name, value in figures.items()}


def pages_data(case: Case) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for path, statistic in (("published/pettitt", "U"), ("computed_with_R/trend::pettitt.test", "U*")):
        found |= pettitt_answers(path, statistic, series(case))
    # The approximate p stands for all changes; ours for rises, by means instead of ranks.
    shuffled = formulas.pettitt_p_by_shuffles(series(case), 20_000, seed=1)
    found["published/pettitt/p, by 20,000 shuffles"] = Answer(
        shuffled, "the printed p is an asymptotic bound, too large in short series", 0.01
    )
    found["published/pettitt/p, as the service gives it"] = Answer(
        2 * fall_p(-series(case)),
        "difference of means instead of ranks; of falls, so of the series upside down",
        0.01,
    )
    return found


def pettitt_answers(path: str, statistic: str, values: Floats) -> dict[str, Answer]:
    u, before, p = formulas.pettitt(values)
    return {f"{path}/{statistic}": Answer(u), f"{path}/K": Answer(float(before)), f"{path}/p": Answer(p)}


def nile(case: Case) -> dict[str, Answer]:
    flow, first = series(case), case["data"]["time"][0]
    n, fall = len(flow), strongest_fall(np.array(case["data"]["time"]), flow)
    one, none = fall.step_variance * (n - 3), float(np.sum((flow - flow.mean()) ** 2))
    last_before = fall.year - 1
    bic = [formulas.bic_of_levels(squares, n, breaks) for breaks, squares in enumerate((none, one))]
    path, computed = "published/breakpoints", "computed_with_R/strucchange::"
    found = plain(case) | pettitt_answers("computed_with_R/trend::pettitt.test", "U*", flow)
    found |= {
        f"{path}/optimal_m_by_BIC": Answer(float(bic[1] < bic[0])),
        f"{path}/obs": Answer(float(last_before - first + 1)),
        f"{path}/year": Answer(float(last_before)),
        f"{path}/by_m/1[0]": Answer(float(last_before - first + 1)),
        f"{path}/RSS[0]": Answer(none),
        f"{path}/RSS[1]": Answer(one),
        f"{path}/BIC[0]": Answer(bic[0]),
        f"{path}/BIC[1]": Answer(bic[1]),
        f"{computed}breakpoints/breakpoint": Answer(float(last_before - first + 1)),
        f"{computed}sctest(Fstats) supF/statistic": Answer((none - one) / (one / (n - 2))),
        f"{computed}sctest(Fstats) supF/p": Answer(fall_p(flow), SHUFFLED, 1.1e-5),
    }
    more = [
        key for key, _ in leaves(case["published"], "published") if key not in found and "ci95" not in key
    ]
    found |= dict.fromkeys(more, not_offered(ONE_STEP))
    ends = [f"{path}/ci95_{of}[{end}]" for of in ("obs", "year") for end in (0, 1)]
    ends += [f"{computed}confint95/{end}" for end in ("low", "high")]
    return found | dict.fromkeys(ends, not_offered(NO_INTERVAL))


def conecuh(case: Case) -> dict[str, Answer]:
    values, path = series(case), "published/kensen"
    found = plain(case) | mann_kendall_answers(path, values, formulas.tau_b)
    return found | {
        f"{path}/slope": found[f"{SEN}/slope"],
        f"{path}/median_data": Answer(float(np.median(values))),
        f"{path}/median_time": Answer(float(np.median(case["data"]["year"]))),
    }


def epa(case: Case) -> dict[str, Answer]:
    times, values = np.array(case["data"]["x"]), series(case)
    line, path = theil_sen(times, values[None, :]), "published/theil_sen"
    ends = formulas.gilbert_interval(times, values)
    found = plain(case) if case["computed_with_R"] else {}
    found |= mann_kendall_answers("published/kendall", values, formulas.tau_a)
    found |= {
        f"{path}/slope": Answer(float(line.slope[0])),
        f"{path}/intercept": Answer(float(line.intercept[0])),
    }
    for end, (theirs, ours) in enumerate(zip(ends, (line.low[0], line.high[0]), strict=True)):
        found[f"{path}/ci95_gilbert[{end}]"] = Answer(theirs)
        key = f"{path}/ci95_gilbert[{end}], as the service gives it"
        found[key] = Answer(float(ours), INTERPOLATED, 0.2)
    return found


def frost_munich(case: Case) -> dict[str, Answer]:
    tests = ("cox_stuart", "wallis_moore")
    return {f"published/{test}/{figure}": not_offered(WEAKER) for test in tests for figure in ("z", "p")}


def bfast_harvest(case: Case) -> dict[str, Answer]:
    found = find_break(
        acquired(case["data"]["time"]), series(case), np.datetime64("2003-01-01"), np.datetime64("2006-01-01")
    )
    assert found.p <= 0.05
    assert found.size < 0
    return {"published/text": Answer(str(found.first_day.astype("datetime64[Y]")))}


def acquired(decimal_years: list[float]) -> NDArray[np.datetime64]:
    years = np.floor(decimal_years).astype(int)
    begin = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    return begin + (365 * (np.array(decimal_years) - years)).astype("timedelta64[D]")


ANSWERS: Mapping[str, Callable[[Case], dict[str, Answer]]] = {
    "maxau_s": maxau_s,
    "maxau_Q": maxau_q,
    "hcb_rhine": hcb_rhine,
    "nottem": nottem,
    "PrecipGL": plain,
    "PagesData": pages_data,
    "Nile": nile,
    "Conecuh": conecuh,
    "epa_sulfate": epa,
    "epa_sodium": epa,
    "frost_munich": frost_munich,
    "bfast_harvest": bfast_harvest,
}


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "data" / "trend_reference"


@pytest.fixture(scope="module")
def cases(reference: Path) -> dict[str, Case]:
    listed = json.loads((reference / "trend_cases.json").read_text("utf-8"))
    return {case["id"]: case for case in listed}


def expected_of(case: Case) -> dict[str, float | str]:
    parts = {name: case[name] for name in ("published", "computed_with_R")}
    return dict(leaves(parts))


def rows_of(name: str, expected: Mapping[str, float | str], answers: Mapping[str, Answer]) -> list[Row]:
    """Return a row per expected number, and one per figure of ours that stands beside it."""
    beside = {key: key.split(",")[0] for key in answers if ", " in key}
    both = [*((key, key) for key in expected), *beside.items()]
    return [Row(name, key, expected[of], answers[key]) for key, of in sorted(both) if of in expected]


def judge(rows: list[Row]) -> None:
    print("\n" + "\n".join(map(str, rows)))  # noqa: T201  # the table is what the test is for
    assert [str(row) for row in rows if row.verdict == "DIFFERS"] == []


def test_a_number_that_is_neither_equal_nor_explained_is_told() -> None:
    assert Row("case", "p", 0.0364, Answer(0.03645)).verdict == "equal"
    assert Row("case", "p", 0.0364, Answer(0.0366)).verdict == "DIFFERS"
    assert Row("case", "p", 0.0364, Answer(0.0366, EXACT_P, 0.001)).verdict == f"explained: {EXACT_P}"
    assert Row("case", "p", 0.0364, Answer(0.05, EXACT_P, 0.001)).verdict == "DIFFERS"
    assert Row("case", "year", "felled in 2004", Answer("2005")).verdict == "DIFFERS"


def test_every_reference_case_is_answered(cases: dict[str, Case]) -> None:
    assert set(cases) == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_number_of_a_case_is_ours_or_explained(cases: dict[str, Case], name: str) -> None:
    expected, answers = expected_of(cases[name]), ANSWERS[name](cases[name])
    assert [key for key in expected if key not in answers] == [], "numbers without an answer"
    judge(rows_of(name, expected, answers))


def test_the_seasonal_test_alone_would_have_alerted_and_the_one_with_covariance_does_not(
    cases: dict[str, Case],
) -> None:
    months = formulas.by_season(series(cases["nottem"]), 12)
    alone = formulas.two_sided(formulas.z_with_continuity(*formulas.seasonal_kendall(months)))
    assert alone < 0.05 < regional_kendall(months).p


@pytest.mark.parametrize("name", ["Conecuh", "frost_munich"])
def test_a_record_without_a_trend_shows_none(cases: dict[str, Case], name: str) -> None:
    assert mann_kendall(series(cases[name])[None, :]).p_decline[0] > 0.1


#: Variants of pymannkendall that are not offered, with the figures of theirs that are plain S and tau.
MODIFIED = ("hamed_rao", "yue_wang")
WHITENED = ("pre_whitening", "trend_free_pre_whitening")


def pymannkendall_answers(test: str, values: Floats) -> dict[str, Answer]:
    """Return our figures for one of its tests, on a monthly series with gaps.

    Where the package is wrong (1.4.3): its correlated seasonal test drops a whole year when one month is
    missing, and its pre-whitening squeezes gaps out, so that values years apart become neighbours.
    """
    months = formulas.by_season(values, 12)
    known = np.isfinite(values)
    whole = months[:, np.isfinite(months).all(axis=0)]
    name = test.removeprefix("test_")
    if name.startswith(WHITENED):
        return dict.fromkeys(("p", "z", "Tau", "s", "var_s"), not_offered(PREWHITENING))
    if name.startswith(MODIFIED):
        s, _ = formulas.s_and_variance(values)
        modified = dict.fromkeys(("p", "z", "var_s"), not_offered(PREWHITENING))
        return {**modified, "s": Answer(s), "Tau": Answer(formulas.tau_a(values))}
    if name == "original_test":
        s, variance = formulas.s_and_variance(values)
        return kendall_figures(s, variance, formulas.z_with_continuity(s, variance), formulas.tau_a(values))
    if name == "seasonal_test":
        s, variance = formulas.seasonal_kendall(months)
        pairs = sum(n * (n - 1) / 2 for n in np.isfinite(months).sum(axis=1))
        return kendall_figures(s, variance, formulas.z_with_continuity(s, variance), s / pairs)
    if name == "correlated_seasonal_test":
        ours, all_years = regional_kendall(whole), regional_kendall(months)
        pairs = whole.shape[0] * whole.shape[1] * (whole.shape[1] - 1) / 2
        dropped = "a pair of years counts for every month that has both; theirs drops years with a gap"
        return {
            **kendall_figures(ours.s, ours.variance, ours.z, ours.s / pairs),
            "s, as the service gives it": Answer(all_years.s, dropped, 70),
            "p, as the service gives it": Answer(all_years.p, dropped, 0.03),
        }
    if name == "sens_slope":
        line = theil_sen(np.arange(len(values)), values[None, :])
        return {"slope": Answer(float(line.slope[0])), "intercept": Answer(float(line.intercept[0]))}
    assert name == "seasonal_sens_slope"
    slope = formulas.seasonal_slope(months)
    middle = np.median(values[known]) - slope * np.median(np.arange(len(values))[known]) / 12
    return {"slope": Answer(slope), "intercept": Answer(float(middle))}


def kendall_figures(s: float, variance: float, z: float, tau: float) -> dict[str, Answer]:
    figures = {"s": s, "var_s": variance, "z": z, "p": formulas.two_sided(z), "Tau": tau}
    return {name: Answer(value) for name, value in figures.items()}


def test_every_variant_of_pymannkendall_is_ours_or_explained(reference: Path) -> None:
    stored = json.loads((reference / "pymannkendall_expected.json").read_text("utf-8"))
    values = np.array(stored["data"]["arbitrary_1d_data"], float)
    assert np.isnan(values).any()
    rows: list[Row] = []
    for case in stored["cases"]:
        expected = {key: value for key, value in leaves(case["expected"]) if not isinstance(value, str)}
        answers = pymannkendall_answers(case["test"], values)
        assert [key for key in expected if key not in answers] == [], case["test"]
        rows += rows_of(case["test"].removeprefix("test_"), expected, answers)
    assert len(stored["cases"]) == 11
    judge(rows)


def test_two_sites_with_gaps_keep_the_years_that_one_of_them_has(reference: Path) -> None:
    # pymannkendall drops the six years in which either site has a gap, and S falls from 64 to 49 by that.
    stored = json.loads((reference / "pymannkendall_expected.json").read_text("utf-8"))
    sites = np.array(stored["data"]["arbitrary_2d_data"], float).T
    whole = sites[:, np.isfinite(sites).all(axis=0)]
    assert whole.shape[1] == sites.shape[1] - 6
    each = sum(formulas.s_and_variance(site)[0] for site in sites)
    assert regional_kendall(sites).s == each != regional_kendall(whole).s


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10, 12])
def test_without_ties_scipys_exact_p_is_ours(n: int) -> None:
    # With ties scipy has no exact p: `auto` turns to the normal limit, .00154 for [5, 5, 4, 4, 3, 3, 2, 1],
    # where counting orders gives .000397; so only series without ties are compared.
    for values in np.random.default_rng(n).normal(size=(40, n)):
        theirs = stats.kendalltau(np.arange(n), values, method="exact").pvalue
        assert mann_kendall(values[None, :]).p_two_sided[0] == pytest.approx(theirs, rel=EXACT)
    tied = mann_kendall(np.array([[5.0, 5, 4, 4, 3, 3, 2, 1]]))
    assert tied.p_two_sided[0] == pytest.approx(0.000397, abs=5e-7)


@pytest.mark.parametrize("n", [8, 9, 10])
def test_scipys_slope_is_ours_and_its_interval_ends_within_two_slopes_of_ours(n: int) -> None:
    # scipy rounds ranks from the normal limit (its coverage .951-.967 at these n); below about 4 values and
    # with many ties it has no sensible interval (scipy #15943), so those are not compared.
    years = np.arange(n)
    for values in np.random.default_rng(100 + n).normal(size=(40, n)):
        theirs = stats.theilslopes(values, years, alpha=0.95)
        ours = theil_sen(years, values[None, :])
        assert ours.slope[0] == pytest.approx(theirs.slope, abs=EXACT)
        slopes = np.sort([(values[j] - values[i]) / (j - i) for j in range(n) for i in range(j)])
        for mine, its in ((ours.low[0], theirs.low_slope), (ours.high[0], theirs.high_slope)):
            ranks = np.searchsorted(slopes, np.array([mine, its]) - EXACT)
            assert abs(int(ranks[0]) - int(ranks[1])) <= 2


#: The fifteen p of Benjamini & Hochberg (1995), section 4.
PAPER = np.array(
    [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .324, .4262, .5719, .6528, .759, 1.0]
)  # fmt: skip


@pytest.mark.parametrize(("correction", "method", "rejected"), [("BH", "fdr_bh", 4), ("BY", "fdr_by", 3)])
def test_the_papers_example_rejects_as_printed_and_as_statsmodels_does(
    correction: str, method: str, rejected: int
) -> None:
    theirs = multipletests(PAPER, alpha=0.05, method=method)[0]
    ours = adjusted_p(PAPER, correction) <= 0.05
    assert ours.sum() == theirs.sum() == rejected
    # Bonferroni would be left with three: it controls any false alarm at all.
    assert multipletests(PAPER, alpha=0.05, method="bonferroni")[0].sum() == 3
