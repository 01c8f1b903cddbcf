"""Settings that are files in a folder: as systemd hands on credentials, and containers secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from listener.core.errors import SettingsInvalid
from listener.settings import Source, load, read
from listener.settings.credentials import LARGEST

TOKEN = "t0ken-of-a-file"


def given(folder: Path, **files: str) -> dict[str, str]:
    for name, value in files.items():
        (folder / name).write_text(value)
    return {"HOME": "/u/somebody", "CREDENTIALS_DIRECTORY": str(folder)}


def test_a_file_is_a_setting_and_its_last_line_end_no_part_of_it(tmp_path: Path) -> None:
    environ = given(tmp_path, CV_INTAKE_TOKEN=f"{TOKEN}\n", other="CV_NOTHING", CV_REPLICA="one")
    (tmp_path / "..data").mkdir()
    reading = read(environ, None)
    token = reading.settings.intake_token
    assert token is not None and token.get_secret_value() == TOKEN
    assert reading.sources["CV_INTAKE_TOKEN"] is Source.CREDENTIAL
    assert reading.sources["CV_API_TIMEOUT"] is Source.DEFAULT
    assert TOKEN in reading.settings.secrets()


def test_the_environment_wins_over_it_and_it_wins_over_dotenv(tmp_path: Path) -> None:
    dotenv = tmp_path / "dotenv"
    dotenv.write_text("CV_REPLICA=of-dotenv\nCV_LOG_LEVEL=error\nCV_API_TIMEOUT=7\n")
    environ = given(tmp_path, CV_REPLICA="of-a-file", CV_LOG_LEVEL="debug")
    reading = read(environ | {"CV_REPLICA": "of-the-environment"}, dotenv)
    settings = reading.settings
    assert (settings.replica, settings.log_level, settings.api_timeout_s) == (
        "of-the-environment",
        "debug",
        7,
    )
    assert reading.sources["CV_REPLICA"] is Source.ENVIRONMENT
    assert reading.sources["CV_LOG_LEVEL"] is Source.CREDENTIAL
    assert reading.sources["CV_API_TIMEOUT"] is Source.DOTENV


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CV_INTAKE_TOKEN", "s p a c e", "CV_INTAKE_TOKEN: expected"),
        ("CV_INTAKE_TOKNE", TOKEN, "did you mean CV_INTAKE_TOKEN?"),
        ("CV_INTAKE_TOKEN", "x" * (LARGEST + 1), f"more than {LARGEST} bytes"),
    ],
)
def test_a_mistake_says_where_and_shows_no_value(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(given(tmp_path, **{name: value}), None)
    assert told in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert value not in str(caught.value)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    environ = {"HOME": "/u/somebody", "CREDENTIALS_DIRECTORY": str(tmp_path / "none")}
    assert load(environ, None).intake_token is None
