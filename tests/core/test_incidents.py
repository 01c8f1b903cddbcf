"""What begins ends with a line that says how long it was, and how much it held up."""

from __future__ import annotations

import re

from listener.core.catalogue import CATALOGUE
from listener.core.event_spec import Level
from listener.core.incidents import ALONE, INCIDENTS
from listener.report.incidents import KINDS

LOUD = {Level.WARNING, Level.ERROR, Level.CRITICAL}
BEGINS = re.compile(r"(lost|failed|opened|paused|doubted|filled|disabled|refused|held)$")


def test_every_event_that_sounds_like_a_beginning_has_its_end_or_a_reason_why_not() -> None:
    sounds = {
        name for name, spec in CATALOGUE.items() if BEGINS.search(name) and spec.levels() & LOUD
    }
    paired = {name for incident in INCIDENTS for name in incident.begins}
    assert sounds - paired - set(ALONE) == set()
    assert paired & set(ALONE) == set()
    assert set(ALONE) <= set(CATALOGUE)
    assert all(ALONE.values())


def test_the_line_at_the_end_says_how_long_and_how_much() -> None:
    for incident in INCIDENTS:
        assert incident.counts, incident
        for end in incident.ends:
            assert {"duration_ms", *incident.counts} <= set(CATALOGUE[end].fields), end
        assert set(incident.begins) <= set(CATALOGUE)
    ends = [end for incident in INCIDENTS for end in incident.ends]
    assert len(ends) == len(set(ends)), "an end is of one incident alone"


def test_the_report_reckons_with_every_pair() -> None:
    assert {kind.pair for kind in KINDS if kind.pair} == set(INCIDENTS)
