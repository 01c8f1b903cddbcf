"""Lane commits and claims: prepared by the caller, applied by the writer."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.core.standing import first_sent
from listener.core.submission import Submission
from listener.ports.journal import KEY_KEPT_MS, Claim, LaneCommit, StoredReply

from .codec import encode_facts, encode_headers, encode_lane, encode_submission
from .listings import add_refs
from .reactions import announce

_ADD_LANE = "INSERT INTO lanes (code, version, members, doc, due_ms) VALUES (?, ?, ?, ?, ?)"
_SET_LANE = "UPDATE lanes SET version = ?, members = ?, doc = ?, due_ms = ? WHERE code = ?"
_SET_SUBMISSION = """
INSERT INTO submissions (id, code, remembered, state, outcome, created_ms, first_sent_ms, closed_ms,
                         file_due_ms, top_seq, attribution, late, retry_of, doc)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET remembered = excluded.remembered, state = excluded.state,
  outcome = excluded.outcome, first_sent_ms = excluded.first_sent_ms,
  closed_ms = excluded.closed_ms, file_due_ms = excluded.file_due_ms,
  top_seq = excluded.top_seq, attribution = excluded.attribution, late = excluded.late,
  retry_of = excluded.retry_of, doc = excluded.doc"""

SubmissionRow = tuple[str | int | None, ...]
ReplyRow = tuple[SubmissionId, int, int, str, str, bytes]


@dataclass(frozen=True, slots=True)
class PreparedCommit:
    """A LaneCommit as rows. ``members`` None: the lane is removed."""

    commit: LaneCommit
    members: str | None
    doc: str
    submissions: tuple[SubmissionRow, ...]
    facts: str
    subjects: tuple[SubmissionId, ...]
    reply: ReplyRow | None


def prepare_commit(commit: LaneCommit) -> PreparedCommit:
    """Encode on the caller's side, so that what cannot be encoded harms no one else.

    Raises ValueError for text that is not UTF-8."""
    lane = commit.lane
    ids = () if lane is None else tuple(s.id for s in lane.submissions)
    subjects = {f.submission_id: None for f in commit.facts if f.submission_id is not None}
    return PreparedCommit(
        commit=commit,
        members=None if lane is None else " ".join(ids),
        doc="" if lane is None else encode_lane(lane),
        submissions=tuple(_submission_row(s, commit.code, s.id in ids) for s in commit.changed),
        facts=encode_facts(commit.facts) if commit.facts else "",
        subjects=tuple(subjects),
        reply=None if commit.reply is None else _reply_row(commit.reply),
    )


def apply_commit(db: apsw.Connection, prepared: PreparedCommit) -> int | None:
    """The new version, or None if stale; checked before anything is written."""
    commit = prepared.commit
    row = db.execute("SELECT version, members FROM lanes WHERE code = ?", (commit.code,)).fetchone()
    stored, members = row or (0, "")
    if stored != commit.expected_version or _superseded(db, commit) or _key_taken(db, commit):
        return None
    version = stored + 1 if stored else number(db, "lane_version") + 1
    if prepared.members is None:
        _remove_lane(db, commit.code, version)
    elif stored:
        db.execute(_SET_LANE, (version, prepared.members, prepared.doc, commit.due_ms, commit.code))
    else:
        db.execute(_ADD_LANE, (commit.code, version, prepared.members, prepared.doc, commit.due_ms))
    for submission in prepared.submissions:
        db.execute(_SET_SUBMISSION, submission)
    if members != prepared.members:
        _mark_remembered(db, prepared, members)
    _write_facts(db, prepared)
    _write_reply(db, prepared)
    _write_rest(db, commit)
    return version


def claim_lane(
    db: apsw.Connection, code: CvCode, owner: str, now_ms: Millis, until_ms: Millis
) -> Claim | None:
    """As the port says."""
    row = db.execute("SELECT owner, until_ms FROM claims WHERE code = ?", (code,)).fetchone()
    if row is not None and row[0] != owner and row[1] > now_ms:
        return None
    token = number(db, "claim_token") + 1
    db.execute("UPDATE numbers SET value = ? WHERE name = 'claim_token'", (token,))
    db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", (code, owner, token, until_ms))
    return Claim(code, owner, token, until_ms)


def release_lane(db: apsw.Connection, claim: Claim) -> None:
    """As the port says."""
    db.execute("DELETE FROM claims WHERE code = ? AND token = ?", (claim.code, claim.token))


def note_removed_version(db: apsw.Connection, version: int) -> None:
    """A lane that comes back starts above it: a version is never given twice."""
    db.execute("UPDATE numbers SET value = max(value, ?) WHERE name = 'lane_version'", (version,))


def _submission_row(s: Submission, code: CvCode, remembered: bool) -> SubmissionRow:
    closed = s.state is State.CLOSED
    top_seq = max((h.seq for h in (*s.held, *s.candidates)), default=0)
    if s.heard is not None:
        top_seq = max(top_seq, s.heard.seq)
    first = first_sent(s)
    return (
        s.id,
        code,
        int(remembered),
        s.state,
        s.outcome,
        s.created_ms,
        None if first is None else first.began_ms,
        s.closed_ms,
        (s.keep_file_until_ms or s.closed_ms or 0) if closed else None,
        top_seq,
        s.attribution,
        int(s.late),
        s.retry_of,
        encode_submission(s),
    )


def _reply_row(stored: StoredReply) -> ReplyRow:
    raw = stored.reply
    return (
        *(stored.submission_id, stored.attempt, raw.status, raw.reason),
        encode_headers(raw.headers),
        raw.body,
    )


def _superseded(db: apsw.Connection, commit: LaneCommit) -> bool:
    claim = commit.claim
    if claim is None:
        return False
    row = db.execute("SELECT token FROM claims WHERE code = ?", (commit.code,)).fetchone()
    return row is None or row[0] != claim.token


def _key_taken(db: apsw.Connection, commit: LaneCommit) -> bool:
    key = commit.idempotency
    if key is None:
        return False
    taken = db.execute(
        "SELECT 1 FROM idempotency WHERE key = ? AND created_ms > ?",
        (key.key, key.created_ms - KEY_KEPT_MS),
    )
    return taken.fetchone() is not None


def number(db: apsw.Connection, name: str) -> int:
    """The last one given of this name."""
    return int(db.execute("SELECT value FROM numbers WHERE name = ?", (name,)).get)


def _remove_lane(db: apsw.Connection, code: CvCode, version: int) -> None:
    db.execute("DELETE FROM lanes WHERE code = ?", (code,))
    note_removed_version(db, version)


def _mark_remembered(db: apsw.Connection, prepared: PreparedCommit, members: str) -> None:
    """Of those that were not written now: what fell out of the lane, or came back into it."""
    before, after = set(members.split()), set((prepared.members or "").split())
    for submission_id in (before ^ after) - {row[0] for row in prepared.submissions}:
        db.execute(
            "UPDATE submissions SET remembered = ? WHERE id = ?",
            (int(submission_id in after), submission_id),
        )


def _write_facts(db: apsw.Connection, prepared: PreparedCommit) -> None:
    facts = prepared.commit.facts
    if not facts:
        return
    of_lane = any(fact.submission_id is None for fact in facts)
    row = number(db, "facts") + 1
    db.execute("UPDATE numbers SET value = ? WHERE name = 'facts'", (row,))
    db.execute(
        "INSERT INTO facts (id, at_ms, code, subjects, body) VALUES (?, ?, ?, ?, ?)",
        (
            row,
            facts[-1].at_ms,
            prepared.commit.code if of_lane else None,
            len(prepared.subjects),
            prepared.facts,
        ),
    )
    for subject in prepared.subjects:
        db.execute("INSERT INTO fact_subjects VALUES (?, ?)", (subject, row))


def _write_reply(db: apsw.Connection, prepared: PreparedCommit) -> None:
    closed = [s.id for s in prepared.commit.changed if s.state is State.CLOSED]
    for submission_id in closed:
        db.execute("DELETE FROM replies WHERE submission_id = ?", (submission_id,))
    if prepared.reply is not None and prepared.reply[0] not in closed:
        db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)", prepared.reply)


def _write_rest(db: apsw.Connection, commit: LaneCommit) -> None:
    for seq, disposition in commit.dispositions:
        db.execute("UPDATE inbox SET disposition = ? WHERE seq = ?", (disposition, seq))
    announce(db, commit.reactions)
    if commit.refs:
        add_refs(db, [(ref, commit.code) for ref in commit.refs])
    key = commit.idempotency
    if key is not None:
        db.execute(
            "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?)",
            (key.key, key.fingerprint, key.submission_id, key.created_ms),
        )
