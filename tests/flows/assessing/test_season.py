"""What an assessment says of itself, and which season is the newest that may be judged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.assessing.season import AssessReceipt, latest_final


@pytest.mark.parametrize(
    ("now", "season"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2025-Q4"),
        (datetime(2026, 4, 1, tzinfo=UTC), "2025-Q4"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2025-Q4"),
        (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), "2024-Q4"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2026-Q4"),
    ],
)
def test_the_newest_final_season_is_that_of_the_last_whole_calendar_year(now: datetime, season: str) -> None:
    assert latest_final(now).id == season


def test_a_receipt_lists_every_reason_and_tells_of_red_gates() -> None:
    receipt = AssessReceipt("2025-Q4", 64, 90, 2, ("lost 20 %", "lost 31 %"), n_red_gates=3)
    assert receipt.as_markdown() == (
        "2025-Q4: 2 alerts over 64 woodlands. 3 gates hold alerts back.\n\n- lost 20 %\n- lost 31 %"
    )


def test_a_receipt_without_trends_and_alerts_says_so() -> None:
    assert AssessReceipt("2025-Q4", 0, 0, 0, ()).as_markdown() == "2025-Q4: no trend was tested."


def test_a_receipt_of_a_season_that_is_not_final_lists_what_fell() -> None:
    receipt = AssessReceipt("2026-Q2", 0, 1, 1, ("stands 20 % below the same season of 2025",))
    assert receipt.as_markdown().endswith("- stands 20 % below the same season of 2025")
