"""How submissions ended: each counted once, by the newest word on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from listener.core.names import Attribution, Outcome
from listener.core.outcomes import CALLING, SETTLING

from .reading import Line
from .sketch import Raster, Sketch, Top
from .values import bump, count, word, words

REMEMBERED = 100_000
"""Of so many submissions that closed last it is known how; of twice as many at most."""
KINDS = 2_000
"""So many ways to end are told apart; of what comes after them the outcome alone."""
SLOWEST = 10
DOUBTFUL = 60
RETRIES = 20
"""Of one submission so many are remembered, the last ones."""

_OUTCOMES = frozenset(Outcome)
T = TypeVar("T")


class Ending(NamedTuple):
    """One way to end."""

    outcome: str
    attribution: str = ""
    late: bool = False
    reason: str = ""
    evidence: tuple[str, ...] = ()
    enhancement: str = ""
    analysis: str = ""
    attempts: int = 0


@dataclass(slots=True)
class Case:
    """A submission that is shown by itself."""

    submission_id: str
    cv_ref: str
    closed_ms: int
    outcome: str
    reason: str
    attempts: int
    total_ms: int | None
    queued_ms: int | None
    post_ms: int | None
    confirm_ms: int | None


class _Known(NamedTuple):
    """``rank`` tells which of two lines of one version has the last word. ``contended``: the
    version at which it was told to be contended. ``confirm_ms`` -1: never heard. ``counted``: its
    close stands in the log; without it, the log knows of its correction alone."""

    version: int
    rank: int
    kind: int
    contended: int
    confirm_ms: int
    counted: bool


class Lately(Generic[T]):
    """Remembers at least the ``least`` entries that were put last, and at most twice as many."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._young: dict[str, T] = {}
        self._old: dict[str, T] = {}
        self.forgotten = 0

    def get(self, name: str) -> T | None:
        """None: it was never put, or is forgotten."""
        found = self._young.get(name)
        return self._old.get(name) if found is None else found

    def put(self, name: str, entry: T) -> None:
        """In place of what was put under that name."""
        self._old.pop(name, None)
        self._young[name] = entry
        if len(self._young) >= self._least:
            self.forgotten += len(self._old)
            self._young, self._old = {}, self._young


class Endings:
    """Takes the lines of submissions. A close that is told again (``repeated``, or in two files)
    counts once; a correction, a new attribution, and whatever else has a higher version replaces
    what was known, in whatever order the lines come."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: Lately[_Known] = Lately(remembered)
        self._rumours: Lately[int] = Lately(remembered)
        self._retries: Lately[tuple[str, ...]] = Lately(remembered)
        self._kinds: dict[Ending, int] = {}
        self._of_kind: list[Ending] = []
        self._counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self.accepted = 0
        self.open: dict[str, tuple[int, str]] = {}
        self.repeats = 0
        self.corrections: Counter[tuple[str, str]] = Counter()
        self.reattributed = 0
        self.confirm, self.total, self.queued, self.post = Sketch(), Sketch(), Sketch(), Sketch()
        self.by_time = Raster(len(COLUMNS))
        self._slowest: Top[Case] = Top(SLOWEST)
        self._doubtful: Top[Case] = Top(DOUBTFUL)

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """By event."""
        return {
            "submission.accepted": self._accept,
            "submission.closed": self._close,
            "submission.corrected": self._correct,
            "submission.reattributed": self._reattribute,
        }

    # --------------------------------------------------------------------------- what is told

    def endings(self) -> Counter[Ending]:
        """Of the submissions whose close stands in the log."""
        return self._told(self._counts[True])

    def elsewhere(self) -> Counter[Ending]:
        """Of those that were corrected in the log and closed before it began."""
        return self._told(self._counts[False])

    def _told(self, counts: Counter[int]) -> Counter[Ending]:
        return Counter({self._of_kind[kind]: n for kind, n in counts.items() if n > 0})

    @property
    def forgotten(self) -> int:
        """Of how many it is not remembered any more how they ended: a correction of one of them
        cannot be held against it."""
        return self._known.forgotten

    def slowest(self) -> list[Case]:
        """From acceptance to the close, the slowest first."""
        return self._slowest.greatest()

    def doubtful(self) -> list[Case]:
        """Of the last that call for a person, those that still do, the newest first: they were not
        corrected, nor sent again with an end that settles it."""
        return [case for case in self._doubtful.greatest() if self._calls(case)]

    def sent_again(self) -> int:
        """Of the same, those that would, had they not been sent again."""
        cases = self._doubtful.greatest()
        return sum(self._ended_so(case) and self._settled(case.submission_id) for case in cases)

    def _calls(self, case: Case) -> bool:
        return self._ended_so(case) and not self._settled(case.submission_id)

    def _ended_so(self, case: Case) -> bool:
        return (self._outcome(case.submission_id) or case.outcome) in CALLING

    def _settled(self, name: str) -> bool:
        """By a retry, or by one of that."""
        names, seen = [name], {name}
        while names:
            for retry in self._retries.get(names.pop()) or ():
                if self._outcome(retry) in SETTLING:
                    return True
                if retry not in seen:
                    seen.add(retry)
                    names.append(retry)
        return False

    def _outcome(self, name: str) -> str:
        """Empty: it is not known, or forgotten."""
        known = self._known.get(name)
        return "" if known is None else self._of_kind[known.kind].outcome

    # --------------------------------------------------------------------------- what is taken

    def _accept(self, line: Line) -> None:
        name = word(line.fields, "submission_id")
        if not name or name in self.open:
            return
        self.accepted += 1
        self.by_time.add(line.at_ms, 0)
        known = self._known.get(name)
        if known is None:
            self.open[name] = (line.at_ms, word(line.fields, "cv_ref"))

    def _close(self, line: Line) -> None:
        fields = line.fields
        name, version = word(fields, "submission_id"), count(fields, "submission_version") or 0
        if not name:
            return
        self.open.pop(name, None)
        self._note_retry(name, fields)
        known = self._known.get(name)
        if known is not None and known.counted:
            self.repeats += 1
            self._replace(name, known, version, 0, fields)
            return
        ending = ending_of(fields)
        confirm_ms = _confirm_ms(fields, ending)
        if known is not None:
            self._counts[False][known.kind] -= 1
            self._counts[True][known.kind] += 1
            known = known._replace(counted=True)
            self._known.put(name, known)
            if known.confirm_ms >= 0:
                self.confirm.add(known.confirm_ms)
            self._replace(name, known, version, 0, fields)
        else:
            self._put(name, ending, self._new(name, version, 0, confirm_ms, True))
            if confirm_ms >= 0:
                self.confirm.add(confirm_ms)
        self._measure(name, line, ending)

    def _correct(self, line: Line) -> None:
        fields = line.fields
        name, version = word(fields, "submission_id"), count(fields, "submission_version") or 0
        if not name:
            return
        before, after = word(fields, "outcome_before"), word(fields, "outcome")
        bump(self.corrections, (before, after), ("others", "others"), 100)
        self.open.pop(name, None)
        self._note_retry(name, fields)
        known = self._known.get(name)
        if known is not None:
            self._replace(name, known, version, 1, fields)
            return
        ending = ending_of(fields)
        confirm_ms = _confirm_ms(fields, ending)
        self._put(name, ending, self._new(name, version, 1, confirm_ms, False))

    def _note_retry(self, name: str, fields: Mapping[str, Any]) -> None:
        if old := word(fields, "retry_of"):
            known = self._retries.get(old) or ()
            if name not in known:
                self._retries.put(old, (*known, name)[-RETRIES:])

    def _reattribute(self, line: Line) -> None:
        fields = line.fields
        name = word(fields, "submission_id")
        self.reattributed += 1
        known = self._known.get(name)
        version = count(fields, "submission_version")
        if not name or word(fields, "attribution") != Attribution.CONTENDED:
            return
        if known is None:
            self._rumours.put(name, version or 0)
            return
        version = known.version if version is None else version
        known = known._replace(contended=max(known.contended, version))
        self._move(name, known, self._of_kind[known.kind])

    def _replace(
        self, name: str, known: _Known, version: int, rank: int, fields: Mapping[str, Any]
    ) -> None:
        """By the newest word: the higher version's, or of one version the correction's."""
        if (version, rank) <= (known.version, known.rank):
            return
        ending = ending_of(fields)
        confirm_ms = known.confirm_ms
        if confirm_ms < 0 <= (heard := _confirm_ms(fields, ending)):
            confirm_ms = heard
            if known.counted:
                self.confirm.add(heard)
        newer = known._replace(version=version, rank=rank, confirm_ms=confirm_ms)
        self._move(name, newer, ending)
        for case in self._slowest.greatest():
            if case.submission_id == name:
                case.outcome, case.reason = ending.outcome, ending.reason
                case.confirm_ms = None if confirm_ms < 0 else confirm_ms

    def _new(self, name: str, version: int, rank: int, confirm_ms: int, counted: bool) -> _Known:
        contended = self._rumours.get(name)
        told = -1 if contended is None else contended
        return _Known(version, rank, 0, told, confirm_ms, counted)

    def _move(self, name: str, known: _Known, ending: Ending) -> None:
        self._counts[known.counted][known.kind] -= 1
        self._put(name, ending, known)

    def _put(self, name: str, ending: Ending, known: _Known) -> None:
        if known.contended >= known.version and ending.attribution:
            ending = ending._replace(attribution=Attribution.CONTENDED.value)
        kind = self._kinds.get(ending)
        if kind is None:
            kind = self._new_kind(ending)
        self._counts[known.counted][kind] += 1
        self._known.put(name, known._replace(kind=kind))

    def _new_kind(self, ending: Ending) -> int:
        if len(self._kinds) >= KINDS:
            ending = Ending(ending.outcome, ending.attribution, ending.late)
            if (kind := self._kinds.get(ending)) is not None:
                return kind
        self._kinds[ending] = len(self._of_kind)
        self._of_kind.append(ending)
        return self._kinds[ending]

    def _measure(self, name: str, line: Line, ending: Ending) -> None:
        fields = line.fields
        total = count(fields, "total_ms")
        queued, post = count(fields, "queued_ms"), count(fields, "post_ms")
        for value, sketch in ((total, self.total), (queued, self.queued), (post, self.post)):
            if value is not None:
                sketch.add(value)
        self.by_time.add(line.at_ms, column_of(ending.outcome))
        slow = total is not None and self._slowest.takes(total)
        calls = ending.outcome in CALLING
        if slow or calls:
            heard = count(fields, "confirm_ms")
            ref = word(fields, "cv_ref")
            case = Case(
                *(name, ref, line.at_ms, ending.outcome, ending.reason, ending.attempts),
                *(total, queued, post, heard),
            )
            if slow:
                self._slowest.add(total or 0, name, case)
            if calls:
                self._doubtful.add(line.at_ms, name, case)


COLUMNS = ("accepted", "confirmed", "presumed", "neither", "withdrawn")
"""Of ``by_time``: acceptances, and closes by how they were told at first."""


def column_of(outcome: str) -> int:
    """Where in ``COLUMNS`` a close counts."""
    match outcome:
        case Outcome.CONFIRMED:
            return 1
        case Outcome.PRESUMED:
            return 2
        case Outcome.CANCELLED | Outcome.SUPERSEDED:
            return 4
        case _:
            return 3


def ending_of(fields: Mapping[str, Any]) -> Ending:
    """Of a canonical line."""
    outcome = word(fields, "outcome")
    return Ending(
        outcome if outcome in _OUTCOMES else "unknown",
        word(fields, "attribution"),
        fields.get("late") is True,
        word(fields, "reason"),
        words(fields, "evidence"),
        word(fields, "enhancement"),
        word(fields, "analysis"),
        min(count(fields, "attempts") or 0, 99),
    )


def _confirm_ms(fields: Mapping[str, Any], ending: Ending) -> int:
    heard = count(fields, "confirm_ms") if ending.outcome == Outcome.CONFIRMED else None
    return -1 if heard is None else heard


def tallied(endings: Counter[Ending], by: Callable[[Ending], str]) -> Counter[str]:
    """The endings, added up by one thing about them."""
    found: Counter[str] = Counter()
    for ending, number in endings.items():
        found[by(ending)] += number
    return found


def evidence_of(endings: Counter[Ending]) -> Iterator[tuple[str, str, int]]:
    """(outcome, evidence in words, how many), of those that some evidence speaks for."""
    found: Counter[tuple[str, str]] = Counter()
    for ending, number in endings.items():
        if ending.evidence:
            found[ending.outcome, ", ".join(ending.evidence)] += number
    for (outcome, evidence), number in found.most_common():
        yield outcome, evidence, number
