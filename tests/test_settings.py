"""The settings: what each may be, what is said of what it may not be, and no secret shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import ValidationError

from docs.configuration import env_example
from listener.core.errors import SettingsInvalid
from listener.core.names import LanePolicy
from listener.settings import (
    RESERVED,
    ConnectEmit,
    Described,
    Group,
    Named,
    Settings,
    Source,
    known_settings,
    load,
)
from listener.settings import read as read_with_sources
from tests.tree import ROOT

SECRET = "hunter2-hunter2"
WEBHOOK_SECRET = f"whsec_{b64encode(SECRET.encode() * 2).decode()}"
WEBHOOK = {"CV_WEBHOOK_URL": "https://h/", "CV_WEBHOOK_SECRET": WEBHOOK_SECRET}
WEBHOOK["CV_OUTCOME_HANDLERS"] = "log,webhook"
WITH = {
    "CV_WEBHOOK_URL": WEBHOOK,
    "CV_WEBHOOK_SECRET": WEBHOOK,
    "CV_CHAT_URL": {"CV_OUTCOME_HANDLERS": "chat"},
}
"""What a setting wants set with it."""


def read(**env: str) -> Settings:
    return load({"HOME": "/u/somebody", **env}, None)


def refusal(**env: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        read(**env)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "a context could hold a secret"
    return str(caught.value)


# --------------------------------------------------------------------------------------- defaults


def test_the_defaults_are_the_design_s() -> None:
    known = read()
    assert known.api_base_url == "https://api-v2.uptal.com/cv-enhance"
    assert (known.api_timeout_s, known.api_upload_timeout_s) == (10, 30)
    assert known.socket_url == "https://api-v2.uptal.com"
    assert (known.socket_path, known.socket_namespace) == ("/socket.io", "/")
    assert (known.socket_event, known.socket_transports) == ("cv_updated", ("websocket",))
    assert (known.intake_host, known.intake_port) == ("127.0.0.1", 8600)
    assert (known.confirm_timeout_s, known.settle_period_s, known.listen_wait_s) == (30, 30, 30)
    assert (known.give_up_after_s, known.deliver_within_s) == (3_600, 86_400)
    assert (known.late_window_s, known.keep_unresolved_s) == (86_400, 86_400)
    assert (known.lane_policy, known.max_attempts) == (LanePolicy.QUEUE, 3)
    assert (known.max_in_flight, known.enquiries_s, known.baseline) == (16, (2, 5, 15), True)
    assert (known.max_file_bytes, known.spool_quota_bytes) == (5 << 20, 1 << 30)
    assert (known.retention_days, known.outcome_handlers) == (30, ("log",))
    assert (known.log_format, known.log_level) == ("auto", "info")
    assert known.replica == os.uname().nodename
    assert known.cli_token is None
    assert known.secrets() == frozenset()


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"CV_STATE_DIR": "/srv/cv", "STATE_DIRECTORY": "/var/lib/a"}, "/srv/cv"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x"}, "/x/cv-listener"),
        ({"XDG_STATE_HOME": "not/absolute"}, "/u/somebody/.local/state/cv-listener"),
        ({}, "/u/somebody/.local/state/cv-listener"),
    ],
)
def test_the_state_folder_is_the_settings_then_systemd_s_then_the_user_s(
    env: dict[str, str], folder: str
) -> None:
    assert read(**env).state_dir == Path(folder)


def test_the_state_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(CV_STATE_DIR="state").state_dir == tmp_path / "state"


def test_what_depends_on_another_setting_follows_it() -> None:
    known = read(CV_API_BASE_URL="http://localhost:9000/cv-enhance", CV_API_TIMEOUT="4")
    assert known.socket_url == "http://localhost:9000"
    assert known.api_upload_timeout_s == 12
    known = read(
        CV_API_TIMEOUT="4", CV_API_UPLOAD_TIMEOUT="5", CV_SOCKET_URL="wss://events.example"
    )
    assert (known.api_upload_timeout_s, known.socket_url) == (5, "wss://events.example")


# ------------------------------------------------------------------------------------ good values


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    known = read(
        CV_TLS_CA_FILE=str(tmp_path / "ca.pem"),
        CV_NOT_APPLIED_STATUSES="502, 504",
        CV_SOCKET_QUERY='{"client": "cv", "v": 2}',
        CV_SOCKET_ON_CONNECT='["hi", ["join", {"room": 1}], {"event": "x", "ack_timeout": null}]',
        CV_SOCKET_TRANSPORTS="websocket,polling",
        CV_INTAKE_HOSTS="a.example,b",
        CV_LANE_POLICY="Coalesce",
        CV_BASELINE="off",
        CV_MAX_FILE_BYTES="1048576",
        CV_SPOOL_QUOTA="2 GiB",
        CV_ENQUIRIES="0.5,1",
        CV_LOG_LEVEL="DEBUG",
        CV_OUTCOME_HANDLERS="log,a.b:c",
    )
    assert known.tls_ca_file == tmp_path / "ca.pem"
    assert known.not_applied_statuses == (502, 504)
    assert known.socket_query_plain() == {"client": "cv", "v": "2"}
    assert known.socket_on_connect == (
        ConnectEmit("hi"),
        ConnectEmit("join", ({"room": 1},)),
        ConnectEmit("x", ack_timeout_s=None),
    )
    assert known.socket_transports == ("websocket", "polling")
    assert known.intake_hosts == ("a.example", "b")
    assert known.lane_policy is LanePolicy.COALESCE
    assert known.baseline is False
    assert (known.max_file_bytes, known.spool_quota_bytes) == (1 << 20, 2 << 30)
    assert known.enquiries_s == (0.5, 1.0)
    assert known.log_level == "debug"
    assert known.outcome_handlers == ("log", "a.b:c")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(
            ("250ms", 0.25),
            ("0.1s", 0.1),
            ("30s", 30),
            ("1.5m", 90),
            ("2 h", 7_200),
            ("7d", 604_800),
        ),
        *(("30", 30), ("0.5", 0.5), (".5", 0.5), ("1ms", 0.001), ("1e3", 1_000)),
    ],
)
def test_a_duration_may_have_a_unit(text: str, seconds: float) -> None:
    known = read(
        CV_CONFIRM_TIMEOUT=text, CV_SOCKET_ON_CONNECT=f'[{{"event": "x", "ack_timeout": "{text}"}}]'
    )
    assert known.confirm_timeout_s == seconds
    assert known.socket_on_connect[0].ack_timeout_s == seconds


def test_there_may_be_no_enquiries_but_the_last() -> None:
    assert read(CV_ENQUIRIES="250ms,2s,1m").enquiries_s == (0.25, 2, 60)
    known = read(CV_ENQUIRIES="")
    assert known.enquiries_s == ()
    assert known.changed()["CV_ENQUIRIES"] == ""


def test_what_is_empty_is_not_set() -> None:
    assert read(CV_API_TIMEOUT="", CV_API_PROXY="", CV_INTAKE_TOKEN="").changed().keys() <= {
        "CV_STATE_DIR"
    }


def test_the_settings_are_frozen_and_take_plain_values() -> None:
    known = Settings(confirm_timeout_s=1.5, state_dir=Path("/srv/cv"))
    assert known.confirm_timeout_s == 1.5
    with pytest.raises(ValidationError):
        known.confirm_timeout_s = 2
    with pytest.raises(ValidationError):
        Settings(settle_period_s=0)


def test_tokens_reach_as_far_as_their_scope() -> None:
    known = read(CV_INTAKE_TOKENS='{"read": ["reader-one", "reader-two"], "submit": "submitter"}')
    assert known.intake_tokens_plain() == {
        "reader-one": "read",
        "reader-two": "read",
        "submitter": "submit",
    }
    assert known == read(
        CV_INTAKE_TOKENS='{"reader-one": "read", "reader-two": ["read"],'
        ' "submitter": ["submit", "read"]}'
    )
    assert known.cli_token is None, "the command line's token may do everything: none of these may"
    assert read(CV_INTAKE_TOKENS='{"admin": "the-admin"}').cli_token == "the-admin"
    assert read(CV_INTAKE_TOKEN=SECRET).cli_token == SECRET


# -------------------------------------------------------------------------------------- bad values

BAD = [
    ("CV_API_BASE_URL", "api.uptal.com", "an http or https URL"),
    ("CV_API_BASE_URL", "ftp://api.uptal.com", "an http or https URL"),
    ("CV_API_BASE_URL", "https://", "an http or https URL"),
    ("CV_API_BASE_URL", "https://h:port/x", "an http or https URL"),
    ("CV_API_BASE_URL", "https://h/x y", "an http or https URL"),
    ("CV_API_BASE_URL", "https://[::1/x", "an http or https URL"),
    ("CV_SOCKET_URL", "https://h/socket.io", "it belongs into CV_SOCKET_PATH"),
    ("CV_SOCKET_URL", "tcp://h", "an http, https, ws or wss URL"),
    ("CV_TLS_CA_FILE", "/no/such/file", "No such file"),
    ("CV_TLS_CA_FILE", os.devnull, "a file of certificates"),
    ("CV_NOT_APPLIED_STATUSES", "200", "from 400 to 599"),
    ("CV_NOT_APPLIED_STATUSES", "502,502", "from 400 to 599"),
    ("CV_SOCKET_PATH", "socket.io", "begins with /"),
    ("CV_SOCKET_NAMESPACE", "cvs", "begins with /"),
    ("CV_SOCKET_EVENT", "a\nb", "an event's name"),
    ("CV_SOCKET_TRANSPORTS", "carrier-pigeon", "websocket, polling, or both"),
    ("CV_SOCKET_TRANSPORTS", " ", "websocket, polling, or both"),
    ("CV_OUTCOME_HANDLERS", " ", "package.module:function"),
    ("CV_INTAKE_HOST", "http://localhost", "an address or a host's name"),
    ("CV_INTAKE_PORT", "65536", "from 0 to 65535"),
    ("CV_INTAKE_PORT", "8600.5", "from 0 to 65535"),
    ("CV_INTAKE_HOSTS", "a,,b", "hosts' names"),
    ("CV_LANE_POLICY", "both", "queue, reject or coalesce"),
    ("CV_MAX_ATTEMPTS", "0", "from 1 to 100"),
    ("CV_MAX_IN_FLIGHT", "none", "from 1 to 1000"),
    ("CV_BASELINE", "perhaps", "on or off"),
    ("CV_MAX_FILE_BYTES", "5 MB", "KiB, MiB or GiB"),
    ("CV_SPOOL_QUOTA", "-1", "KiB, MiB or GiB"),
    ("CV_SETTLE_PERIOD", "0", "seconds, 0.001 or more"),
    ("CV_SETTLE_PERIOD", "30 sec", "seconds, 0.001 or more"),
    ("CV_SETTLE_PERIOD", "0.1ms", "seconds, 0.001 or more"),
    ("CV_SETTLE_PERIOD", "5M", "seconds, 0.001 or more"),
    ("CV_SETTLE_PERIOD", "-1s", "seconds, 0.001 or more"),
    ("CV_SETTLE_PERIOD", "40000d", "seconds, 0.001 or more"),
    ("CV_ENQUIRIES", "1s,", "each more than the last"),
    ("CV_ENQUIRIES", "2s,2000ms", "each more than the last"),
    ("CV_MAX_ATTEMPTS", "1_0", "from 1 to 100"),
    ("CV_STATE_DIR", "a\0b", "a folder's path"),
    ("CV_TLS_CA_FILE", "a\0b", "a file of certificates"),
    ("CV_SOCKET_EVENT", "\udcff", "an event's name"),
    ("CV_CONFIRM_TIMEOUT", "nan", "seconds, 0.001 or more"),
    ("CV_CONFIRM_TIMEOUT", "inf", "seconds, 0.001 or more"),
    ("CV_ENQUIRIES", "5,2", "each more than the last"),
    ("CV_RETENTION_DAYS", "0", "from 1 to 3650"),
    ("CV_LOG_FORMAT", "xml", "auto, json or console"),
    ("CV_LOG_LEVEL", "loud", "debug, info, warning"),
    ("CV_OUTCOME_HANDLERS", "my handler", "package.module:function"),
    ("CV_REPLICA", "two words", "a name without spaces"),
]


@pytest.mark.parametrize(("name", "value", "expected"), BAD)
def test_a_wrong_value_is_told_with_what_was_expected(name: str, value: str, expected: str) -> None:
    (line,) = refusal(**{name: value}).splitlines()
    assert line.startswith(f"{name}: expected ")
    assert expected in line
    assert ascii(value)[1:-1] in line, "what was found, made harmless"
    assert f"{name}=" in line, "how it may look"
    assert line.isprintable()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CV_MAX_FILE_BYTES", "bytes, or a number with KiB, MiB or GiB"),
        ("CV_INTAKE_PORT", "a whole number from 0 to 65535"),
        ("CV_SETTLE_PERIOD", "seconds, 0.001 or more"),
        ("CV_LOG_LEVEL", "debug, info"),
    ],
)
def test_a_value_without_end_is_told_in_short(name: str, expected: str) -> None:
    said = refusal(**{name: "9" * 100_000})
    assert said.startswith(f"{name}: expected {expected}")
    assert len(said) < 400


BAD_SECRETS = [
    ("CV_API_BASE_URL", f"https://h/x?key={SECRET}"),
    ("CV_SOCKET_URL", f"https://h#{SECRET}"),
    ("CV_SOCKET_AUTH", f'{{"token": "{SECRET}", "n": NaN}}'),
    ("CV_SOCKET_AUTH", f'{{"token": "{SECRET}", "n": 1e999}}'),
    ("CV_SOCKET_AUTH", f'{{"token": "{SECRET}", "token": ""}}'),
    ("CV_SOCKET_QUERY", f'{{"token": "{SECRET}\\ud800"}}'),
    ("CV_SOCKET_ON_CONNECT", f'[["join", "{SECRET}", Infinity]]'),
    ("CV_API_BASE_URL", f"https://user:{SECRET}@h/x"),
    ("CV_API_HEADERS", f'["{SECRET}"]'),
    ("CV_API_HEADERS", f'{{"Authorization": "{SECRET}'),
    ("CV_API_HEADERS", f'{{"Authorization": "{SECRET}\\n"}}'),
    ("CV_API_HEADERS", f'{{"a b": "{SECRET}"}}'),
    ("CV_API_PROXY", f"socks5://user:{SECRET}@h"),
    ("CV_API_PROXY", f"http://user:{SECRET}@h/path"),
    ("CV_SOCKET_AUTH", f'"{SECRET}"'),
    ("CV_SOCKET_AUTH", f"user:{SECRET}"),
    ("CV_SOCKET_QUERY", f"user {SECRET}:x"),
    ("CV_SOCKET_AUTH", "[" * 100_000),
    ("CV_SOCKET_QUERY", f'{{"token": ["{SECRET}"]}}'),
    ("CV_SOCKET_ON_CONNECT", f'{{"event": "{SECRET}"}}'),
    ("CV_SOCKET_ON_CONNECT", f'[{{"event": "{SECRET}", "ack_timeout": 0}}]'),
    ("CV_SOCKET_ON_CONNECT", f'[["join", "{SECRET}"], []]'),
    ("CV_INTAKE_TOKEN", f"{SECRET} "),
    ("CV_INTAKE_TOKEN", "short"),
    ("CV_INTAKE_TOKENS", f'{{"write": "{SECRET}"}}'),
    ("CV_INTAKE_TOKENS", f'{{"read": "{SECRET}", "admin": "{SECRET}"}}'),
    ("CV_INTAKE_TOKENS", f'{{"read": [["{SECRET}"]]}}'),
    ("CV_INTAKE_TOKENS", f'{{"read": 1, "admin": "{SECRET}"}}'),
    ("CV_INTAKE_TOKENS", "{}"),
    ("CV_INTAKE_TOKENS", f'{{"{SECRET}": "write"}}'),
    ("CV_INTAKE_TOKENS", f'{{"{SECRET}": []}}'),
    ("CV_INTAKE_TOKENS", f'{{"{SECRET}": ["read", 1]}}'),
    ("CV_INTAKE_TOKENS", f'{{"{SECRET}": "read", "{SECRET}": "admin"}}'),
    ("CV_INTAKE_TOKENS", f'{{"{SECRET}": "read", "admin": "{SECRET}"}}'),
    ("CV_INTAKE_TOKENS", f'{{"{SECRET} ": "read"}}'),
    ("CV_REF_KEY", "hunter2" * 3 + "\udcff"),
    ("CV_REF_KEY", "hunter2"),
]


@pytest.mark.parametrize(("name", "value"), BAD_SECRETS)
def test_a_wrong_secret_is_told_without_showing_it(name: str, value: str) -> None:
    said = refusal(**{name: value})
    (line,) = said.splitlines()
    assert line.startswith(f"{name}: expected a"), "words of ours, not of a library"
    assert "not shown" in line
    assert "hunter2" not in said
    assert "user" not in said


def test_all_mistakes_are_told_at_once() -> None:
    said = refusal(CV_API_TIMEOUT="soon", CV_BASELINE="maybe", CV_CONFIRM_TIMOUT="1")
    names = [line.split(":")[0] for line in said.splitlines()]
    # The upload's default depends on the wrong timeout, and is no mistake of its own.
    assert sorted(names) == ["CV_API_TIMEOUT", "CV_BASELINE", "CV_CONFIRM_TIMOUT"]


def test_a_broken_file_and_a_lack_of_home_hide_no_other_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    file = tmp_path / ".env"
    file.write_text(f"{SECRET}\nCV_MAX_ATTEMPTS=0\n=\n")
    with pytest.raises(SettingsInvalid) as caught:
        load({"CV_BASELINE": "maybe"}, file)
    said = str(caught.value).splitlines()
    begins = [line.split(":")[0] for line in said]
    assert sorted(begins) == sorted(
        [
            *(f"{file}, line 1", f"{file}, line 3"),
            *("CV_STATE_DIR", "CV_MAX_ATTEMPTS", "CV_BASELINE"),
        ]
    )
    assert SECRET not in str(caught.value)
    assert load({"CV_STATE_DIR": "/srv/cv"}, None).state_dir == Path("/srv/cv")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"CV_GIVE_UP_AFTER": "10"}, "CV_GIVE_UP_AFTER: expected CV_SETTLE_PERIOD (30) or more"),
        ({"CV_LATE_WINDOW": "10"}, "CV_LATE_WINDOW: expected CV_SETTLE_PERIOD (30) or more"),
        ({"CV_SPOOL_QUOTA": "1MiB"}, "CV_SPOOL_QUOTA: expected CV_MAX_FILE_BYTES (5242880)"),
        ({"CV_LATE_WINDOW": "9999999"}, "CV_RETENTION_DAYS: expected CV_LATE_WINDOW (1e+07"),
        ({"CV_KEEP_UNRESOLVED": "9999999"}, "CV_RETENTION_DAYS: expected CV_KEEP_UNRESOLVED"),
        (
            {"CV_INTAKE_TOKEN": SECRET, "CV_INTAKE_TOKENS": f'{{"read": "{SECRET}"}}'},
            "CV_INTAKE_TOKENS: expected other tokens",
        ),
    ],
)
def test_settings_must_agree(env: dict[str, str], expected: str) -> None:
    (line,) = refusal(**env).splitlines()
    assert line.startswith(expected)
    assert SECRET not in line


# ----------------------------------------------------------------------------------- unknown names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("CV_CONFIRM_TIMEOUT_S", "CV_CONFIRM_TIMEOUT"),
        ("CV_API_BASEURL", "CV_API_BASE_URL"),
        ("CV_SOCKET_NAME_SPACE", "CV_SOCKET_NAMESPACE"),
        ("CV_HEARTBEAT_INTERVAL", "CV_HEARTBEAT"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, near: str) -> None:
    said = refusal(**{name: SECRET})
    assert said == (
        f"{name}: expected the name of a setting, found an unknown one: did you mean {near}?"
    )


def test_an_unknown_name_that_resembles_nothing_leads_to_the_papers() -> None:
    said = refusal(CV_ZZ=SECRET)
    assert "docs/configuration.md" in said
    assert SECRET not in said
    assert refusal(**{"CV_\x1b[31m": ""}).isprintable(), "an empty unknown name is one as well"


def test_what_kubernetes_injects_and_what_is_not_ours_is_not_looked_at() -> None:
    read(CV_LISTENER_SERVICE_HOST="10.0.0.1", CV_LISTENER_PORT="tcp://10.0.0.1:80", CVX="1")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_is_to_come_says_so(name: str) -> None:
    assert "not supported in this version" in refusal(**{name: "postgresql://h/db"})
    assert name not in {known.name for known in known_settings()}
    read(**{name: ""})


@pytest.mark.parametrize("value", ["sqlite", "sqlite:", "sqlite://"])
def test_the_one_journal_there_is_may_be_asked_for(value: str) -> None:
    read(CV_JOURNAL_URL=value)


# -------------------------------------------------------------------------------------------- .env


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nCV_API_TIMEOUT=4\nexport CV_MAX_ATTEMPTS=2 # with a comment\nOTHER=1\n"
        'CV_API_HEADERS=\'{"Authorization": "Bearer $x"}\'\n'
        "BASE=https://h.example\nCV_API_BASE_URL=${BASE}/cv\n"
    )
    known = load({"CV_API_TIMEOUT": "5", "HOME": "/h"}, file)
    assert (known.api_timeout_s, known.max_attempts) == (5, 2)
    assert known.api_headers_plain() == {"Authorization": "Bearer $x"}
    assert known.api_base_url == "https://h.example/cv"
    assert load({"CV_MAX_ATTEMPTS": "", "HOME": "/h"}, file).max_attempts == 2, "not set there"


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert load({"HOME": "/h"}, tmp_path / ".env").max_attempts == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CV_API_TIMEOUT=1\nCV_MAX_ATTEMPTS\n", 2),
        ("CV_API_TIMEOUT=1\n=3\n", 2),
        (f"CV_INTAKE_TOKEN='{SECRET}\n", 1),
    ],
)
def test_a_line_of_the_file_that_cannot_be_read_is_told(
    tmp_path: Path, text: str, line: int
) -> None:
    file = tmp_path / ".env"
    file.write_text(text)
    with pytest.raises(
        SettingsInvalid, match=rf"\.env, line {line}: expected NAME=value"
    ) as caught:
        load({"HOME": "/h"}, file)
    assert SECRET not in str(caught.value)


def test_a_mistake_in_the_file_says_that_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("CV_API_TIMEOUT=soon\nCV_API_TIMOUT=1\n")
    with pytest.raises(SettingsInvalid) as caught:
        load({"HOME": "/h"}, file)
    assert str(caught.value).count(f" in {file}") == 2


@pytest.mark.parametrize("what", ["folder", "binary"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, what: str) -> None:
    file = tmp_path / ".env"
    if what == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load({"HOME": "/h"}, file)


def test_each_setting_is_described_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        f"CV_MAX_ATTEMPTS=2\nCV_API_TIMEOUT=4\nCV_REPLICA=one\nCV_REF_KEY={SECRET * 2}\n"
    )
    environ = {"HOME": "/h", "CV_API_TIMEOUT": "1m", "CV_REPLICA": "", "CV_ENQUIRIES": ""}
    reading = read_with_sources({**environ, "CV_INTAKE_TOKEN": SECRET}, file)
    described = {one.name: one for one in reading.describe()}
    assert [*described] == [known.name for known in known_settings()]

    def told(name: str) -> tuple[str, Source]:
        return described[name].value, described[name].source

    assert told("CV_API_TIMEOUT") == ("60", Source.ENVIRONMENT)
    assert told("CV_ENQUIRIES") == ("", Source.ENVIRONMENT)
    assert told("CV_INTAKE_TOKEN") == ("(secret)", Source.ENVIRONMENT)
    assert told("CV_MAX_ATTEMPTS") == ("2", Source.DOTENV)
    assert told("CV_REF_KEY") == ("(secret)", Source.DOTENV)
    assert told("CV_REPLICA") == ("one", Source.DOTENV), "empty in the environment: not set there"
    assert told("CV_STATE_DIR") == ("/h/.local/state/cv-listener", Source.DEFAULT)
    assert told("CV_SOCKET_URL") == ("https://api-v2.uptal.com", Source.DEFAULT)
    assert told("CV_API_PROXY") == ("", Source.DEFAULT)
    assert told("CV_SOCKET_ON_CONNECT") == ("", Source.DEFAULT), (
        "there is nothing secret in nothing"
    )
    assert described["CV_MAX_FILE_BYTES"] == Described(
        "CV_MAX_FILE_BYTES", Group.SENDING, "5MiB", Source.DEFAULT
    )
    kept = next(
        one for one in read_with_sources(environ, None).describe() if one.name == "CV_REF_KEY"
    )
    assert (kept.value, kept.source) == (
        "made once, and kept in the state folder",
        Source.DEFAULT,
    )
    assert SECRET not in repr(reading) + repr(reading.describe())


# ----------------------------------------------------------------------------------------- secrets

ALL_SECRETS = {
    "CV_API_HEADERS": f'{{"Authorization": "Bearer {SECRET}"}}',
    "CV_API_PROXY": f"http://user:{SECRET}@h:1",
    "CV_SOCKET_AUTH": f'{{"deep": [{{"token": "{SECRET}"}}]}}',
    "CV_SOCKET_HEADERS": f'{{"Cookie": "{SECRET}"}}',
    "CV_SOCKET_QUERY": f'{{"token": "{SECRET}"}}',
    "CV_SOCKET_ON_CONNECT": f'[["login", {{"token": "{SECRET}"}}]]',
    "CV_INTAKE_TOKEN": SECRET,
    "CV_INTAKE_TOKENS": f'{{"read": "{SECRET}"}}',
    "CV_REF_KEY": f"{SECRET}{SECRET}",
    "CV_REF_KEY_PREVIOUS": f"{SECRET}{SECRET}",
    "CV_WEBHOOK_URL": f"https://user:{SECRET}@h/outcomes",
    "CV_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "CV_CHAT_URL": f"https://h/{SECRET}",
    "CV_TRACES_URL": f"https://h/{SECRET}",
    "CV_HANDLER_PROXY": f"http://user:{SECRET}@h:1",
}


@pytest.mark.parametrize("name", sorted(ALL_SECRETS))
def test_no_secret_shows(name: str) -> None:
    known = read(**{**WITH.get(name, {}), name: ALL_SECRETS[name]})
    shown = repr(known) + str(known) + repr(known.changed())
    assert SECRET not in shown and WEBHOOK_SECRET not in shown
    assert known.changed()[name] == "(secret)"
    whole = SECRET * 2 if name.startswith("CV_REF_KEY") else SECRET
    whole = WEBHOOK_SECRET if name == "CV_WEBHOOK_SECRET" else whole
    assert whole in known.secrets()
    assert "Bearer" not in known.secrets()


@pytest.mark.parametrize(
    "name", ["CV_API_HEADERS", "CV_SOCKET_AUTH", "CV_SOCKET_HEADERS", "CV_SOCKET_QUERY"]
)
def test_a_function_may_be_named_and_may_be_a_password_in_disguise(name: str) -> None:
    known = read(**{name: "hunter2.hunter2:hunter2"})
    field = next(one.field for one in known_settings() if one.name == name)
    assert getattr(known, field) == Named("hunter2.hunter2:hunter2")
    assert not getattr(known, f"{field}_plain")()
    assert known.changed()[name] == "(secret)"
    assert "hunter2" not in repr(known) + str(known)


def test_every_secret_kind_is_tested_above() -> None:
    assert {known.name for known in known_settings() if known.form.secret} == set(ALL_SECRETS)


def test_what_was_changed_is_shown_as_one_writes_it() -> None:
    given = {
        "CV_STATE_DIR": "/srv/cv",
        "CV_MAX_FILE_BYTES": "6MiB",
        "CV_ENQUIRIES": "0.5,20",
        "CV_BASELINE": "off",
        "CV_LANE_POLICY": "reject",
        "CV_GIVE_UP_AFTER": "90000",
    }
    assert read(**given).changed() == given


# ----------------------------------------------------------------------------------------- papers


def test_the_example_comes_to_the_defaults(tmp_path: Path) -> None:
    with_default = {known.name for known in known_settings() if known.default}
    lines = env_example().splitlines()
    told = [line[1:] for line in lines if re.match(r"#CV_", line)]
    assert [line.split("=")[0] for line in told] == [known.name for known in known_settings()]
    file = tmp_path / ".env"
    file.write_text("\n".join(line for line in told if line.split("=")[0] in with_default))
    assert load({"HOME": "/h"}, file) == load({"HOME": "/h"}, None)


def test_every_example_is_a_good_value(tmp_path: Path) -> None:
    examples = {
        known.name: known.form.example.replace("...", "a-good-long-token-1")
        for known in known_settings()
        if known.name not in ("CV_TLS_CA_FILE", "CV_INTAKE_TOKENS")
    }
    examples |= {"CV_WEBHOOK_SECRET": WEBHOOK_SECRET, "CV_PROGRAM": "/bin/sh"}
    examples["CV_OUTCOME_HANDLERS"] += ",webhook,chat,program"
    read(**examples)


def test_every_setting_says_what_it_is() -> None:
    for known in known_settings():
        assert known.meaning.endswith("."), known.name


def test_the_source_has_no_setting_that_nobody_reads() -> None:
    texts = [
        path.read_text("utf-8")
        for path in (ROOT / "listener").rglob("*.py")
        if "settings" not in path.parts
    ]
    read_somewhere = set(re.findall(r"\b(?:settings|own|known)\.([a-z_]+)", "\n".join(texts)))
    unread = {
        known.field
        for known in known_settings()
        if not {known.field, f"{known.field}_plain"} & read_somewhere
    }
    # cli_token is made of it.
    assert unread <= {"intake_token"}


def test_importing_the_settings_loads_nothing_heavy() -> None:
    heavy = ["aiohttp", "httpx", "socketio", "rich", "structlog", "apsw"]
    code = f"import sys, listener.settings; print([m for m in {heavy} if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == "[]"
