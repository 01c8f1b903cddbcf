"""The settings of outcome handlers: what each needs, and how a mistake is told."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from listener.settings import by_function, events_of, unloadable

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


# ---------------------------------------------------------------------------------- other events


def test_functions_for_other_events_are_read() -> None:
    given = "cv_viewed=a.b:c, a=b=a.b:c,cv_viewed=a.b:d , left behind=x:y"
    known = read(CV_EVENT_HANDLERS=given)
    entries = ("cv_viewed=a.b:c", "a=b=a.b:c", "cv_viewed=a.b:d", "left behind=x:y")
    assert known.event_handlers == entries
    assert known.changed()["CV_EVENT_HANDLERS"] == ",".join(entries)
    assert by_function(known.event_handlers) == {
        "a.b:c": {"cv_viewed", "a=b"},
        "a.b:d": {"cv_viewed"},
        "x:y": {"left behind"},
    }
    assert events_of(known.event_handlers) == {"cv_viewed", "a=b", "left behind"}
    assert read().event_handlers == ()


@pytest.mark.parametrize(
    "wrong",
    [
        *("a.b:c", "=a.b:c", "viewed=", "viewed=a.b", "viewed=a:b:c", "viewed=log", "viewed"),
        *("viewed=a:b,", "viewed=a:b,viewed=a:b", "view\ted=a:b", "viewed = a:b,viewed=a:b"),
    ],
)
def test_an_entry_that_is_none_is_told_and_so_is_one_that_comes_twice(wrong: str) -> None:
    told = refusal(CV_EVENT_HANDLERS=wrong)
    assert told.startswith(
        "CV_EVENT_HANDLERS: expected EVENT=package.module:function, or several of them with commas"
        " between, each once, found '"
    )
    assert "as in CV_EVENT_HANDLERS=cv_viewed=your_package.hooks:on_viewed" in told


@pytest.mark.parametrize("event", ["connect", "disconnect", "connect_error"])
def test_an_event_of_the_protocol_s_own_is_refused(event: str) -> None:
    told = refusal(CV_EVENT_HANDLERS=f"viewed=a:b,{event}=a:b")
    assert f"expected events of the upstream's own, and {event} is a name of Socket.IO's" in told


def test_our_own_event_is_refused_by_whatever_name() -> None:
    for event, given in (("cv_updated", {}), ("cv_done", {"CV_SOCKET_EVENT": "cv_done"})):
        told = refusal(CV_EVENT_HANDLERS=f"viewed=a:b,{event}=a:b", **given)
        assert told.startswith(
            f"CV_EVENT_HANDLERS: expected other events than CV_SOCKET_EVENT ({event}), found it"
        )
    assert read(CV_EVENT_HANDLERS="cv_updated=a:b", CV_SOCKET_EVENT="cv_done").event_handlers


# --------------------------------------------------------------------------- functions by name


MODULE = """
import functools
from pathlib import Path
Path(__file__).with_name("imported").touch()

async def on_outcome(submission): raise AssertionError("it is called")
def plain(submission): raise AssertionError("it is called")
def token(): raise AssertionError("it is called")
class Handler:
    async def __call__(self, submission): ...
handler = Handler()
@functools.wraps(on_outcome)
def wrapped(submission): return on_outcome(submission)
partly = functools.partial(on_outcome)
number = 7
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package of the user's, with a module ``hooks`` and some that are broken."""
    name = f"users_{tmp_path.name}".replace("-", "_")
    folder = tmp_path / name
    folder.mkdir()
    for file, text in {
        "__init__": "",
        "hooks": MODULE,
        "needy": "import no_such_thing_here\n",
        "broken": "x = 1\ndef f(:\n",
        "leaving": "import sys\nsys.exit(3)\n",
        "raising": "x = 1\nraise ValueError('of a secret')\n",
    }.items():
        (folder / f"{file}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for module in [known for known in sys.modules if known.split(".")[0] == name]:
        del sys.modules[module]


def test_functions_that_are_there_are_imported_and_not_called(package: str, tmp_path: Path) -> None:
    hooks = f"{package}.hooks"
    known = read(
        CV_OUTCOME_HANDLERS=f"log,{hooks}:on_outcome,{hooks}:handler,{hooks}:wrapped,{hooks}:partly",
        CV_EVENT_HANDLERS=f"viewed={hooks}:on_outcome",
        CV_SOCKET_AUTH=f"{hooks}:token",
    )
    assert unloadable(known) == []
    assert (tmp_path / package / "imported").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hoks:x", "there is no module {0}.hoks: did you mean {0}.hooks?"),
        ("zzz:x", "there is no module {0}.zzz: see that it is installed and spelled so"),
        ("hooks:on_outcme", "the module {0}.hooks has no on_outcme: did you mean on_outcome?"),
        ("hooks:zzzzzz", "the module {0}.hooks has no zzzzzz: spell it so"),
        ("hooks:number", "what is found there is of type int, which cannot be called: name"),
        ("hooks:plain", "what it returns cannot be awaited: define it with async def"),
        ("hooks:Handler", "what it returns cannot be awaited: define it with async def"),
        ("needy:x", "the module {0}.needy needs no_such_thing_here, which is not installed"),
        ("broken:x", "the module {0}.broken cannot be read (line 2): mend it"),
        ("leaving:x", "the module {0}.leaving raised SystemExit at leaving.py:2 when it was"),
        ("raising:x", "the module {0}.raising raised ValueError at raising.py:2 when it was"),
    ],
)
def test_a_function_that_is_not_there_is_told_with_what_was_meant(
    package: str, name: str, told: str
) -> None:
    named = f"{package}.{name}"
    outcome = read(CV_OUTCOME_HANDLERS=named)
    (line,) = unloadable(outcome)
    assert line.startswith(
        "CV_OUTCOME_HANDLERS: expected log, webhook, chat, program or the name of a coroutine"
        f" function as package.module:function, found '{named}': "
    )
    assert told.format(package) in line
    assert "secret" not in line
    (line,) = unloadable(read(CV_EVENT_HANDLERS=f"viewed={named},left={named}"))
    assert line.startswith("CV_EVENT_HANDLERS: expected the name of a coroutine function as")
    assert told.format(package) in line


def test_a_package_that_is_not_there_is_told(package: str) -> None:
    (line,) = unloadable(read(CV_OUTCOME_HANDLERS=f"{package}x.hooks:on_outcome"))
    assert f"there is no module {package}x: did you mean {package}?" in line


@pytest.mark.parametrize("name", ["hoks:x", "hooks:tken", "hooks:number", "needy:x", "os:p4ss"])
def test_what_may_be_a_secret_is_not_shown(package: str, name: str) -> None:
    named = f"{package}.{name}"
    lines = unloadable(read(CV_SOCKET_AUTH=named, CV_API_HEADERS=named, CV_OUTCOME_HANDLERS="a:b"))
    assert len(lines) == 3, "all at once"
    for line in lines[:2]:
        assert "expected a JSON object or the name of a function as package.module" in line
        assert "found one (not shown: it may be secret): " in line
        assert package not in line and name.partition(":")[2] not in line.partition("found")[2]
