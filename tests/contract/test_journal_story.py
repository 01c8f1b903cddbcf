"""The story of all submissions, in the order of the commits."""

from __future__ import annotations

import json
from dataclasses import replace

from listener.ports.journal import Journal

from .journals import CODE, OTHER, Store, a_fact, accepting, an_id, at


async def story(journal: Journal, after: int = 0, limit: int = 100) -> list[tuple[int, int, str]]:
    """(sequence, place, submission's last digits) of each fact."""
    found = await journal.facts_after(after, limit)
    for fact in found:
        body = json.loads(fact.body)
        assert (body["at_ms"], body["submission_id"]) == (fact.at_ms, fact.submission_id)
    return [(fact.sequence, fact.place, fact.submission_id[-2:]) for fact in found]


async def told(journal: Journal, code: object, *names: int) -> None:
    commit = accepting(code, *names)  # type: ignore[arg-type]  # a code, as the tests spell it
    facts = tuple(a_fact(name, at(name)) for name in names)
    assert await journal.commit(replace(commit, facts=facts)) is not None


async def test_facts_are_told_in_order_and_from_any_commit_on(store: Store) -> None:
    assert await store.journal.last_sequence() == 0
    await told(store.journal, CODE, 1, 2)
    await told(store.journal, OTHER, 3)
    whole = [(1, 0, "01"), (1, 1, "02"), (2, 0, "03")]
    assert await story(store.journal) == whole
    assert await story(store.journal, limit=1) == whole[:2]
    assert await story(store.journal, after=1) == whole[2:]
    assert await story(store.journal, after=2) == []
    await store.restart()
    assert await story(store.journal) == whole
    assert await store.journal.last_sequence() == 2
    [first, *_] = await store.journal.facts_after(0, 1)
    assert (first.code, first.submission_id) == (CODE, an_id(1))


async def test_the_facts_of_one_are_told_in_order_and_no_others(store: Store) -> None:
    await told(store.journal, CODE, 1, 2)
    again = (a_fact(1, at(7)), a_fact(None, at(7)), a_fact(2, at(8)), a_fact(1, at(9)))
    commit = replace(accepting(CODE, 1, 2, version=1), facts=again)
    assert await store.journal.commit(commit) == 2
    await store.restart()
    found = await store.journal.facts_of(an_id(1))
    assert [(at_ms, event) for at_ms, event, _ in found] == [
        (at(moment), "attempt.declined") for moment in (1, 7, 9)
    ]
    bodies = [json.loads(body) for _, _, body in found]
    assert {(body["submission_id"], body["movement"]) for body in bodies} == {(an_id(1), "moved")}
    assert await store.journal.facts_of(an_id(3)) == []


async def test_what_is_forgotten_is_told_no_more_and_no_place_is_given_twice(store: Store) -> None:
    await told(store.journal, CODE, 1)
    await told(store.journal, OTHER, 2)
    await store.journal.forget(OTHER)
    await store.journal.forget(CODE)
    assert await story(store.journal) == []
    assert await store.journal.last_sequence() == 2
    await store.restart()
    await told(store.journal, OTHER, 3)
    assert await story(store.journal) == [(3, 0, "03")]
