"""Reactions: announced with a commit, given out to the handlers, told to each at least once."""

from __future__ import annotations

from dataclasses import replace

from listener.core.names import SubmissionId
from listener.ports.journal import Journal
from listener.ports.reaction import ANNOUNCED, Reaction

from .journals import CODE, Store, accepting, an_id, at

FIRST, SECOND = (an_id(1), 1), (an_id(2), 3)
NAMES = ("log", "webhook")


async def announced(journal: Journal, *these: tuple[SubmissionId, int]) -> None:
    await journal.commit(replace(accepting(CODE, 1, 2), reactions=these or (FIRST, SECOND)))


async def due(journal: Journal, handler: str, now: int = 0) -> list[tuple[object, ...]]:
    found = await journal.due_reactions(handler, at(now), 9)
    assert {r.handler for r in found} <= {handler}
    return [(r.submission_id, r.version, r.tries) for r in found]


async def test_what_a_commit_announces_waits_until_it_is_given_out(store: Store) -> None:
    await announced(store.journal)
    await store.restart()
    journal = store.journal
    assert await due(journal, ANNOUNCED) == [(*FIRST, 0), (*SECOND, 0)]
    assert len(await journal.due_reactions(ANNOUNCED, at(0), 1)) == 1
    await journal.give_out([FIRST], NAMES, told=True)
    assert await due(journal, ANNOUNCED) == [(*SECOND, 0)]
    await store.restart()
    for name in NAMES:
        assert await due(store.journal, name) == [(*FIRST, 0)]
    assert await store.journal.reactions_waiting() == {ANNOUNCED: 1, "log": 1, "webhook": 1}


async def test_what_is_not_announced_is_not_given_out(journal: Journal) -> None:
    await announced(journal, FIRST)
    await journal.give_out([SECOND, (an_id(1), 2), (an_id(9), 1)], NAMES, told=True)
    assert await journal.reactions_waiting() == {ANNOUNCED: 1}
    await journal.give_out([FIRST], [], told=True)
    await journal.give_out([FIRST], NAMES, told=True)
    assert await journal.reactions_waiting() == {}


async def test_what_is_not_told_stays_announced_and_costs_no_try(journal: Journal) -> None:
    await announced(journal, FIRST)
    await journal.give_out([FIRST], NAMES, told=False)
    await journal.postpone_reaction(*FIRST, "webhook", at(5))
    await journal.finish_reaction(*FIRST, "log")
    await journal.give_out([FIRST], NAMES, told=True)
    assert await due(journal, "webhook", 5) == [(*FIRST, 1)], "it has one, and that stays"
    assert await due(journal, "log") == [(*FIRST, 0)], "at least once: after a crash, say"
    assert await due(journal, ANNOUNCED) == []


async def test_each_handler_is_done_for_itself(journal: Journal) -> None:
    await announced(journal, FIRST)
    await journal.give_out([FIRST], NAMES, told=True)
    await journal.finish_reaction(*FIRST, "log")
    await journal.finish_reaction(*FIRST, "log")
    assert await due(journal, "log") == []
    assert await due(journal, "webhook") == [(*FIRST, 0)]


async def test_who_heard_of_a_version_heard_of_those_before(journal: Journal) -> None:
    these = [(an_id(1), version) for version in (1, 2, 3)]
    await announced(journal, *these)
    await journal.give_out(these, NAMES, told=True)
    await journal.finish_reaction(an_id(1), 2, "webhook")
    assert await due(journal, "webhook") == [(an_id(1), 3, 0)]
    assert len(await due(journal, "log")) == 3


async def test_a_failed_reaction_is_tried_again_later(journal: Journal) -> None:
    await announced(journal, FIRST)
    await journal.give_out([FIRST], NAMES, told=True)
    await journal.postpone_reaction(*FIRST, "log", at(10))
    await journal.postpone_reaction(*FIRST, "log", at(20))
    await journal.postpone_reaction(an_id(5), 1, "log", at(20))
    assert await journal.due_reactions("log", at(19), 9) == []
    assert await journal.due_reactions("log", at(20), 9) == [Reaction(*FIRST, "log", 2, at(20))]
    assert await due(journal, "webhook") == [(*FIRST, 0)]


async def test_what_was_put_off_can_be_hastened(store: Store) -> None:
    journal = store.journal
    await announced(journal)
    await journal.give_out([FIRST, SECOND], NAMES, told=True)
    for name in NAMES:
        await journal.postpone_reaction(*FIRST, name, at(50))
        await journal.postpone_reaction(*SECOND, name, at(5))
    await journal.hasten_reactions("log", at(7))
    await store.restart()
    journal = store.journal
    assert await journal.due_reactions("log", at(7), 9) == [
        Reaction(*SECOND, "log", 1, at(5)),
        Reaction(*FIRST, "log", 1, at(7)),
    ]
    assert len(await journal.due_reactions("webhook", at(49), 9)) == 1


async def test_a_reaction_already_announced_is_announced_once(journal: Journal) -> None:
    version = await journal.commit(replace(accepting(CODE, 1), reactions=(FIRST,)))
    assert version is not None
    again = replace(accepting(CODE, 1, version=version), reactions=(FIRST, (an_id(1), 2)))
    await journal.commit(again)
    assert await due(journal, ANNOUNCED) == [(*FIRST, 0), (an_id(1), 2, 0)]


async def test_reactions_go_with_their_submission(journal: Journal) -> None:
    await announced(journal)
    await journal.give_out([FIRST], NAMES, told=True)
    await journal.forget(CODE)
    assert await journal.reactions_waiting() == {}
