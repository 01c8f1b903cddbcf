"""What the reader thread asks. Each gets a snapshot that holds all that was acknowledged."""

from __future__ import annotations

from typing import Any

import apsw

from listener.core.errors import JournalDamaged
from listener.core.evidence import Gap, Heard
from listener.core.names import CvCode, Disposition, Millis, Outcome, State, SubmissionId
from listener.core.submission import Lane
from listener.ports.event_source import Resume
from listener.ports.journal import (
    KEY_KEPT_MS,
    IdempotencyKey,
    InboxRow,
    LaneRow,
    StoredReply,
    StoredSubmission,
    Tally,
    ToldFact,
)
from listener.ports.reaction import Reaction
from listener.ports.upstream import RawReply

from .codec import (
    decode_facts,
    decode_headers,
    decode_lane,
    decode_row,
    decode_submission,
    decode_word,
)
from .commits import number

HIGHEST_SEQ = "seq"
"""The number, of all, under which it is noted before rows go."""


def load_lane(db: apsw.Connection, code: CvCode) -> LaneRow:
    """As the port says. Raises JournalDamaged if a remembered submission is not there."""
    row = db.execute("SELECT version, members, doc FROM lanes WHERE code = ?", (code,)).fetchone()
    if row is None:
        return LaneRow(code, Lane(), 0)
    version, members, doc = row
    submissions = []
    for submission_id in members.split():
        found = submission(db, submission_id)
        if found is None:
            raise JournalDamaged(
                f"expected submission {submission_id} in the journal, for its lane names it, found "
                "none; keep a copy of the journal and restore it from a backup"
            )
        submissions.append(found.submission)
    return LaneRow(code, decode_lane(doc, tuple(submissions)), version)


def due_lanes(db: apsw.Connection, now_ms: Millis, limit: int) -> list[CvCode]:
    """As the port says."""
    rows = db.execute(
        "SELECT code FROM lanes WHERE due_ms <= ? ORDER BY due_ms, code LIMIT ?", (now_ms, limit)
    )
    return [CvCode(code) for (code,) in rows]


def next_due_ms(db: apsw.Connection) -> Millis | None:
    """As the port says."""
    found = db.execute("SELECT min(due_ms) FROM lanes WHERE due_ms IS NOT NULL").get
    return None if found is None else Millis(found)


def lanes(db: apsw.Connection) -> list[CvCode]:
    """As the port says."""
    return [CvCode(code) for (code,) in db.execute("SELECT code FROM lanes ORDER BY code")]


def undisposed(db: apsw.Connection) -> list[InboxRow]:
    """As the port says."""
    rows = db.execute(
        "SELECT seq, heard_ms, replayed, code, payload, disposition FROM inbox"
        " WHERE disposition IS NULL ORDER BY seq"
    )
    return [
        InboxRow(
            Heard(seq, Millis(heard_ms), bool(replayed)),
            None if code is None else CvCode(code),
            payload,
            None if disposition is None else decode_word(Disposition, disposition),
        )
        for seq, heard_ms, replayed, code, payload, disposition in rows
    ]


def highest_seq(db: apsw.Connection) -> int:
    """As the port says."""
    inbox = db.execute("SELECT max(seq) FROM inbox").get
    held = db.execute("SELECT max(top_seq) FROM submissions WHERE top_seq > 0").get
    noted = db.execute("SELECT value FROM numbers WHERE name = ?", (HIGHEST_SEQ,)).get
    return max(inbox or 0, held or 0, noted or 0)


def resume_cursor(db: apsw.Connection) -> Resume:
    """As the port says."""
    row = db.execute("SELECT pid, last_offset FROM ear").fetchone()
    return Resume() if row is None else Resume(row[0], row[1])


def last_alive_ms(db: apsw.Connection) -> Millis | None:
    """As the port says."""
    found = db.execute("SELECT alive_ms FROM ear").get
    return None if found is None else Millis(found)


def gaps_since(db: apsw.Connection, since_ms: Millis) -> list[Gap]:
    """As the port says."""
    rows = db.execute(
        "SELECT start_ms, end_ms, reason FROM gaps WHERE end_ms IS NULL OR end_ms > ?"
        " ORDER BY start_ms, id",
        (since_ms,),
    )
    return [
        Gap(Millis(start), None if end is None else Millis(end), reason)
        for start, end, reason in rows
    ]


def submission(db: apsw.Connection, submission_id: SubmissionId) -> StoredSubmission | None:
    """As the port says."""
    row = db.execute("SELECT code, doc FROM submissions WHERE id = ?", (submission_id,)).fetchone()
    return None if row is None else StoredSubmission(CvCode(row[0]), decode_submission(row[1]))


def facts_of(db: apsw.Connection, submission_id: SubmissionId) -> list[tuple[Millis, str, str]]:
    """As the port says."""
    rows = db.execute(
        "SELECT body FROM fact_subjects JOIN facts ON facts.id = facts_id"
        " WHERE submission_id = ? ORDER BY facts_id",
        (submission_id,),
    )
    return [fact for (body,) in rows for fact in decode_facts(body, submission_id)]


def facts_after(db: apsw.Connection, sequence: int, limit: int) -> list[ToldFact]:
    """As the port says."""
    rows: list[Any] = db.execute(
        "SELECT id, body FROM facts WHERE id > ? ORDER BY id LIMIT ?", (sequence, limit)
    ).fetchall()
    codes: dict[str, CvCode] = {}
    found: list[ToldFact] = []
    for row, body in rows:
        for place, at_ms, event, name, fact in decode_row(body, row):
            if name not in codes:
                code = db.execute("SELECT code FROM submissions WHERE id = ?", (name,)).fetchone()
                if code is None:
                    continue
                codes[name] = CvCode(code[0])
            of = SubmissionId(name)
            found.append(ToldFact(row, place, at_ms, event, of, codes[name], fact))
    return found


def last_sequence(db: apsw.Connection) -> int:
    """As the port says."""
    return number(db, "facts")


def idempotency(db: apsw.Connection, key: str, now_ms: Millis) -> IdempotencyKey | None:
    """As the port says."""
    row = db.execute(
        "SELECT key, fingerprint, submission_id, created_ms FROM idempotency"
        " WHERE key = ? AND created_ms > ?",
        (key, now_ms - KEY_KEPT_MS),
    ).fetchone()
    if row is None:
        return None
    return IdempotencyKey(row[0], row[1], SubmissionId(row[2]), Millis(row[3]))


def reply(db: apsw.Connection, submission_id: SubmissionId) -> StoredReply | None:
    """As the port says."""
    row = db.execute(
        "SELECT attempt, status, reason, headers, body FROM replies WHERE submission_id = ?",
        (submission_id,),
    ).fetchone()
    if row is None:
        return None
    attempt, status, reason, headers, body = row
    raw = RawReply(status, reason, decode_headers(headers, submission_id), body)
    return StoredReply(submission_id, attempt, raw)


def tally(db: apsw.Connection) -> Tally:
    """As the port says."""
    open_rows = list(
        db.execute(
            "SELECT state, count(*), min(created_ms) FROM submissions WHERE state <> 'closed'"
            " GROUP BY state"
        )
    )
    closed = db.execute("SELECT outcome, n FROM closed_counts WHERE n > 0")
    return Tally(
        open_by_state={decode_word(State, state): n for state, n, _ in open_rows},
        closed_by_outcome={decode_word(Outcome, outcome): n for outcome, n in closed},
        oldest_open_ms=min((Millis(oldest) for _, _, oldest in open_rows), default=None),
    )


def due_reactions(db: apsw.Connection, handler: str, now_ms: Millis, limit: int) -> list[Reaction]:
    """As the port says."""
    rows = db.execute(
        "SELECT submission_id, version, tries, due_ms FROM reactions"
        " WHERE handler = ? AND due_ms <= ? ORDER BY due_ms, submission_id, version LIMIT ?",
        (handler, now_ms, limit),
    )
    return [
        Reaction(SubmissionId(i), version, handler, tries, Millis(due))
        for i, version, tries, due in rows
    ]


def reactions_waiting(db: apsw.Connection) -> dict[str, int]:
    """As the port says."""
    rows = db.execute("SELECT handler, count(*) FROM reactions GROUP BY handler")
    return {handler: count for handler, count in rows}  # noqa: C416 - a cursor's rows are no pairs


def files_due(db: apsw.Connection, now_ms: Millis, limit: int) -> list[SubmissionId]:
    """As the port says."""
    rows = db.execute(
        "SELECT id FROM submissions WHERE file_gone = 0 AND file_due_ms <= ?"
        " ORDER BY file_due_ms, id LIMIT ?",
        (now_ms, limit),
    )
    return [SubmissionId(i) for (i,) in rows]


def files_kept(db: apsw.Connection) -> list[SubmissionId]:
    """As the port says."""
    rows = db.execute(
        "SELECT id FROM submissions WHERE state <> 'closed'"
        " UNION SELECT id FROM submissions WHERE file_gone = 0 AND file_due_ms IS NOT NULL"
        " ORDER BY 1"
    )
    return [SubmissionId(i) for (i,) in rows]
