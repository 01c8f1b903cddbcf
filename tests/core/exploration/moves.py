"""What can happen next in a world: the upstream, the network, the process, time, and other people.

A move is (what it is called, the world after it). What takes no time of its own may still be
overtaken by the clock; that is the fault ``slow``. Everything that a friendly environment would
not do is a fault, counted in ``World.spent``.
"""

from __future__ import annotations

from collections.abc import Iterator

from listener.core.evidence import Gap, Heard, PostResult, Reading, UpstreamReply
from listener.core.inputs import (
    AttemptEnded,
    CancelRequested,
    EventHeard,
    GapEnded,
    RecordRead,
    Restarted,
    SendBegins,
    Submit,
    TimePassed,
)
from listener.core.names import Millis, PostKind, SubmissionId
from listener.core.standing import due_ms

from . import promises
from .steps import Ledger, enquire, give, served
from .world import (
    CUT,
    DEAF,
    DEAF_SETTLED,
    FILE,
    FOREIGN,
    LISTENING,
    Flight,
    Setting,
    World,
    open_ids,
    reading,
    unknown,
)

Move = tuple[str, World]

ACCEPTED = PostResult(PostKind.ACCEPTED, "accepted", 200, reply=UpstreamReply(cv_id=1))
LOST = PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
UNREADABLE = PostResult(PostKind.POSSIBLY_SENT, "unreadable", 200, resendable=False)
NOT_SENT = PostResult(PostKind.NOT_SENT, "connect_refused")
THROTTLED = PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=15_000)
REFUSED = PostResult(PostKind.REFUSED, "not_found", 404)

HANG_MS = 15_000
JUMP_MS = 100_000


class Explorer:
    """The moves of one setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.ledger = Ledger(setting)

    # ---------------------------------------------------------------------- all moves

    def moves(self, world: World) -> Iterator[Move]:
        """Everything that can happen next; nothing once the lane is forgotten."""
        if world.over() and not world.lane.submissions and not (world.belied and world.to_emit):
            return
        if world.recovering:
            yield from self._recover(world)
            yield from self._crash(world)
            return
        if world.inbox:
            yield from self._hear(world)
            if not world.racing:
                yield from self._crash(world)
                if (after := self._may(world, "race")) is not None:
                    yield "race", after._replace(racing=True)
                return
        if world.to_submit:
            yield "submit", self._submit(world)
        yield from self._send(world)
        yield from self._fly(world)
        yield from self._upstream(world)
        yield from self._read(world)
        yield from self._ear(world)
        yield from self._time(world)
        yield from self._crash(world)
        yield from self._people(world)

    def friendly(self, world: World) -> Move | None:
        """What happens next where nothing goes wrong any more, None once all is done."""
        for moves in (
            self._recover(world) if world.recovering else iter(()),
            self._hear(world),
            self._ear_friendly(world),
            self._send(world, friendly=True),
            self._fly(world, friendly=True),
            self._upstream(world, friendly=True),
            self._read(world, friendly=True),
        ):
            for move in moves:
                return move
        if world.to_submit:
            return "submit", self._submit(world)
        if not open_ids(world.lane):
            return None
        return next(self._time(world), None)

    # ---------------------------------------------------------------------- small words

    def _may(self, world: World, kind: str) -> World | None:
        """The world with one fault more, or None if that is one too many."""
        if len(world.spent) >= self.setting.faults:
            return None
        if world.spent.count(kind) >= self.setting.cap(kind):
            return None
        if world.over() and not self.setting.late_faults:
            return None
        return world._replace(spent=tuple(sorted((*world.spent, kind))))

    def _now(self, world: World) -> Millis:
        return Millis(world.now)

    # ---------------------------------------------------------------------- ours

    def _submit(self, world: World) -> World:
        number = self.setting.submissions - world.to_submit + 1
        given = Submit(
            self._now(world),
            world.hearing(),
            bool(world.inbox),
            submission_id=SubmissionId(f"s{number}"),
            file=FILE,
        )
        return give(
            world._replace(to_submit=world.to_submit - 1), self.setting, given, self.ledger
        )[0]

    def _hear(self, world: World) -> Iterator[Move]:
        if not world.inbox:
            return
        (seq, replayed), *rest = world.inbox
        heard = Heard(seq, self._now(world), replayed)
        given = EventHeard(self._now(world), world.hearing(), heard=heard)
        after, decision = give(world, self.setting, given, self.ledger)
        promises.of_hearing(world, seq, decision)
        racing = world.racing and bool(rest)
        yield f"correlate {seq}", after._replace(inbox=tuple(rest), racing=racing)

    def _send(self, world: World, *, friendly: bool = False) -> Iterator[Move]:
        if world.offer is not None and world.offer[1] <= world.now:
            submission_id = world.offer[0]
            taken = world._replace(offer=None)
            if submission_id not in [s.id for s in world.lane.submissions]:
                yield "offer: gone", served(taken, "gone", submission_id)
            elif not self.setting.policy.baseline:
                yield "offer", taken._replace(baselined=(submission_id, None, 0))
            else:
                found = reading(self.setting, world.now, world.path)
                yield "baseline", taken._replace(baselined=(submission_id, found, world.path))
                failed = None if friendly else self._may(taken, "get")
                if failed is not None:
                    yield (
                        "no baseline",
                        failed._replace(baselined=(submission_id, unknown(world.now), 0)),
                    )
        if world.baselined is not None:
            yield "begin", self._begin(world, *world.baselined)

    def _begin(
        self, world: World, submission_id: SubmissionId, baseline: Reading | None, seen: int
    ) -> World:
        given = SendBegins(
            self._now(world),
            world.hearing(),
            bool(world.inbox),
            submission_id=submission_id,
            baseline=baseline,
        )
        taken = world._replace(baselined=None)
        after, decision = give(taken, self.setting, given, self.ledger)
        if decision.refusal is not None:
            return served(after, decision.refusal, submission_id)
        if baseline is None or not baseline.known:
            return after
        return promises.told(world, after, self.setting, seen)

    # ---------------------------------------------------------------------- one POST

    def _fly(self, world: World, *, friendly: bool = False) -> Iterator[Move]:
        if world.post is not None:
            owner, attempt = world.post
            yield (
                "post",
                world._replace(post=None, flying=Flight(owner, attempt, applied=False)),
            )
        if world.flying is None:
            return
        flight = world.flying
        if not flight.applied:
            yield (
                "apply",
                self._apply(world._replace(flying=flight._replace(applied=True)), flight.owner),
            )
        else:
            yield "accept", self._ended(world, ACCEPTED)
        if friendly:
            return
        if not flight.applied:
            for kind, result in (
                ("not_sent", NOT_SENT),
                ("throttled", THROTTLED),
                ("refused", REFUSED),
                ("dropped", LOST),
                ("not_dispatched", ACCEPTED),
                ("unreadable", UNREADABLE),
            ):
                if (after := self._may(world, kind)) is not None:
                    yield kind, self._ended(after, result)
            if (after := self._may(world, "later")) is not None:
                by = world.now + self.setting.policy.settle_ms - 1
                late = (*after.late, (flight.owner, by))
                yield "lost, applied later", self._ended(after._replace(late=late), LOST)
            return
        for kind, result in (
            ("lost", LOST),
            ("unreadable", UNREADABLE),
            ("refused_and_applied", REFUSED),
        ):
            if (after := self._may(world, kind)) is not None:
                yield kind, self._ended(after, result)

    def _ended(self, world: World, result: PostResult) -> World:
        flight = world.flying
        assert flight is not None
        given = AttemptEnded(
            self._now(world),
            world.hearing(),
            bool(world.inbox),
            submission_id=flight.owner,
            attempt=flight.attempt,
            result=result,
        )
        if result.kind is PostKind.REFUSED and flight.applied:
            until = world.now + self.setting.policy.settle_ms
            world = world._replace(belied=((flight.owner, until),))
        after, _ = give(world._replace(flying=None), self.setting, given, self.ledger)
        if result.kind in (PostKind.ACCEPTED, PostKind.POSSIBLY_SENT):
            after = after._replace(ever_sent=True)
        return served(after, None, flight.owner)

    # ---------------------------------------------------------------------- upstream

    def _apply(self, world: World, owner: str) -> World:
        return world._replace(
            moves=(*world.moves, owner), to_emit=tuple(sorted((*world.to_emit, owner)))
        )

    def _upstream(self, world: World, *, friendly: bool = False) -> Iterator[Move]:
        for index, (owner, by) in enumerate(world.late):
            rest = world.late[:index] + world.late[index + 1 :]
            yield f"late {owner}", self._apply(world._replace(late=rest), owner)
            after = None if friendly else self._may(world, "late_application")
            if after is not None and by < after.now + 2 * JUMP_MS:
                beyond = (owner, world.now + 4 * JUMP_MS)
                yield f"very late {owner}", after._replace(late=tuple(sorted((*rest, beyond))))
        yield from self._emissions(world, friendly)

    def _emissions(self, world: World, friendly: bool) -> Iterator[Move]:
        for owner in sorted(set(world.to_emit)):
            left = list(world.to_emit)
            left.remove(owner)
            yield f"emit {owner}", self._emit(world._replace(to_emit=tuple(left)), owner)
            if friendly:
                continue
            if (after := self._may(world, "silent")) is not None:
                yield f"never emit {owner}", after._replace(to_emit=tuple(left))
            if (after := self._may(world, "twice")) is not None:
                yield f"emit {owner}, and once more later", self._emit(after, owner)

    def _emit(self, world: World, owner: str) -> World:
        emitted = world._replace(emitted=world.emitted | {owner})
        if world.ear == LISTENING:
            return _received(emitted, owner, replayed=False)
        return emitted._replace(missed=(*world.missed, owner))

    # ---------------------------------------------------------------------- readings

    def _read(self, world: World, *, friendly: bool = False) -> Iterator[Move]:
        if world.get is not None:
            read_ms, then = world.get
            done = world._replace(get=None, asked=False)
            if world.asked:
                done = enquire(done)
            yield "read", self._told(done, read_ms, world.path)
            if friendly:
                return
            if then != world.path:
                yield "read as it was", self._told(done, read_ms, then)
            if (after := self._may(done, "get")) is not None:
                yield "not read", self._told(after, read_ms, None)

    def _told(self, world: World, read_ms: int, path: int | None) -> World:
        said = unknown(read_ms) if path is None else reading(self.setting, read_ms, path)
        given = RecordRead(self._now(world), world.hearing(), bool(world.inbox), reading=said)
        after, _ = give(world, self.setting, given, self.ledger)
        if path is None or world.post or world.flying:
            return after
        return promises.told(world, after, self.setting, path)

    # ---------------------------------------------------------------------- the ear

    def _ear(self, world: World) -> Iterator[Move]:
        if world.ear == LISTENING:
            if (after := self._may(world, "ear")) is not None:
                yield "cut", after._replace(ear=CUT)
            return
        if world.ear == CUT:
            yield "cut noticed", self._noticed(world)
            return
        if world.ear == DEAF:
            yield "deaf for long", world._replace(ear=DEAF_SETTLED)
        yield from self._reconnect(world)

    def _ear_friendly(self, world: World) -> Iterator[Move]:
        if world.ear == CUT:
            yield "cut noticed", self._noticed(world)
        elif world.ear != LISTENING:
            yield from self._reconnect(world)

    def _noticed(self, world: World) -> World:
        return world._replace(ear=DEAF, gaps=(*world.gaps, Gap(Millis(0))))

    def _reconnect(self, world: World) -> Iterator[Move]:
        """Replayed events come before the word that all of them came."""
        *past, gap = world.gaps
        if world.missed:
            first, *rest = world.missed
            yield "replay", _received(world._replace(missed=tuple(rest)), first, replayed=True)
        elif not world.inbox:
            yield "recovered", world._replace(ear=LISTENING, gaps=tuple(past))
        closed = Gap(gap.start_ms, self._now(world))
        back = world._replace(ear=LISTENING, missed=(), gaps=(*past, closed))
        if world.inbox:
            return
        given = GapEnded(self._now(world), back.hearing())
        yield "not recovered", give(back, self.setting, given, self.ledger)[0]

    # ---------------------------------------------------------------------- time

    def _time(self, world: World) -> Iterator[Move]:
        due = due_ms(world.lane, self._now(world), self.setting.policy)
        if due is not None and due <= world.now:
            yield "time", self._pass(world, world.now)
            return
        patient: World | None = world
        if world.busy():
            patient = self._may(world, "slow")
            if patient is None:
                return
        if world.flying is not None or (due is None and world.busy()):
            due = Millis(min(due or world.now + HANG_MS, world.now + HANG_MS))
        if due is None or patient is None or any(by < due for _, by in world.late):
            return
        yield f"time +{due - world.now}", self._pass(patient, due)
        overslept = due + self.setting.policy.settle_ms
        late = self._may(patient, "overslept")
        if late is not None and not any(by < overslept for _, by in world.late):
            yield f"time +{overslept - world.now}", self._pass(late, overslept)

    def _pass(self, world: World, now: int) -> World:
        later = world._replace(now=now)
        given = TimePassed(self._now(later), later.hearing(), bool(later.inbox))
        return give(later, self.setting, given, self.ledger)[0]

    # ---------------------------------------------------------------------- crashes

    def _crash(self, world: World) -> Iterator[Move]:
        """The process dies: what is committed stays, and what the upstream has goes on."""
        if (after := self._may(world, "crash")) is None or not (world.lane.submissions):
            return
        dead = self._dead(after)
        yield "crash", dead
        flight = world.flying
        if flight is not None and not flight.applied:
            by = world.now + self.setting.policy.settle_ms - 1
            yield "crash, applied later", dead._replace(late=(*dead.late, (flight.owner, by)))
        for jump in (JUMP_MS, -JUMP_MS):
            if (jumped := self._may(dead, "clock")) is not None:
                late = tuple((owner, by + jump) for owner, by in dead.late)
                yield f"crash, clock {jump:+}", jumped._replace(now=world.now + jump, late=late)

    def _dead(self, world: World) -> World:
        gaps = world.gaps
        if world.ear in (LISTENING, CUT):
            gaps = (*gaps, Gap(Millis(0)))
        return world._replace(
            recovering=True,
            ever_sent=world.ever_sent or bool(world.post or world.flying),
            ear=DEAF,
            gaps=gaps,
            offer=None,
            baselined=None,
            post=None,
            flying=None,
            asked=False,
            get=None,
            racing=False,
        )

    def _recover(self, world: World) -> Iterator[Move]:
        if world.inbox:
            yield from self._hear(world)
            return
        given = Restarted(self._now(world), world.hearing())
        after, _ = give(world, self.setting, given, self.ledger)
        yield "restarted", after._replace(recovering=False)

    # ---------------------------------------------------------------------- people

    def _people(self, world: World) -> Iterator[Move]:
        for submission_id in open_ids(world.lane):
            if (after := self._may(world, "cancel")) is not None:
                given = CancelRequested(
                    self._now(world),
                    world.hearing(),
                    bool(world.inbox),
                    submission_id=submission_id,
                )
                yield f"cancel {submission_id}", give(after, self.setting, given, self.ledger)[0]
        if (after := self._may(world, "foreign")) is not None:
            yield "foreign update", self._apply(after, FOREIGN)


def _received(world: World, owner: str, *, replayed: bool) -> World:
    seq = len(world.heard) + 1
    return world._replace(heard=(*world.heard, owner), inbox=(*world.inbox, (seq, replayed)))
