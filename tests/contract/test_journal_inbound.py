"""Events other than ``cv_updated``: kept in order, for each handler, until it took them."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from listener.core.evidence import Heard
from listener.core.names import Disposition, Millis
from listener.ports.event_source import Resume
from listener.ports.inbound import BACKLOG_MOST, InboundRow, Placed, Untaken
from listener.ports.journal import InboxRow, Journal

from .journals import CODE, OTHER, Store, at

A, B = "package.one:function", "package.two:function"


def row(number: int, *handlers: str) -> InboundRow:
    payload = f'[{{"n":{number}}}]'
    return InboundRow("viewed", payload, at(number), number % 2 == 0, handlers or (A,))


def untaken(sequence: int, number: int, tries: int = 0, due: int = 0) -> Untaken:
    kept = row(number)
    first = (sequence, kept.event, kept.payload, kept.heard_ms, kept.replayed)
    return Untaken(*first, tries, Millis(due))


async def test_each_handler_has_its_turn_in_the_order_of_receipt(store: Store) -> None:
    journal = store.journal
    assert await journal.first_inbound(A) is None
    placed = await journal.append_inbound([row(5), row(3, A, B)], [])
    assert placed == [Placed(1), Placed(2)]
    assert await journal.append_inbound([row(4, B)], []) == [Placed(3)]
    await store.restart()
    journal = store.journal
    assert await journal.first_inbound(A) == untaken(1, 5)
    assert await journal.first_inbound(B) == untaken(2, 3)
    assert await journal.inbound_waiting() == {A: 2, B: 2}
    assert (await journal.first_look()).inbound == {A: 2, B: 2}
    await journal.finish_inbound(A, 1)
    await journal.finish_inbound(A, 1)
    assert await journal.first_inbound(A) == untaken(2, 3)
    await journal.finish_inbound(A, 2)
    assert await journal.first_inbound(A) is None
    assert await journal.first_inbound(B) == untaken(2, 3), "its own affair"


async def test_a_sequence_is_given_once_whatever_is_deleted(store: Store) -> None:
    await store.journal.append_inbound([row(1), row(2)], [])
    for sequence in (1, 2):
        await store.journal.finish_inbound(A, sequence)
    await store.restart()
    assert await store.journal.append_inbound([row(3)], []) == [Placed(3)]


async def test_one_that_failed_keeps_its_turn_and_is_due_later(store: Store) -> None:
    journal = store.journal
    await journal.append_inbound([row(1, A, B), row(2)], [])
    await journal.postpone_inbound(A, 1, at(50))
    await journal.postpone_inbound(A, 1, at(60))
    await journal.postpone_inbound(A, 9, at(60))
    assert await journal.first_inbound(A) == untaken(1, 1, tries=2, due=at(60))
    assert await journal.first_inbound(B) == untaken(1, 1)
    await journal.hasten_inbound(B, at(7))
    await journal.hasten_inbound(A, at(7))
    await store.restart()
    assert await store.journal.first_inbound(A) == untaken(1, 1, tries=2, due=at(7))
    assert await store.journal.first_inbound(B) == untaken(1, 1)


async def test_events_go_with_the_cursor_and_the_inbox_in_one_transaction(store: Store) -> None:
    inbox = InboxRow(Heard(7, at(7)), CODE, "{}")
    await store.journal.append_inbound([row(1)], [inbox], Resume("pid", "8"))
    await store.restart()
    journal = store.journal
    assert await journal.undisposed() == [inbox]
    assert await journal.resume_cursor() == Resume("pid", "8")
    unfit = replace(row(2), payload="\ud800")
    later = InboxRow(Heard(9, at(9)), OTHER, "{}", Disposition.FOREIGN)
    with pytest.raises(ValueError, match=r"surrogate|UTF-8|utf-8"):
        await journal.append_inbound([row(2), unfit], [later], Resume("pid", "9"))
    assert await journal.resume_cursor() == Resume("pid", "8"), "no cursor beyond what is kept"
    assert await journal.highest_seq() == 7
    assert await journal.inbound_waiting() == {A: 1}
    await journal.append_inbound([], [later], Resume("pid", "9"))
    assert await journal.resume_cursor() == Resume("pid", "9"), "of an event that was dropped"


async def test_for_a_handler_with_a_full_backlog_nothing_is_kept(journal: Journal) -> None:
    many = [row(n) for n in range(BACKLOG_MOST - 1)]
    await journal.append_inbound(many, [])
    placed = await journal.append_inbound([row(1, A, B), row(2, B, A)], [])
    assert placed == [Placed(BACKLOG_MOST), Placed(BACKLOG_MOST + 1, (A,))]
    assert await journal.inbound_waiting() == {A: BACKLOG_MOST, B: 2}
    await journal.finish_inbound(A, 1)
    assert await journal.append_inbound([row(3)], []) == [Placed(BACKLOG_MOST + 2)]


async def test_what_is_too_old_is_deleted_and_counted(journal: Journal) -> None:
    other = replace(row(2, A, B), event="another")
    await journal.append_inbound([row(1), other, row(3), row(9, A, B)], [])
    assert await journal.expire_inbound(at(1)) == {}
    expired = await journal.expire_inbound(at(9))
    assert expired == {(A, "viewed"): 2, (A, "another"): 1, (B, "another"): 1}
    assert await journal.inbound_waiting() == {A: 1, B: 1}


async def test_forgetting_a_code_deletes_every_event_that_holds_it(journal: Journal) -> None:
    code = type(CODE)('ü"\\' + CODE)
    for event in (
        InboundRow("viewed", orjson.dumps([{"a": [code]}]).decode(), at(1), False, (A,)),
        InboundRow("viewed", orjson.dumps([f"/cv/{code}"]).decode(), at(2), False, (A, B)),
        InboundRow("viewed", orjson.dumps([OTHER]).decode(), at(3), False, (B,)),
    ):
        await journal.append_inbound([event], [])
    assert await journal.forget(code) == 0
    assert await journal.inbound_waiting() == {B: 1}


async def test_neither_a_purge_nor_the_inbox_touches_them(journal: Journal) -> None:
    await journal.append_inbound([row(1)], [])
    await journal.purge(at(99))
    assert await journal.first_inbound(A) == untaken(1, 1)
    assert await journal.highest_seq() == 0
    assert await journal.undisposed() == []


def test_a_payload_does_not_show() -> None:
    assert '"n"' not in repr((row(1), untaken(1, 1)))
