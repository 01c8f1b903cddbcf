"""One submission explained: what it waits for, and what happened to it."""

from __future__ import annotations

from typing import Any

import pytest

from listener.core.evidence import PostResult
from listener.core.names import PostKind

from .rig import CODE, READ, Daemon, until


async def story(house: Daemon, name: str) -> dict[str, Any]:
    answer = await house.http.get(
        f"/v1/submissions/{name}/story", headers={"Authorization": f"Bearer {READ}"}
    )
    assert answer.status_code == 200, answer.text
    assert CODE not in answer.text
    return dict(answer.json())


async def listening(house: Daemon) -> None:
    await until(lambda: bool(house.log.of("subscription.established")))


async def test_a_closed_one_tells_what_it_means_and_all_that_happened(house: Daemon) -> None:
    await listening(house)
    shown = (await house.post(headers={"Prefer": "wait=30"})).json()
    told = await story(house, shown["id"])
    assert told["submission"] == shown
    assert told["explanation"].startswith("It ended as confirmed; its event was heard")
    assert (told["waits_for"], told["usual"], told["next"]) == (None, None, [])
    assert told["means"] == "Its event was heard: both jobs were dispatched."
    assert told["what_to_do"] == "Nothing."
    events = [one["event"] for one in told["story"]]
    assert events[:2] == ["submission.accepted", "attempt.began"]
    assert events[-1] == "submission.closed"
    assert {"attempt.ended", "event.correlated"} <= set(events)
    assert [one["at"] for one in told["story"]] == sorted(one["at"] for one in told["story"])
    assert all(one["words"] and one["words"] != one["event"] for one in told["story"])


async def test_an_open_one_tells_what_it_waits_for_what_is_usual_and_what_comes(
    house: Daemon,
) -> None:
    await listening(house)
    for n in range(5):
        await house.post(f"before {n}", headers={"Prefer": "wait=30"})
    house.upstream.emits = False
    name = (await house.post()).json()["id"]
    while (told := await story(house, name))["submission"]["state"] != "awaiting":
        pass
    assert told["waits_for"]["what"] == told["submission"]["waiting_for"] == "event"
    assert told["waits_for"]["since"] == told["submission"]["accepted_at"]
    assert told["usual"]["confirmed"] == 5
    assert told["usual"]["event_p90_ms"] >= told["usual"]["event_p50_ms"] >= 0
    assert told["usual"]["words"] in told["explanation"]
    assert [step["what"] for step in told["next"]] == ["reading", "end"]
    assert told["next"][0]["at"] == told["submission"]["deadline_at"]
    assert (told["means"], told["what_to_do"]) == (None, None)
    await house.deaf("polling")
    gaps = [one for one in (await story(house, name))["story"] if one["event"] == "gap"]
    assert [gap["reason"] for gap in gaps] == ["polling"]
    second = (await house.post(file=b"%PDF-1.7\nanother\n%%EOF\n")).json()["id"]
    told = await story(house, second)
    assert told["waits_for"]["what"] == "lane_turn"
    assert name in told["next"][0]["words"]


@pytest.mark.parametrize("paused", [False, True])
async def test_what_keeps_it_from_being_sent_is_told(house: Daemon, paused: bool) -> None:
    await listening(house)
    if paused:
        await house.http.post("/v1/pause")
    else:
        down = PostResult(PostKind.NOT_SENT, "connect_refused")
        house.upstream.ends = [(down, None)]
    name = (await house.post()).json()["id"]
    wanted = "resume" if paused else "backoff"
    while (told := await story(house, name))["submission"]["waiting_for"] != wanted:
        pass
    assert told["waits_for"]["what"] == wanted
    assert told["next"][0]["what"] == ("resume" if paused else "attempt")
    assert told["next"][-1]["what"] == "end"
    assert told["usual"]["words"] == "what is usual is not known: none was confirmed of late"


async def test_who_asks_for_none_is_told_so(house: Daemon) -> None:
    unknown = "/v1/submissions/0199a1b2-0000-7000-8000-00000000dead/story"
    assert (await house.http.get(unknown)).status_code == 404
    assert (await house.http.get(f"/v1/submissions/{CODE}/story")).status_code == 404
    refused = await house.http.get(unknown, headers={"Authorization": "Bearer x"})
    assert refused.status_code == 401
