"""The image, the compose file and the manifests: held against the source, without an engine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from listener.serving import END_S
from listener.settings import Settings, known_settings, load
from listener.settings.credentials import VARIABLE
from tests.tree import ROOT, pyproject, texts, tracked

CONTAINER = ROOT / "deploy" / "container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
MANIFESTS = list(
    yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "cv-listener.yaml").read_text())
)
SETTINGS = {known.name for known in known_settings()}
USER = 10001
ENDS_S = Settings.model_fields["drain_timeout_s"].default + END_S


def steps(text: str = DOCKERFILE) -> Iterator[tuple[str, str]]:
    """(instruction, what follows) of each, continuations joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, rest = line.split(None, 1)
            yield word, rest


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for step in steps():
        if step[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


def environment() -> dict[str, str]:
    """What the image sets."""
    told = " ".join(rest for word, rest in stages()[-1] if word == "ENV")
    return dict(one.split("=", 1) for one in shlex.split(told))


def manifest(kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in MANIFESTS if one["kind"] == kind]
    assert len(found) == 1, kind
    return found[0]


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("StatefulSet")["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    found: list[dict[str, Any]] = pod()["containers"]
    assert len(found) == 1
    return found[0]


# ------------------------------------------------------------------------------------- the image


def test_every_setting_that_is_named_exists() -> None:
    for name, text in texts(under=("deploy/",)):
        named = set(re.findall(r"\bCV_[A-Z_]+\b", text)) - {"CV_"}
        wrong = {one for one in named if one not in SETTINGS and not one.endswith("_")}
        assert not wrong, f"{name} names {wrong}"


def test_the_image_is_made_of_what_is_there_and_ignores_all_else() -> None:
    copied = [
        source
        for word, rest in steps()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert copied
    ignored = (CONTAINER / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert {source.removesuffix("/") for source in copied} == let_in
    for source in copied:
        assert (ROOT / source).exists(), source


def test_its_base_is_an_ordinary_python_that_is_new_enough() -> None:
    bases = [rest.split()[0] for word, rest in steps() if word == "FROM"]
    assert bases == ["python:${PYTHON}-slim"] * 2
    (version,) = re.findall(r"^ARG PYTHON=(.*)$", DOCKERFILE, re.M)
    oldest = pyproject()["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, version.split("."))) >= tuple(map(int, oldest.split(".")))


def test_it_runs_as_nobody_and_ends_in_order() -> None:
    last = dict(stages()[-1])
    assert last["USER"] == f"{USER}:{USER}"
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["VOLUME"] == environment()["CV_STATE_DIR"]
    assert last["EXPOSE"] == environment()["CV_INTAKE_PORT"]
    assert '["cv-listener", "status"]' in last["HEALTHCHECK"]
    assert "curl" not in DOCKERFILE


def test_its_settings_hold(tmp_path: Path) -> None:
    environ = environment() | {VARIABLE: str(tmp_path)}
    (tmp_path / "CV_INTAKE_TOKEN").write_text("a-token-of-a-file\n")
    settings = load(environ, None)
    assert settings.intake_port == 8600
    assert settings.cli_token == "a-token-of-a-file"


@pytest.mark.parametrize("lock", ["runtime", "otel"])
def test_each_lock_that_it_can_take_is_there(lock: str) -> None:
    assert (ROOT / "locks" / f"{lock}.txt").is_file()


def test_what_it_is_built_with_is_found_in_the_lock() -> None:
    picked = subprocess.run(
        ["sed", "-n", r"/^setuptools==/,/[^\\]$/p", ROOT / "locks" / "dev.txt"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout
    assert r"sed -n '/^setuptools==/,/[^\\]$/p' locks/dev.txt" in DOCKERFILE
    assert picked.startswith("setuptools==") and "--hash=sha256:" in picked
    assert picked.count("==") == 1


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_the_steps_of_its_build_make_a_command_that_runs(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "opt"
    source.mkdir()
    for word, rest in stages()[0]:
        if word == "COPY":
            for name in rest.split()[:-1]:
                _copy(ROOT / name, source / name)
        if word == "RUN":
            command = rest.replace("/opt/cv-listener", str(place)).replace("${LOCK}", "runtime")
            command = re.sub(r"^python ", f"{sys.executable} ", command)
            done = subprocess.run(
                ["sh", "-euc", command], cwd=source, capture_output=True, text=True, timeout=250
            )
            assert done.returncode == 0, done.stdout + done.stderr
    environ = {"HOME": str(tmp_path), "CV_STATE_DIR": str(tmp_path / "state")}
    checked = subprocess.run(
        [place / "bin" / "cv-listener", "check"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    packages = next(place.glob("lib/python3*/site-packages"))
    assert list(packages.glob("listener/adapters/journal_sqlite/schema/*.sql"))
    assert not (packages / "setuptools").exists()


def _copy(source: Path, target: Path) -> None:
    """What git tracks of it."""
    for path in tracked():
        if path == source or source in path.parents:
            to = target / path.relative_to(source) if path != source else target
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


# ------------------------------------------------------------------------------- the compose file


def test_the_compose_file_gives_no_right_that_is_not_used() -> None:
    (service,) = COMPOSE["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["replicas"] == 1
    assert service["stop_grace_period"] == f"{ENDS_S:g}s"
    assert f"state:{environment()['CV_STATE_DIR']}" in service["volumes"]
    assert [one.rpartition(":")[2] for one in service["ports"]] == ["8600"]
    assert all(one.startswith("127.0.0.1:") for one in service["ports"])
    build = service["build"]
    context = Path(os.path.normpath(CONTAINER / build["context"]))
    assert (context / build["dockerfile"]).samefile(CONTAINER / "Dockerfile")
    assert set(service["secrets"]) == set(COMPOSE["secrets"]) <= SETTINGS
    assert set(service["environment"]) <= SETTINGS


# --------------------------------------------------------------------------------- the manifests


def test_the_pod_gives_no_right_that_is_not_used() -> None:
    """As the restricted Pod Security Standard has it."""
    everybody, own = pod()["securityContext"], container()["securityContext"]
    assert everybody["runAsNonRoot"] is True
    assert everybody["runAsUser"] == everybody["fsGroup"] == USER
    assert everybody["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    assert not any("hostPath" in volume for volume in pod()["volumes"])


def test_the_set_is_of_one_and_its_parts_find_one_another() -> None:
    whole = manifest("StatefulSet")
    assert whole["spec"]["replicas"] == 1
    labels = whole["spec"]["template"]["metadata"]["labels"]
    selectors = [
        whole["spec"]["selector"]["matchLabels"],
        manifest("Service")["spec"]["selector"],
        manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert selectors == [labels] * 3
    volumes = {volume["name"] for volume in pod()["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in whole["spec"]["volumeClaimTemplates"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert set(mounts) == volumes
    assert mounts["state"] == environment()["CV_STATE_DIR"]
    given = {one["name"]: one.get("value") for one in container()["env"]}
    assert given[VARIABLE] == mounts["secrets"]
    assert pod()["terminationGracePeriodSeconds"] == ENDS_S


def test_ports_agree_and_the_probes_ask_what_is_there() -> None:
    port = int(environment()["CV_INTAKE_PORT"])
    assert container()["ports"] == [{"name": "http", "containerPort": port}]
    assert [one["port"] for one in manifest("Service")["spec"]["ports"]] == [port]
    (ingress,) = manifest("NetworkPolicy")["spec"]["ingress"]
    assert [one["port"] for one in ingress["ports"]] == [port]
    asked = {name: container()[name]["httpGet"] for name in container() if name.endswith("Probe")}
    assert asked == {
        "startupProbe": {"path": "/livez", "port": "http"},
        "livenessProbe": {"path": "/livez", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    served = "\n".join(text for _, text in texts(".py", under=("listener/adapters/web/",)))
    assert '"/livez"' in served and '"/readyz"' in served


def test_the_settings_of_the_manifests_hold(tmp_path: Path) -> None:
    data = manifest("ConfigMap")["data"]
    settings = load(environment() | data | {VARIABLE: str(tmp_path)}, None)
    assert settings.api_base_url == data["CV_API_BASE_URL"]
