"""Rule 3 where the answer says "not applied", and an event says otherwise, before it or after."""

from __future__ import annotations

import pytest

from listener.core.effects import Enquire
from listener.core.evidence import PostResult
from listener.core.facts import AttemptFinished, ContradictionSeen
from listener.core.names import PostKind

from .script import ACCEPTED, REFUSED, Script, accepted, unresolved


def refused_at_1s(name: str = "a") -> Script:
    return Script().submit(name).begin("p0", name).at(1).end(REFUSED, name)


def test_refused_and_heard_of_after_that_ends_as_if_heard_of_before() -> None:
    script = refused_at_1s()
    assert script.end_of() == "rejected"
    kept = script.of().keep_file_until_ms
    script.at(1.2).event()
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "refused_but_heard")
    assert script.disposed == ["contradiction"]
    assert script.told == ["event.correlated", "submission.contradicted", "submission.corrected"]
    assert script.fact(ContradictionSeen)[0].detail == "not_found"
    assert (script.of().contradicted, script.of().keep_file_until_ms) == (True, kept)
    assert script.wake().effect(Enquire), "the record is read, for whoever looks into it"
    script.read("p1")
    assert script.told == ["record.enquired"]
    assert script.end_of() == "unconfirmed"
    assert not script.event(seq=1).decision.changed


@pytest.mark.parametrize(("seconds", "end"), [(30.999, "contradiction"), (31, "foreign")])
def test_a_refused_one_is_forgotten_a_settle_period_after_its_close(
    seconds: float, end: str
) -> None:
    script = refused_at_1s()
    assert script.due_s == 31
    script.at(seconds)
    if end == "foreign":
        script.time()
    assert script.event().disposed == [end]


def test_an_unresolved_earlier_ones_event_contradicts_no_refusal_after_it() -> None:
    script = unresolved("old").submit().begin("p1").end(REFUSED).event()
    assert (script.end_of(), script.end_of("old")) == ("rejected", "confirmed exclusive")


def test_a_further_event_is_the_newest_ones_confirmed_or_refused() -> None:
    script = accepted("old").at(2).event().at(3).submit().begin("p1").end(REFUSED).event()
    assert (script.disposed, script.end_of("old")) == (["contradiction"], "confirmed exclusive")
    script = refused_at_1s("old").at(2).submit().begin("p0").end(ACCEPTED).event().at(3).event()
    assert (script.disposed, script.end_of("old")) == (["duplicate"], "rejected")


# --------------------------------------------------- what the operator says was not applied

CLAIMED = PostResult(PostKind.NOT_SENT, "not_applied_status", 504)


def test_heard_and_said_not_to_be_applied_is_a_doubt() -> None:
    script = Script().submit().begin("p0").event().at(1).end(CLAIMED)
    assert (script.disposed, script.state()) == (["candidate"], "in_doubt")
    assert script.fact(AttemptFinished)[0].result is PostKind.POSSIBLY_SENT
    assert script.wake().effect(Enquire)
    assert script.now_s == 1, "at once"
    assert script.read("p1").end_of() == "confirmed exclusive"


def test_unmoved_it_is_sent_again_a_settle_period_later() -> None:
    script = Script().submit().begin("p0").event().at(1).end(CLAIMED)
    while script.state() == "in_doubt":
        script.wake()
        if script.effect(Enquire):
            script.read("p0")
    assert (script.state(), script.now_s) == ("queued", 31)


def test_an_unresolved_earlier_ones_event_makes_no_doubt_of_it() -> None:
    script = unresolved("old").submit().begin("p1").event().end(CLAIMED)
    assert (script.end_of("old"), script.state()) == ("confirmed exclusive", "queued")


def test_cancelled_meanwhile_the_doubt_ends_with_it() -> None:
    script = Script().submit().begin("p0").event().cancel().at(1).end(CLAIMED)
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "cancelled")
    assert script.of().enquire_ms is None
