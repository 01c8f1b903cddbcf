"""The shapes of what is heard, as they come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from listener.adapters.web.shapes import AT_ONCE

from .rig import ALL, READ, SUBMIT, Daemon, until

SECRET = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


async def frames(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, dict[str, object]]]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


async def test_shapes_come_while_they_are_watched_and_cost_nothing_otherwise(house: Daemon) -> None:
    overhearing = house.ear.overhearing
    assert not overhearing.watched
    async with house.http.stream("GET", "/v1/shapes") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        await until(lambda: overhearing.watched)
        for _ in range(60):
            overhearing.frame('42["cv_updated",{"cv_code":"' + SECRET + '"}]')
        told, missed = [], 0
        async for name, one in frames(answer.aiter_lines()):
            assert SECRET not in json.dumps(one)
            if name == "missed":
                missed = int(str(one["count"]))
            else:
                told.append(one)
            if len(told) + missed == 60:
                break
    assert told[0]["text"] == "{cv_code: string}"
    assert str(told[0]["at"]).endswith("Z")
    await until(lambda: not overhearing.watched)


@pytest.mark.parametrize("token", [READ, SUBMIT])
async def test_shapes_are_for_admins(house: Daemon, token: str) -> None:
    answer = await house.http.get("/v1/shapes", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")


async def test_few_watch_at_once_and_a_stop_ends_them_all(house: Daemon) -> None:
    open_ones = [house.http.stream("GET", "/v1/shapes") for _ in range(AT_ONCE)]
    answers = [await one.__aenter__() for one in open_ones]
    refused = await house.http.get("/v1/shapes", headers={"Authorization": f"Bearer {ALL}"})
    assert (refused.status_code, refused.json()["reason"]) == (503, "busy")
    await house.web.stop()
    for one, answer in zip(open_ones, answers, strict=True):
        assert "retry" in await anext(answer.aiter_lines())
        await one.__aexit__(None, None, None)
    assert not house.ear.overhearing.watched
