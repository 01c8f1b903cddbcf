"""One submission, explained: explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from . import configured, output
from .command import Command, json_option
from .ids import path_of


@click.command(cls=Command)
@click.argument("submission_id", metavar="ID")
@json_option
def explain(submission_id: str, as_json: bool) -> None:
    """Explain one submission: what it waits for, since when, what is usual and what happens next;
    or what its outcome means and what to do. And all that happened to it, in order."""
    path = path_of(submission_id)
    with configured.daemon() as daemon:
        told = daemon.get(path + "/story")
    if as_json:
        output.write_json(told)
        return
    output.write_paragraph(told["explanation"])
    output.write_line("")
    output.write_pairs(_pairs(told))
    output.write_line("")
    output.write_story(_moments(told["story"]))


def _pairs(told: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    shown = told["submission"]
    yield "submission", shown["id"], "bold"
    yield "cv_ref", shown["cv_ref"], ""
    word = output.word(shown)
    yield ("outcome" if shown["outcome"] else "state"), word, output.STYLES.get(word, "")
    if told["means"]:
        yield "means", told["means"], ""
    if told["what_to_do"]:
        yield "to do", told["what_to_do"], ""
    if told["usual"]:
        yield "usual", told["usual"]["words"].removeprefix("usually "), ""
    for number, step in enumerate(told["next"]):
        yield ("" if number else "next"), step["words"], ""


def _moments(story: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, int | None, str, str]]:
    """(when, milliseconds since the first, in words, style) of each."""
    began: datetime | None = None
    for one in story:
        at = datetime.fromisoformat(one["at"])
        after = None if began is None else round((at - began).total_seconds() * 1_000)
        began = began or at
        style = "yellow" if one["event"] == "gap" else output.STYLES.get(one.get("outcome", ""), "")
        yield one["at"], after, one["words"], style
