"""The unit: what systemd itself says of it, and that it agrees with the daemon."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from listener.cli.exits import USAGE
from listener.core.endings import CONFIGURATION
from listener.serving import END_S
from listener.settings import Settings, known_settings
from tests.tools import program
from tests.tree import ROOT

UNIT = ROOT / "deploy" / "systemd" / "cv-listener.service"
MOST_EXPOSED = 1.5


def directive(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_is_exposed_as_little_as_can_be() -> None:
    analyze = program("systemd-analyze")
    threshold = f"--threshold={round(MOST_EXPOSED * 10)}"
    done = run(analyze, "security", "--offline=true", "--no-pager", threshold, UNIT)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"exposure level for \S+ (\d+\.\d+)", done.stdout)
    assert found is not None and float(found[1]) <= MOST_EXPOSED, done.stdout


def test_systemd_knows_every_word_of_it(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    # The command is not installed here; another program stands in for it.
    installed = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert "/opt/cv-listener/bin/cv-listener" in text
    installed.write_text(text.replace("/opt/cv-listener/bin/cv-listener", sys.executable))
    done = run(analyze, "verify", "--man=no", installed)
    said = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert said == []
    assert done.returncode == 0, done.stderr


def test_it_agrees_with_the_daemon() -> None:
    assert directive("Type") == ["notify"]
    assert directive("RestartPreventExitStatus") == [f"{USAGE} {CONFIGURATION}"]
    drain = Settings.model_fields["drain_timeout_s"].default
    assert float(directive("TimeoutStopSec")[0]) == drain + END_S
    assert directive("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert directive("StateDirectory") == ["cv-listener"]
    names = {known.name for known in known_settings()}
    named = set(re.findall(r"\bCV_[A-Z_]+\b", UNIT.read_text()))
    assert named and named <= names, named - names


def test_what_a_person_types_beside_it_has_its_user_settings_secrets_and_folder(
    tmp_path: Path,
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("CV_INTAKE_TOKEN", "CV_SOCKET_AUTH"):
        (secrets / name).write_text("secret")
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    text = (UNIT.parent / "cv-listener").read_text()
    script = tmp_path / "cv-listener"
    script.write_text(text.replace("/etc/cv-listener/secrets", str(secrets)))
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["/bin/sh", script, "list", "--cv ref", "a b"],
        env=path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    given, _, command = done.stdout.partition("\n--\n")
    (start,) = directive("ExecStart")
    assert command.splitlines() == [start.removesuffix(" run"), "list", "--cv ref", "a b"]
    told = [line.removeprefix("--property=") for line in given.splitlines()]
    same = [
        "DynamicUser",
        "User",
        "StateDirectory",
        "StateDirectoryMode",
        "UMask",
        "EnvironmentFile",
    ]
    assert {f"{name}={directive(name)[0]}" for name in same} <= set(told)
    (folder,) = directive("WorkingDirectory")
    assert f"WorkingDirectory={folder.replace('%S', '/var/lib')}" in told
    assert {f"LoadCredential={file.name}:{file}" for file in secrets.iterdir()} <= set(told)
