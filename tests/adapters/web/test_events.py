"""The stream of events: complete, in order, resumable anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from listener.adapters.web import events, streams
from listener.adapters.web.events import _OF_FACTS

from .rig import CODE, Daemon, described, until

READ = {"Authorization": "Bearer token-of-read"}


@dataclass(slots=True)
class Event:
    """One, as a browser would take it."""

    id: str
    name: str
    data: dict[str, Any]


class Stream:
    """What a client reads."""

    def __init__(self, lines: AsyncIterator[str], house: Daemon) -> None:
        self._lines = lines
        self._described = described(house.web)
        self.comments = 0

    async def next(self) -> Event:
        fields: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    self._described.fits_event(fields)
                    return Event(fields["id"], fields["event"], json.loads(fields["data"]))
                else:
                    fields.clear()
        raise EOFError

    async def until(self, name: str) -> list[Event]:
        found = [await self.next()]
        while found[-1].name != name:
            found.append(await self.next())
        return found


@asynccontextmanager
async def listening(
    house: Daemon, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Stream]:
    given = READ | (headers or {})
    async with house.http.stream("GET", f"/v1/events{query}", headers=given) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer.aiter_lines(), house)


async def confirmed(house: Daemon, code: str = CODE) -> str:
    answer = await house.post(code=code, headers={"Prefer": "wait=60"})
    assert answer.json()["outcome"] == "confirmed", answer.text
    return str(answer.json()["id"])


async def test_a_stream_tells_all_that_happens_from_now_on(house: Daemon) -> None:
    await confirmed(house, "before")
    async with listening(house) as stream:
        name = await confirmed(house)
        told = await stream.until("submission.closed")
        assert [one.name for one in told] == [
            *("submission.accepted", "attempt.began"),
            *(one.name for one in told[2:-1]),
            "submission.closed",
        ]
        assert {one.data["submission_id"] for one in told} == {name}
        last = told[-1].data
        assert (last["outcome"], last["sequence"]) == ("confirmed", told[-1].id)
        assert last["cv_ref"].startswith("cv_")
        assert last["at"].endswith("Z")
        assert CODE not in json.dumps([one.data for one in told])


async def test_it_goes_on_at_any_place_with_nothing_twice_and_nothing_missed(house: Daemon) -> None:
    for number in range(3):
        await confirmed(house, f"code-{number}")
    async with listening(house, "?after=0") as stream:
        whole: list[Event] = []
        for _ in range(3):
            whole += await stream.until("submission.closed")
    ids = [one.id for one in whole]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids, key=lambda text: tuple(map(int, text.split("."))))
    for place, one in enumerate(whole[:-1]):
        async with listening(house, headers={"Last-Event-ID": one.id}) as stream:
            assert (await stream.next()).id == ids[place + 1]
        async with listening(house, f"?after={one.data['sequence']}") as stream:
            assert (await stream.next()).id == ids[place + 1]


async def test_one_submission_or_some_kinds_alone(house: Daemon) -> None:
    first, second = await confirmed(house, "one"), await confirmed(house, "two")
    async with listening(house, f"?after=0&submission={second}") as stream:
        told = await stream.until("submission.closed")
        assert {one.data["submission_id"] for one in told} == {second}
    async with listening(house, "?after=0&event=submission.closed,submission.accepted") as stream:
        names = [((one := await stream.next()).name, one.data["submission_id"]) for _ in range(4)]
    kinds = ("submission.accepted", "submission.closed")
    assert names == [(kind, name) for name in (first, second) for kind in kinds]


async def test_a_place_of_another_journal_is_said_to_be_none(house: Daemon) -> None:
    async with listening(house, "?after=999999.3") as stream:
        reset = await stream.next()
        assert reset.name == "stream.reset"
        name = await confirmed(house)
        assert (await stream.next()).data["submission_id"] == name
    async with listening(house, headers={"Last-Event-ID": reset.id}) as stream:
        assert (await stream.next()).data["submission_id"] == name


async def test_signs_of_life(house: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_S", 0.1)
    async with listening(house) as stream:
        reading = asyncio.create_task(stream.next())
        while stream.comments < 3:  # noqa: ASYNC110  they are told to nobody
            await asyncio.sleep(0.02)
        await confirmed(house)
        await reading


async def test_signs_of_life_where_all_that_happens_is_filtered_out(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PING_S", 0.2)

    async def busy() -> None:
        number = 0
        while True:
            number += 1
            await confirmed(house, f"code-{number}")

    async with listening(house, "?event=submission.corrected") as stream:
        reading, working = asyncio.create_task(stream.next()), asyncio.create_task(busy())
        await until(lambda: stream.comments >= 3)
        for task in (reading, working):
            task.cancel()
        await asyncio.gather(reading, working, return_exceptions=True)


async def test_of_a_stream_there_is_no_head_alone(house: Daemon) -> None:
    for path in ("/v1/events", "/v1/shapes"):
        answer = await house.http.head(path, headers=READ)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


async def test_names_that_end_badly_cost_their_length(house: Daemon) -> None:
    """Where a name could be read in two ways, these forty would outlast any test."""
    assert len(set(_OF_FACTS)) == len(_OF_FACTS)
    names = ",".join(["attempt.began"] * 40)
    answer = await house.http.get(f"/v1/events?event={names},x", headers=READ)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_query")


@pytest.mark.parametrize(
    "query",
    [
        "?after=x",
        "?after=-1",
        "?after=1.2.3",
        "?submission=1",
        "?event=A",
        "?event=submission.closd",
        "?cv_code=x",
        "?after=",
    ],
)
async def test_what_cannot_be_understood_is_refused(house: Daemon, query: str) -> None:
    answer = await house.http.get(f"/v1/events{query}", headers=READ)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_query")


async def test_streams_are_bounded_and_end_with_the_daemon(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "AT_ONCE", 1)
    async with listening(house) as stream:
        answer = await house.http.get("/v1/events", headers=READ)
        assert (answer.status_code, answer.json()["reason"]) == (503, "busy")
        ending = asyncio.create_task(house.web.stop())
        with pytest.raises(EOFError):
            await stream.next()
        await ending


async def test_a_reader_alone_may_follow(house: Daemon) -> None:
    answer = await house.http.get("/v1/events", headers={"Authorization": "Bearer another"})
    assert answer.status_code == 401
