"""The life of an alert: what looks and people add to it, and what they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.alert import Alert, Level, alert_id
from monitoring.alerts.events import SERVICE, AlertEvent, EventKind, FieldResult
from monitoring.alerts.life import ALLOWED, AlertState, Status, act, after, state_of, states_of
from monitoring.alerts.looking import events_of_look
from monitoring.errors import AlertError
from monitoring.science import AlertRule

NOW = datetime(2026, 2, 15, tzinfo=UTC)
RULE = AlertRule(exit_q=0.2)
NAN = float("nan")


def alert(season: str, level: Level = Level.CONFIRMED, woodland_id: str = "ash", q: float = 0.01) -> Alert:
    return Alert(
        id=alert_id(woodland_id, "richness"),
        woodland_id=woodland_id,
        season=season,
        target="richness",
        kind="decline",
        level=level,
        reason="lost 20 % of its expected taxa",
        slope=-2.0,
        q=q,
        decline_fraction=0.2,
    )


class Log:
    """The log of a woodland's one alert, as looks and people add to it."""

    def __init__(self) -> None:
        self.events: list[AlertEvent] = []

    def look(
        self, season: str, level: Level | None = None, q: float = 0.01, *, tested: bool = True, run: str = ""
    ) -> list[str]:
        """Record a look; return the kinds of what it added."""
        alerts = [] if level is None else [alert(season, level, q=q)]
        run_id = run or f"run-{season}"
        woods = {"ash"} if tested else set()
        added = events_of_look(states_of(self.events), alerts, {"ash": q}, woods, RULE, season, run_id, NOW)
        self.events += added
        return [event.kind.value for event in added]

    def person(self, kind: EventKind, **words: object) -> None:
        self.events.append(act(self.state, kind, "Rowan", NOW, **words))  # type: ignore[arg-type]

    @property
    def state(self) -> AlertState:
        return state_of(self.events)


@pytest.fixture
def log() -> Log:
    one = Log()
    one.look("2023-Q4", Level.CONFIRMED)
    return one


def test_one_event_keeps_one_id_and_a_log_in_order(log: Log) -> None:
    assert log.look("2024-Q4", Level.CONFIRMED) == ["renewed"]
    assert log.look("2025-Q4", Level.WATCH) == ["level changed"]
    assert {event.alert_id for event in log.events} == {alert_id("ash", "richness")}
    assert [event.number for event in log.events] == [1, 2, 3]
    assert (log.state.first_raised, log.state.last_seen) == ("2023-Q4", "2025-Q4")
    assert (log.state.level, log.state.status) == (Level.WATCH, Status.OPEN)


def test_it_ends_at_the_second_yearly_look_in_a_row_with_q_above_the_exit(log: Log) -> None:
    assert log.look("2024-Q4", None, 0.25) == ["quiet"]
    assert log.state.is_standing
    assert log.look("2025-Q4", None, 0.4) == ["expired"]
    assert log.state.status is Status.EXPIRED
    assert log.events[-1].note == "not raised, and q above 0.2, at 2024-Q4 and 2025-Q4"


def test_q_at_the_exit_or_below_starts_the_count_anew(log: Log) -> None:
    assert [log.look("2024-Q4", None, 0.25), log.look("2025-Q4", None, 0.2)] == [["quiet"], ["renewed"]]
    assert [log.look("2026-Q4", None, 0.25), log.look("2027-Q4", None, 0.25)] == [["quiet"], ["expired"]]


@pytest.mark.parametrize(("q", "tested"), [(0.9, False), (NAN, True)])
def test_a_look_that_did_not_test_the_woodland_counts_neither_way(log: Log, q: float, tested: bool) -> None:
    assert log.look("2024-Q4", None, 0.25) == ["quiet"]
    assert log.look("2025-Q4", None, q, tested=tested) == []
    assert log.look("2026-Q4", None, 0.25) == ["expired"]


def test_the_same_look_twice_adds_nothing() -> None:
    log = Log()
    looks: Sequence[tuple[str, Level | None, float]] = (
        ("2022-Q2", Level.PROVISIONAL, NAN),
        ("2022-Q4", Level.WATCH, 0.3),
        ("2023-Q4", Level.CONFIRMED, 0.01),
        ("2024-Q4", None, 0.3),
        ("2025-Q4", None, 0.3),
        ("2026-Q4", Level.WATCH, 0.3),
    )
    added = [(log.look(*look), log.look(*look)) for look in looks]
    assert [second for _, second in added] == [[]] * len(looks)
    assert [first for first, _ in added] == [
        ["raised"], ["level changed"], ["level changed"], ["quiet"], ["expired"], ["raised"],
    ]  # fmt: skip


def test_a_provisional_alert_ends_at_the_next_look_unless_renewed() -> None:
    log = Log()
    assert log.look("2025-Q1", Level.PROVISIONAL, NAN) == ["raised"]
    assert log.look("2025-Q2", Level.PROVISIONAL, NAN) == ["renewed"]
    assert log.look("2025-Q3", None, NAN, tested=False) == ["expired"]


def test_a_provisional_season_says_nothing_of_an_alert_that_rests_on_a_final_one(log: Log) -> None:
    assert log.look("2024-Q2", Level.PROVISIONAL, NAN) == []
    assert log.look("2024-Q3", None, 0.9) == []
    assert log.state.level is Level.CONFIRMED


def test_reprocessing_that_removes_the_ground_retracts_and_says_who_and_why(log: Log) -> None:
    assert log.look("2023-Q4", None, 0.4, run="run-again") == ["retracted"]
    last = log.events[-1]
    assert (last.actor, last.run_id) == (SERVICE, "run-again")
    assert last.note == (
        "2023-Q4 was assessed again by run run-again on other inputs: q 0.01 before, 0.4 now"
    )
    assert log.look("2023-Q4", None, 0.4, run="run-again") == []
    assert log.look("2024-Q4", Level.CONFIRMED) == ["raised"]
    assert (log.state.first_raised, log.state.n_events) == ("2024-Q4", 3)


def test_reprocessing_a_later_season_than_it_was_raised_at_is_a_look_like_others(log: Log) -> None:
    log.look("2024-Q4", Level.CONFIRMED)
    assert log.look("2024-Q4", None, 0.4, run="run-again") == ["quiet"]
    assert log.look("2024-Q4", Level.CONFIRMED, run="run-back") == ["renewed"]
    assert log.state.quiet_seasons == ()


def test_a_dismissed_alert_stays_so_while_the_event_goes_on_and_returns_when_its_level_rises() -> None:
    log = Log()
    log.look("2023-Q4", Level.WATCH)
    log.person(EventKind.DISMISSED, note="felled with a licence")
    assert log.look("2024-Q4", Level.WATCH) == ["renewed"]
    assert log.state.status is Status.DISMISSED
    assert log.look("2025-Q4", Level.CONFIRMED) == ["reopened"]
    assert log.events[-1].note == "dismissed at WATCH, now CONFIRMED"
    assert log.state.status is Status.OPEN


def test_a_level_that_falls_and_returns_is_no_rise_above_the_dismissal(log: Log) -> None:
    log.person(EventKind.DISMISSED, note="felled with a licence")
    assert log.look("2024-Q4", Level.WATCH) == ["level changed"]
    assert log.look("2025-Q4", Level.CONFIRMED) == ["level changed"]
    assert log.state.status is Status.DISMISSED
    log.look("2026-Q4", None, 0.5)
    assert log.look("2027-Q4", None, 0.5) == ["expired"]
    assert log.look("2028-Q4", Level.WATCH) == ["raised"]
    assert log.state.status is Status.OPEN


def test_an_earlier_season_looked_at_later_changes_nothing(log: Log) -> None:
    assert log.look("2022-Q4", Level.WATCH) == []
    assert log.look("2022-Q4", None, 0.9) == []


def test_people_acknowledge_assign_report_dismiss_and_reopen(log: Log) -> None:
    log.person(EventKind.ACKNOWLEDGED)
    log.person(EventKind.ASSIGNED, assignee="Hazel")
    log.person(EventKind.FIELD_RESULT, result=FieldResult.OTHER_CAUSE, note="deer")
    assert (log.state.status, log.state.assignee) == (Status.ASSIGNED, "Hazel")
    assert log.state.field_result is FieldResult.OTHER_CAUSE
    log.person(EventKind.DISMISSED, note="deer, not fungi")
    log.person(EventKind.REOPENED, note="the fence is up, still falling")
    assert log.state.status is Status.OPEN


@pytest.mark.parametrize(
    ("before", "kind", "words", "refusal"),
    [
        ((), EventKind.REOPENED, {"note": "why not"}, "cannot be reopened, it is open"),
        ((), EventKind.DISMISSED, {}, "dismissed: a reason is needed"),
        ((), EventKind.DISMISSED, {"note": "  "}, "dismissed: a reason is needed"),
        ((), EventKind.ASSIGNED, {}, "a name is needed"),
        ((), EventKind.FIELD_RESULT, {}, "no field result given"),
        ((), EventKind.ACKNOWLEDGED, {"assignee": "Hazel"}, "nobody is assigned by it"),
        ((), EventKind.ACKNOWLEDGED, {"result": FieldResult.CONFIRMED}, "it is no field result"),
        ((), EventKind.ACKNOWLEDGED, {"note": "two\nlines"}, "cannot be printed on one line"),
        ((EventKind.ACKNOWLEDGED,), EventKind.ACKNOWLEDGED, {}, "cannot be acknowledged, it is acknowledged"),
        ((EventKind.DISMISSED,), EventKind.ASSIGNED, {"assignee": "Hazel"}, "it is dismissed"),
        ((EventKind.RETRACTED,), EventKind.REOPENED, {"note": "x"}, "it is retracted"),
    ],
)
def test_what_cannot_happen_is_one_clear_line(log: Log, before, kind, words, refusal) -> None:
    for done in before:
        if done is EventKind.RETRACTED:
            log.look("2023-Q4", None, 0.4)
        else:
            log.person(done, note="so")
    with pytest.raises(AlertError, match=refusal) as error:
        log.person(kind, **words)
    assert "\n" not in str(error.value)


def test_a_log_with_a_gap_or_a_foreign_event_or_none_at_all_is_refused(log: Log) -> None:
    (first,) = log.events
    with pytest.raises(AlertError, match="event 3 where 2 comes next"):
        after(log.state, replace(first, number=3))
    with pytest.raises(AlertError, match="in the life of alert"):
        after(log.state, replace(first, number=2, alert_id="other"))
    with pytest.raises(AlertError, match="before it was raised"):
        state_of([replace(first, kind=EventKind.RENEWED)])
    with pytest.raises(AlertError, match="without events"):
        state_of([])
    with pytest.raises(AlertError, match="must be in UTC"):
        replace(first, happened_at=NOW.replace(tzinfo=timezone(timedelta(hours=1))))


def test_a_look_with_an_alert_twice_or_of_another_season_is_refused() -> None:
    one = alert("2025-Q4")
    for alerts, season in (([one, one], "2025-Q4"), ([one], "2024-Q4")):
        with pytest.raises(AlertError, match=r"twice in one look|in a look at"):
            events_of_look({}, alerts, {}, set(), RULE, season, "run", NOW)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([None, *Level]), st.sampled_from([0.01, 0.19, 0.21, 0.9, NAN]), st.booleans()
        ),
        st.sampled_from(
            [EventKind.ACKNOWLEDGED, EventKind.ASSIGNED, EventKind.DISMISSED, EventKind.REOPENED]
        ),
    ),
    max_size=30,
)


@given(steps=steps, repeats=st.booleans())
def test_whatever_happens_the_log_only_grows_and_leads_where_it_may(steps, repeats: bool) -> None:
    log, year = Log(), 2020
    for step in steps:
        kept = tuple(log.events)
        if isinstance(step, EventKind):
            if log.events and log.state.status in ALLOWED[step]:
                log.person(step, assignee="Hazel" if step is EventKind.ASSIGNED else "", note="so")
        else:
            level, q, tested = step
            year += not repeats
            quarter = 2 if level is Level.PROVISIONAL else 4
            log.look(f"{year}-Q{quarter}", level, q, tested=tested)
        assert tuple(log.events[: len(kept)]) == kept
        assert len(log.events) <= len(kept) + 1
    assert [event.number for event in log.events] == list(range(1, len(log.events) + 1))
    if log.events:
        state = log.state
        assert state.n_events == len(log.events)
        assert state.is_standing == (state.status in (Status.OPEN, Status.ACKNOWLEDGED, Status.ASSIGNED))
        assert (state.dismissed_level is not None) == (state.status is Status.DISMISSED)
        assert state.first_raised <= state.last_seen <= state.last_look
        assert len(state.quiet_seasons) <= 1 or state.status is Status.EXPIRED
