"""Webhook and chat against real servers, well and badly behaved."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from handlers.chat import chat, sentence
from handlers.posting import Poster
from handlers.webhook import webhook
from listener.adapters.tls import client_context
from listener.core.names import Outcome
from listener.core.view import public
from listener.ports.reaction import HandlerFailed, OutcomeHandler
from tests.adapters.upstream_http.test_connecting import certificate
from tests.core.rules.script import Script, accepted

from .receiver import HUGE_BYTES, Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEWER = "whsec_" + "A" * 32
BOUND_S = 30.0


def shown(script: Script | None = None) -> dict[str, Any]:
    """A confirmed submission, or what a script came to."""
    return public((script or accepted().at(3).event()).of(), "cv_0123456789ab")


def corrected() -> dict[str, Any]:
    return shown(accepted().at(31).time().read("p1").at(40).event())


@asynccontextmanager
async def posting(ca_file: Path | None = None, proxy: str | None = None) -> AsyncIterator[Poster]:
    poster = Poster(ssl_context=client_context(ca_file), user_agent="cv-listener/test", proxy=proxy)
    try:
        yield poster
    finally:
        await poster.close()


async def failure(handle: OutcomeHandler, submission: Mapping[str, object]) -> HandlerFailed:
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(HandlerFailed) as told:
            await handle(submission)
    return told.value


# ---------------------------------------------------------------------------------------- webhook


async def test_a_webhook_is_signed_as_the_standard_says() -> None:
    async with Receiver() as receiver, posting() as poster:
        submission = shown()
        await webhook(poster, receiver.url, [SECRET])(submission)
        (post,) = receiver.received
    told = Webhook(SECRET).verify(post.body, dict(post.headers))
    assert told == {
        "type": "submission.closed",
        "timestamp": submission["closed_at"],
        "data": submission,
    }
    assert post.path == "/hook?key=1"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["user-agent"] == "cv-listener/test"
    assert post.headers["webhook-id"] == f"{submission['id']}-{submission['version']}"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(post.body.replace(b"confirmed", b"presumed!"), dict(post.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEWER).verify(post.body, dict(post.headers))


async def test_while_secrets_change_either_verifies() -> None:
    async with Receiver() as receiver, posting() as poster:
        await webhook(poster, receiver.url, [NEWER, SECRET])(shown())
        (post,) = receiver.received
    for secret in (NEWER, SECRET):
        Webhook(secret).verify(post.body, dict(post.headers))


async def test_the_same_version_has_the_same_id_and_another_has_another() -> None:
    async with Receiver() as receiver, posting() as poster:
        handle = webhook(poster, receiver.url, [SECRET])
        for submission in (shown(), shown(), corrected()):
            await handle(submission)
    first, again, later = receiver.received
    assert first.headers["webhook-id"] == again.headers["webhook-id"] != later.headers["webhook-id"]
    assert first.body == again.body
    assert (later.json["type"], later.json["timestamp"]) == (
        "submission.corrected",
        "2023-11-14T22:14:00.000Z",
    )
    assert later.json["data"]["outcome_before"] == "unconfirmed"
    assert "cookie" not in again.headers, "what a receiver sets it does not get back"


# ----------------------------------------------------------------------------------- bad receivers


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("500", "expected a status of 2xx, found 500"),
        ("400", "expected a status of 2xx, found 400"),
        ("304", "expected a status of 2xx, found 304: redirects are not followed, set the URL"),
        (
            "redirect",
            "expected a status of 2xx, found 307: redirects are not followed, set the URL",
        ),
        ("reset", "expected an answer, found that the connection broke"),
        ("garbage", "expected an answer, found what is no HTTP"),
    ],
)
async def test_what_is_no_success_fails_in_words_without_the_address(
    answer: str, words: str
) -> None:
    async with Receiver(lambda _: answer) as receiver, posting() as poster:
        failed = await failure(webhook(poster, receiver.url, [SECRET]), shown())
        assert str(failed).startswith(words)
        assert "127.0.0.1" not in str(failed)
        assert (failed.gone, failed.again_in_s) == (False, 0)
        assert [post.path for post in receiver.received] == ["/hook?key=1"], "once, and no further"


async def test_410_says_that_nothing_more_is_wanted() -> None:
    async with Receiver(lambda _: "410") as receiver, posting() as poster:
        failed = await failure(webhook(poster, receiver.url, [SECRET]), shown())
    assert failed.gone


@pytest.mark.parametrize(
    ("answer", "seconds", "all_of_it"),
    [
        ("429 Retry-After=120", 120, True),
        ("503 Retry-After=7", 7, True),
        ("503 Retry-After=99999999", 6 * 3600, True),
        ("503 Retry-After=soon", 0, True),
        ("500 Retry-After=9", 9, False),
    ],
)
async def test_a_quiet_that_is_asked_for_is_taken_up(
    answer: str, seconds: float, all_of_it: bool
) -> None:
    async with Receiver(lambda _: answer) as receiver, posting() as poster:
        failed = await failure(webhook(poster, receiver.url, [SECRET]), shown())
    assert (failed.again_in_s, failed.quiet) == (seconds, all_of_it)


async def test_who_answers_nothing_is_left_and_the_connection_closed() -> None:
    async with Receiver(lambda _: "hang") as receiver, posting() as poster:
        calling = asyncio.ensure_future(webhook(poster, receiver.url, [SECRET])(shown()))
        await receiver.until(1)
        calling.cancel()
        await asyncio.wait({calling})
        assert calling.cancelled()


@pytest.mark.parametrize("answer", ["huge", "huge_refusal", "hang_after_head"])
async def test_a_body_is_not_read(answer: str) -> None:
    async with Receiver(lambda _: answer) as receiver, posting() as poster:
        handle = webhook(poster, receiver.url, [SECRET])
        async with asyncio.timeout(BOUND_S):
            if answer == "huge_refusal":
                await failure(handle, shown())
            else:
                await handle(shown())
        assert receiver.sent_bytes < HUGE_BYTES / 8


async def test_nobody_there_is_told_without_the_address(unused_tcp_port: int) -> None:
    async with posting() as poster:
        handle = webhook(poster, f"http://127.0.0.1:{unused_tcp_port}/hook", [SECRET])
        failed = await failure(handle, shown())
        assert str(failed) == "expected an answer, found no connection (Connection refused)"
        handle = webhook(poster, "http://no-such-host.invalid/hook", [SECRET])
        failed = await failure(handle, shown())
        assert str(failed) == "expected an answer, found that the host's name cannot be resolved"


async def test_no_proxy_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    dead = f"http://127.0.0.1:{unused_tcp_port}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with Receiver() as receiver, posting() as poster:
        await webhook(poster, receiver.url, [SECRET])(shown())
        assert len(receiver.received) == 1
    async with Receiver() as receiver, posting(proxy=dead) as poster:
        failed = await failure(webhook(poster, receiver.url, [SECRET]), shown())
        assert "proxy did not let us through" in str(failed)
        assert receiver.received == []


async def test_a_certificate_is_verified_and_an_authority_can_be_named(tmp_path: Path) -> None:
    cert, tls = certificate(tmp_path)
    async with Receiver(tls=tls) as receiver:
        async with posting() as poster:
            failed = await failure(webhook(poster, receiver.url, [SECRET]), shown())
            assert "CV_TLS_CA_FILE" in str(failed)
            assert receiver.received == []
        async with posting(cert) as poster:
            await webhook(poster, receiver.url, [SECRET])(shown())
            assert len(receiver.received) == 1


async def test_what_no_authority_mends_is_told_for_what_it_is(tmp_path: Path) -> None:
    cert, tls = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    # Of the certificate's two names the common one would do for localhost.
    trusting.hostname_checks_common_name = False
    async with Receiver(tls=tls) as receiver:
        poster = Poster(ssl_context=trusting, user_agent="test")
        elsewhere = receiver.url.replace("127.0.0.1", "localhost")
        failed = await failure(webhook(poster, elsewhere, [SECRET]), shown())
        await poster.close()
        assert "a certificate for another host" in str(failed)
        assert "CV_TLS_CA_FILE" not in str(failed) and "localhost" not in str(failed)
        assert receiver.received == []


# ------------------------------------------------------------------------------------------- chat


async def test_what_is_unresolved_is_said_and_nothing_else() -> None:
    unresolved = shown(accepted().at(31).time().read("p1"))
    async with Receiver() as receiver, posting() as poster:
        handle = chat(poster, receiver.url)
        for submission in (shown(), unresolved, corrected()):
            await handle(submission)
    first, then = receiver.received
    assert first.json == {
        "text": "The CV update of cv_0123456789ab is unconfirmed. We listened all the time and "
        "heard nothing, though the record moved: it was applied, and its event was not emitted, or "
        "not to us. (submission a)"
    }
    assert then.json == {
        "text": "The CV update of cv_0123456789ab is confirmed after all, and not unconfirmed. "
        "(submission a)"
    }


def test_each_unresolved_outcome_has_its_words() -> None:
    said = {
        outcome.value: sentence({**shown(), "outcome": outcome.value, "reason": None})
        for outcome in Outcome
    }
    assert {outcome for outcome, text in said.items() if text is not None} == {
        *("unconfirmed", "not_dispatched", "rejected", "undelivered"),
    }
    assert len(set(said.values())) == 5


def test_a_reason_that_is_a_status_is_explained_too() -> None:
    text = sentence({**shown(), "outcome": "rejected", "reason": "http_418"})
    assert text is not None
    assert "is rejected. Another refusal by the upstream. (submission a)" in text


async def test_a_channel_that_is_gone_is_left_alone() -> None:
    async with Receiver(lambda _: "410") as receiver, posting() as poster:
        failed = await failure(chat(poster, receiver.url), {**shown(), "outcome": "undelivered"})
    assert failed.gone
