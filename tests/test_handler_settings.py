"""The settings of outcome handlers: what each needs, and how a mistake is told."""

from __future__ import annotations

from base64 import b64encode

import pytest

from .test_settings import SECRET, WEBHOOK, WEBHOOK_SECRET, read, refusal


def test_the_handlers_settings_are_read() -> None:
    known = read(
        CV_OUTCOME_HANDLERS="log,webhook,chat,program,a.b:c",
        CV_WEBHOOK_URL="https://h/",
        CV_WEBHOOK_SECRET=f"{WEBHOOK_SECRET}, whsec_{b64encode(bytes(24)).decode()}",
        CV_CHAT_URL="https://h/services/T0/B0?threaded=1",
        CV_PROGRAM="sh -c 'echo \"$1\"' told 'two words'",
        CV_HANDLER_TIMEOUT="2m",
    )
    assert known.outcome_handlers == ("log", "webhook", "chat", "program", "a.b:c")
    assert known.webhook_secret_plain()[0] == WEBHOOK_SECRET
    assert len(known.webhook_secret_plain()) == 2
    assert known.chat_url_plain() == "https://h/services/T0/B0?threaded=1"
    assert known.program == ("sh", "-c", 'echo "$1"', "told", "two words")
    assert known.changed()["CV_PROGRAM"] == "sh -c 'echo \"$1\"' told 'two words'"
    assert known.handler_timeout_s == 120


@pytest.mark.parametrize("missing", ["CV_WEBHOOK_URL", "CV_WEBHOOK_SECRET"])
def test_a_handler_without_what_it_needs_is_named(missing: str) -> None:
    told = refusal(**{name: value for name, value in WEBHOOK.items() if name != missing})
    assert told == (
        f"{missing}: expected it to be set, because CV_OUTCOME_HANDLERS names webhook, found"
        " nothing: set it, or take webhook out of CV_OUTCOME_HANDLERS"
    )


@pytest.mark.parametrize(("handler", "needs"), [("chat", "CV_CHAT_URL"), ("program", "CV_PROGRAM")])
def test_so_are_the_others(handler: str, needs: str) -> None:
    assert refusal(CV_OUTCOME_HANDLERS=handler).startswith(f"{needs}: expected it to be set")
    given = {"CV_CHAT_URL": "https://h/x", "CV_PROGRAM": "sh"}[needs]
    assert refusal(**{needs: given}) == (
        f"{needs}: expected {handler} in CV_OUTCOME_HANDLERS, found it not named there: add it, or"
        f" take {needs} out"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *("whsec_", "whsec_short", "whsec_!!!!", SECRET, f"{WEBHOOK_SECRET},", "sk_" + "A" * 32),
        f"whsec_{b64encode(bytes(23)).decode()}",
        f"whsec_{b64encode(bytes(65)).decode()}",
        f"{WEBHOOK_SECRET},{WEBHOOK_SECRET}",
    ],
)
def test_a_secret_that_is_none_is_told_and_not_shown(wrong: str) -> None:
    told = refusal(**{**WEBHOOK, "CV_WEBHOOK_SECRET": wrong})
    assert told.startswith("CV_WEBHOOK_SECRET: expected whsec_ and 24 to 64 bytes in base64")
    assert wrong not in told.replace("expected whsec_", "").replace("=whsec_...", "")


@pytest.mark.parametrize("wrong", ["ftp://h/", "https://?x", "https://h/#part", "hooks.example/x"])
def test_a_url_to_post_to_is_one(wrong: str) -> None:
    told = refusal(CV_OUTCOME_HANDLERS="chat", CV_CHAT_URL=wrong)
    assert told.startswith("CV_CHAT_URL: expected an http or https URL with a host, found")
    assert wrong not in told


def test_a_program_that_is_not_there_is_named() -> None:
    told = refusal(CV_OUTCOME_HANDLERS="program", CV_PROGRAM="/no/such/program --x")
    assert told.startswith("CV_PROGRAM: expected a program, which is not there, or may not be run")
    assert refusal(CV_OUTCOME_HANDLERS="program", CV_PROGRAM="sh 'no end").startswith(
        "CV_PROGRAM: expected a program and its arguments, quoted as a shell would have it"
    )


def test_what_a_program_is_told_in_its_environment_is_no_setting() -> None:
    read(CV_OUTCOME_ID="0199", CV_OUTCOME="confirmed", CV_OUTCOME_LATE="false")
    assert "CV_OUTCOME_LATER: expected the name of a setting" in refusal(CV_OUTCOME_LATER="x")
