"""When events may have been missed, and what that touched: listed, newest first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .rig import Daemon, daemon, until

REASONS = ["polling", "overflow", "no_offset"]


@pytest.fixture
async def deaf(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that has been deaf at its start and three times since, one update under way."""
    async with daemon(tmp_path) as house:
        await until(lambda: bool(house.log.of("subscription.established")))
        house.upstream.open.clear()
        await house.post()
        await house.upstream.arrived.wait()
        for reason in REASONS:
            await house.deaf(reason)
        yield house


async def test_a_gap_says_what_it_holds_up_and_then_what_became_of_it(deaf: Daemon) -> None:
    listed = (await deaf.http.get("/v1/gaps")).json()
    assert [gap["reason"] for gap in listed["gaps"]] == [*reversed(REASONS), "started"]
    assert listed["next_cursor"] is None
    held = listed["gaps"][0]
    assert (held["touched"], held["open"], held["became"]) == (1, 1, {})
    assert held["settled_at"] is None
    assert held["start_at"] <= held["end_at"]
    assert held["duration_ms"] >= 0
    assert listed["gaps"][-1]["touched"] == 0
    deaf.upstream.open.set()
    await until(lambda: len(deaf.log.of("gap.settled")) == len(REASONS))
    told = deaf.log.of("gap.settled")[-1]
    assert told["became"] == {"confirmed": 1}

    async def settled() -> dict[str, object]:
        return dict((await deaf.http.get("/v1/gaps?limit=1")).json()["gaps"][0])

    # The line comes first, and the row after it.
    shown = await settled()
    while shown["settled_at"] is None:
        shown = await settled()
    became = {"open": 0, "became": {"confirmed": 1}, "settled_at": shown["settled_at"]}
    assert shown == held | became


async def test_a_listing_of_gaps_goes_back_page_by_page(deaf: Daemon) -> None:
    found, query = [], {"limit": "1"}
    while True:
        page = (await deaf.http.get("/v1/gaps", params=query)).json()
        found += [gap["reason"] for gap in page["gaps"]]
        assert len(page["gaps"]) == 1
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [*reversed(REASONS), "started"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=x", "limit=1&limit=1"),
        *("cursor=", "cursor=x", "cursor=-1", "cursor=1.5", "cursor=" + "9" * 19),
        *("cursor=0199a1b2-0000-7000-8000-000000000001", "state=closed", "cv_code=x"),
    ],
)
async def test_a_query_of_gaps_that_is_none_is_refused(house: Daemon, query: str) -> None:
    answer = await house.http.get(f"/v1/gaps?{query}")
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_query")
