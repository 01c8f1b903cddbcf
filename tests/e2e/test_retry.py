"""An update is sent again by hand: the real daemon, the embedded upstream, and both doors that a
person has, the command and the HTTP API."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from listener.emulator import Emulator, Options
from tests.cli.terminal import Ended, cli

from .process import ROOT, DaemonProcess, no_code_in

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
LARGE = b"%PDF-1.7\n%" + b"x" * 4_000_000 + b"\n%%EOF\n"


async def test_a_retry_is_looked_at_first_and_is_a_submission_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"
    first.write_bytes(b"%PDF-1.7\n1\n%%EOF\n")
    second.write_bytes(LARGE)
    async with (
        Emulator(Options(extract=False)) as upstream,
        DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            settle_period=1,
            enquiries="0.3",
            confirm_timeout=1,
        ) as daemon,
    ):

        async def typed(*args: str) -> Ended:
            return await cli(daemon.state_dir, *args, env={"PYTHONPATH": str(ROOT)})

        def posted() -> int:
            return len(upstream.ledger.posts(CODE))

        upstream.plan(CODE, "not_dispatched")
        name = await daemon.submit(CODE, first)
        assert name is not None
        assert (await daemon.closed([name], 60))[name]["outcome"] == "not_dispatched"
        path = f"/v1/submissions/{name}/retry"

        # Nothing has changed: both doors say that it would be sent, and neither sends it.
        dry = await typed("retry", name, "--dry-run", "--json")
        (told,) = dry.objects()
        assert (dry.status, told["objection"], told["file"]) == (0, None, "kept")
        assert (told["submission"], told["drift"]["record"]) == (None, "unmoved")
        asked = (await daemon.post(f"{path}?dry_run=true")).json()
        assert asked["drift"] | {"at": "", "closed_ms_ago": 0} == told["drift"] | {
            "at": "",
            "closed_ms_ago": 0,
        }
        assert (len(await daemon.listed()), posted()) == (1, 1)
        assert len(daemon.spooled()) == 1

        # Somebody else's update moves the record: that may as well have been ours.
        await upstream.foreign_update(CODE)
        refused = await typed("retry", name, str(second))
        assert refused.status == 6
        assert "record moved" in refused.out
        assert "it was applied, by what is known now" in refused.err
        answer = await daemon.post(path, files={"cv": ("cv.pdf", LARGE)})
        assert (answer.status_code, answer.json()["reason"]) == (409, "evidence_improved")
        assert (len(await daemon.listed()), posted()) == (1, 1)

        # Forced, and waited for; then the new one's own evidence speaks.
        forced = await typed("retry", name, str(second), "--force", "--wait", "--json")
        (told,) = forced.objects()
        assert (forced.status, told["submission"]["outcome"]) == (0, "confirmed"), forced.err
        assert told["submission"]["retry_of"] == name
        new = told["submission"]["id"]
        for other in (name, new):
            answer = await daemon.post(f"/v1/submissions/{other}/retry")
            assert answer.status_code == 409
            drift = answer.json()["retry"]["drift"]
            assert [one["id"] for one in drift["newer"]] == ([new] if other == name else [])
        sent = [post.sha256 for post in upstream.ledger.posts(CODE)]
        assert sent == [hashlib.sha256(file.read_bytes()).hexdigest() for file in (first, second)]

        # A new file for one that the upstream never had: nothing speaks against it.
        upstream.plan("other#code", "not_found")
        rejected = await daemon.submit("other#code", first)
        assert rejected is not None
        assert (await daemon.closed([rejected], 60))[rejected]["outcome"] == "rejected"
        gone = await typed("retry", rejected)
        assert gone.status == 64
        assert f"cv-listener retry {rejected} FILE" in gone.err
        answer = await daemon.post(
            f"/v1/submissions/{rejected}/retry",
            files={"cv": ("cv.pdf", LARGE)},
            headers={"Prefer": "wait=30", "Idempotency-Key": "one"},
        )
        assert (answer.status_code, answer.json()["submission"]["outcome"]) == (200, "confirmed")

        # What they repeat calls for nobody any more, and says why.
        again = answer.json()["submission"]["id"]
        assert (await typed("list", "--needs-person", "--json")).objects() == []
        (shown,) = (await typed("show", rejected, "--json")).objects()
        assert shown["retried_by"] == {"id": again, "state": "closed", "outcome": "confirmed"}
        (told,) = (await typed("explain", rejected, "--json")).objects()
        words = f"Nothing: it was sent again as {again}, which is confirmed."
        assert told["what_to_do"] == words
        assert told["submission"]["retried_by"]["id"] == again
        assert await daemon.stop() == 0
        retried = [one for one in daemon.lines() if one["event"] == "submission.retried"]
        assert [(one["retry_of"], one.get("overruled")) for one in retried] == [
            (name, "evidence_improved"),
            (rejected, None),
        ]
        no_code_in(daemon, [CODE, "other#code"])
        for ended in (dry, refused, forced, gone):
            assert CODE not in ended.out + ended.err
        assert CODE not in json.dumps(asked)
