"""Every filter of the listing."""

from __future__ import annotations

from pathlib import Path

import pytest

from listener.core.names import CvCode
from listener.core.wire import cv_ref
from listener.ports.journal import Query
from listener.service.references import PAGE, References
from tests.contract.journals import accepting, an_id
from tests.fakes.journal_memory import MemoryJournal

from .rig import CODE, Daemon, daemon


async def listed(house: Daemon, **query: str) -> list[str]:
    answer = await house.http.get("/v1/submissions", params=query)
    assert answer.status_code == 200, answer.text
    return [shown["id"] for shown in answer.json()["submissions"]]


async def submitted(house: Daemon, code: str, *, wait: bool = True) -> dict[str, str]:
    headers = {"Prefer": "wait=60"} if wait else {}
    answer = await house.post(code=code, headers=headers)
    assert answer.status_code in (200, 202)
    return dict(answer.json())


async def test_each_filter_lets_through_what_it_says(house: Daemon) -> None:
    first, second = await submitted(house, "one"), await submitted(house, "two")
    house.upstream.open.clear()
    waits = await submitted(house, "two", wait=False)
    one, two, three = first["id"], second["id"], waits["id"]
    assert await listed(house, open="true") == [three]
    assert await listed(house, open="false") == [two, one]
    assert await listed(house, attribution="exclusive") == [two, one]
    assert await listed(house, attribution="contended") == []
    assert await listed(house, late="true") == []
    assert await listed(house, late="false") == [three, two, one]
    assert await listed(house, retry_of=one) == []
    assert await listed(house, cv_ref=second["cv_ref"]) == [three, two]
    assert await listed(house, cv_ref=second["cv_ref"], open="false") == [two]
    assert await listed(house, cv_ref="cv_000000000000") == []
    assert await listed(house, outcome="confirmed", limit="1") == [two]
    latest = await submitted(house, "three", wait=False)
    assert await listed(house, cv_ref=latest["cv_ref"]) == [latest["id"]]


async def test_two_ranges_of_time_that_meet_share_nothing(house: Daemon) -> None:
    shown = [await submitted(house, f"code-{number}") for number in range(4)]
    every = [one["id"] for one in reversed(shown)]
    for middle in (one["created_at"] for one in shown):
        after = await listed(house, created_after=middle)
        before = await listed(house, created_before=middle)
        assert after + before == every
        assert after
        finer = f"{middle[:-1]}5Z"
        assert await listed(house, created_before=finer) == [
            one["id"] for one in reversed(shown) if one["created_at"] <= middle
        ]
    assert await listed(house, created_after="2000-01-01T00:00:00+01:00") == every
    assert await listed(house, created_before="2000-01-01t00:00:00.5z") == []
    between = {"created_after": shown[1]["created_at"], "created_before": shown[2]["created_at"]}
    assert set(await listed(house, **between)) <= {every[2], every[1]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state", ""),
        ("open", "1"),
        ("open", "True"),
        ("late", ""),
        ("attribution", "mine"),
        ("retry_of", "x"),
        ("cv_ref", "cv_4BE1"),
        ("cv_ref", CODE),
        ("created_after", "2026-01-31"),
        ("created_after", "2026-01-31T12:00:00"),
        ("created_after", "2026-01-31T12:00:00 01:00"),
        ("created_after", "2026-02-31T12:00:00Z"),
        ("created_before", "2026-01-31T12:00:60Z"),
        ("created_before", "0000-01-01T00:00:00Z"),
        ("created_before", "1769860800"),
        ("limit", "٣"),
        ("limit", "1.0"),
    ],
)
async def test_a_filter_of_another_form_is_refused(house: Daemon, name: str, text: str) -> None:
    answer = await house.http.get("/v1/submissions", params={name: text})
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_query")
    assert f"expected {name} as " in answer.json()["detail"]
    assert CODE not in answer.text


async def test_a_ref_of_an_earlier_key_leads_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path) as house:
        old = await submitted(house, "one")
        await submitted(house, "two")
        assert await listed(house, cv_ref=old["cv_ref"]) == [old["id"]]
    monkeypatch.setattr("tests.adapters.web.rig.REF_KEY", b"another")
    async with daemon(tmp_path) as house:
        new = await submitted(house, "one")
        assert new["cv_ref"] != old["cv_ref"]
        for ref in (new["cv_ref"], old["cv_ref"], new["cv_ref"]):
            assert await listed(house, cv_ref=ref) == [new["id"], old["id"]]


async def test_a_key_that_is_changed_in_a_running_daemon_is_followed_once() -> None:
    """Over more codes than a page, among them some of which the journal knows no ref."""
    journal = MemoryJournal()
    codes = [CvCode(f"code-{number:04d}") for number in range(PAGE + 2)]
    for number, code in enumerate(codes):
        await journal.commit(accepting(code, number))
    keys = [b"first"]
    references = References(journal, lambda code: tuple(cv_ref(key, code) for key in keys))
    written = journal._writes
    for known in ([b"first"], [b"second", b"first"], [b"third"]):
        keys[:] = known
        await references.renew()
        assert journal._writes > written
        written = journal._writes
        await references.renew()
        await References(journal, references._found_by).renew()
        assert journal._writes == written, "what is made already is not made again"
    for key in (b"first", b"second", b"third"):
        for number in (0, PAGE - 1, PAGE, PAGE + 1):
            found = await journal.submissions(Query(ref=cv_ref(key, codes[number])))
            assert [stored.submission.id for stored in found] == [an_id(number)]
