"""Withdrawing, in each state (rule 13)."""

from __future__ import annotations

import asyncio
from typing import Any

from listener.core.evidence import PostResult
from listener.core.names import PostKind, SubmissionId

from .rig import CODE, READ, Daemon, docx


async def state(house: Daemon, location: str, wanted: str) -> dict[str, Any]:
    """How it stands once it is in this state."""
    name = SubmissionId(location.rpartition("/")[2])
    async with asyncio.timeout(30):
        with house.service.bulletin.watch(name) as news:
            while True:
                news.clear()
                shown = (await house.http.get(location)).json()
                if shown["state"] == wanted:
                    return dict(shown)
                # Only a new version of the outcome is news; a state may come without.
                try:
                    async with asyncio.timeout(0.05):
                        await news.wait()
                except TimeoutError:
                    pass


async def cancel(house: Daemon, location: str) -> dict[str, Any]:
    answer = await house.http.post(f"{location}/cancel")
    assert answer.status_code == 200
    return dict(answer.json())


def ended(shown: dict[str, Any]) -> tuple[object, ...]:
    return shown["state"], shown["outcome"], shown["reason"]


async def test_queued_it_is_cancelled_and_its_file_goes(house: Daemon) -> None:
    house.upstream.open.clear()
    await house.post()
    location = (await house.post(file=docx())).headers["Location"]
    assert ended(await cancel(house, location)) == ("closed", "cancelled", "cancelled")
    house.upstream.open.set()
    assert len(house.upstream.posted) == 1


async def test_sending_it_takes_effect_at_the_end(house: Daemon) -> None:
    house.upstream.open.clear()
    house.upstream.emits = False
    location = (await house.post()).headers["Location"]
    await house.upstream.arrived.wait()
    assert (await cancel(house, location))["state"] == "sending"
    assert (await cancel(house, location))["state"] == "sending"
    house.upstream.open.set()
    shown = await state(house, location, "closed")
    assert ended(shown) == ("closed", "unconfirmed", "cancelled")


async def test_sending_what_then_was_not_sent_is_cancelled(house: Daemon) -> None:
    house.upstream.open.clear()
    house.upstream.ends = [(PostResult(PostKind.NOT_SENT, "connect_refused"), None)]
    location = (await house.post()).headers["Location"]
    await house.upstream.arrived.wait()
    await cancel(house, location)
    house.upstream.open.set()
    shown = await state(house, location, "closed")
    assert shown["outcome"] == "cancelled"


async def test_awaiting_only_the_watching_stops_and_an_event_still_corrects(house: Daemon) -> None:
    house.upstream.emits = False
    location = (await house.post()).headers["Location"]
    await state(house, location, "awaiting")
    assert ended(await cancel(house, location)) == ("closed", "unconfirmed", "cancelled")
    name = SubmissionId(location.rpartition("/")[2])
    with house.service.bulletin.watch(name) as news:
        house.ear.hear(CODE)
        await news.wait()
    shown = (await house.http.get(location)).json()
    assert (shown["outcome"], shown["late"]) == ("confirmed", True)
    again = await cancel(house, location)
    assert again == shown, "what is closed stays as it is"


async def test_in_doubt_only_the_watching_stops(house: Daemon) -> None:
    house.upstream.ends = [(PostResult(PostKind.POSSIBLY_SENT, "read_timeout"), None)]
    location = (await house.post()).headers["Location"]
    await state(house, location, "in_doubt")
    assert ended(await cancel(house, location)) == ("closed", "unconfirmed", "cancelled")


async def test_who_may(house: Daemon) -> None:
    location = (await house.post()).headers["Location"]
    refused = await house.http.post(
        f"{location}/cancel", headers={"Authorization": f"Bearer {READ}"}
    )
    assert refused.status_code == 403
    await house.http.post("/v1/drain")
    refused = await house.http.post(f"{location}/cancel")
    assert (refused.status_code, refused.json()["reason"]) == (503, "draining")
