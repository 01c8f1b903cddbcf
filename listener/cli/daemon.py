"""The daemon, over HTTP, as commands see it."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from listener.core.names import CvCode
from listener.core.wire import sanitise_filename

from . import exits

CONNECT_S = 5.0
ANSWER_S = 150.0
"""More than the daemon itself gives an upload."""
POLL_S = 60
BACK_S = 30.0
"""How long a daemon that went away while we waited may take to come back."""

_STATUSES = {
    400: exits.USAGE,
    401: exits.PERMISSION,
    403: exits.PERMISSION,
    404: exits.USAGE,
    408: exits.UNAVAILABLE,
    409: exits.TRY_LATER,
    413: exits.USAGE,
    415: exits.USAGE,
    422: exits.USAGE,
    503: exits.UNAVAILABLE,
    507: exits.IO_FAILED,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a daemon is, and what opens it."""

    host: str
    port: int
    token: str | None = field(repr=False)

    @property
    def shown(self) -> str:
        """``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def find(state_dir: Path, host: str, port: int, token: str | None) -> Address:
    """Where the daemon of this state folder said it is, or else where the settings have it.

    Raises CommandFailed where that is nowhere, or its token may not be read.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((state_dir / "intake.json").read_text("utf-8"))
        host, port = str(told["host"]), int(told["port"])
    if port == 0:
        raise exits.CommandFailed(
            exits.UNAVAILABLE, f"no daemon runs on {state_dir}", "start one: cv-listener run"
        )
    if token is None:
        token = _kept_token(state_dir / "token")
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the address to reach it by
    return Address(everywhere.get(host, host), port, token)


def _kept_token(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip() or None
    except PermissionError:
        raise exits.CommandFailed(
            exits.PERMISSION,
            f"may not read the daemon's token, {path}",
            "run this as the daemon's user, or set CV_INTAKE_TOKEN",
        ) from None
    except (OSError, UnicodeDecodeError):
        return None


class Daemon:
    """A daemon, asked over HTTP. Every refusal, and its absence, is a CommandFailed."""

    def __init__(self, found: Callable[[], Address]) -> None:
        """``found``: where it is now. Raises CommandFailed, as that does."""
        self._found = found
        self._address = found()
        self._http = httpx.Client(
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), trust_env=False
        )
        self._aim()

    def _aim(self) -> None:
        self._http.base_url = httpx.URL(f"http://{self._address.shown}")
        if self._address.token is not None:
            self._http.headers["Authorization"] = f"Bearer {self._address.token}"

    def look_again(self) -> None:
        """It does not answer: one that started anew may have another port, and another token."""
        with contextlib.suppress(exits.CommandFailed):
            address = self._found()
            if address != self._address:
                self._address = address
                self._aim()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    @property
    def shown(self) -> str:
        """Where it is."""
        return self._address.shown

    def submit(
        self, code: CvCode, file: Path, *, wait_s: int = 0, key: str | None = None
    ) -> dict[str, Any]:
        """Accepted by the daemon, or CommandFailed. May be called from several threads."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return self._read(
            self._hand_over("/v1/submissions", file, key, headers=headers, data={"cv_code": code})
        )

    def retry(
        self, path: str, file: Path | None, *, force: bool, key: str | None = None
    ) -> dict[str, Any]:
        """What was looked at, and the new ``submission``; None where there is an ``objection``."""
        query = {"force": "true"} if force else {}
        answer = self._hand_over(f"{path}/retry", file, key, params=query)
        if answer.status_code == HTTPStatus.CONFLICT:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return dict(answer.json()["retry"])
        return self._read(answer)

    def look_at_retry(self, path: str, *, sent: bool) -> dict[str, Any]:
        """The same, and nothing is done. ``sent``: as if a file came along."""
        # Nothing of it is read for this: that there is one is enough.
        files = {"cv": ("", b"")} if sent else None
        return self._ask("POST", f"{path}/retry", {"dry_run": "true"}, files=files)

    def _hand_over(
        self, path: str, file: Path | None, key: str | None, **given: Any
    ) -> httpx.Response:
        """The answer to a POST. A connection that breaks is tried once more: the key sees to it
        that nothing is accepted twice."""
        headers = {"Idempotency-Key": key or secrets.token_hex(16), **given.pop("headers", {})}
        for last in (False, True):
            with contextlib.ExitStack() as stack:
                if file is not None:
                    # Sanitised: a name need not be text, and httpx encodes it.
                    name = sanitise_filename(file.name)
                    given["files"] = {"cv": (name, stack.enter_context(file.open("rb")))}
                try:
                    return self._http.post(path, headers=headers, **given)
                except (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError):
                    if last:
                        raise exits.CommandFailed(
                            exits.UNAVAILABLE,
                            "the daemon went away while it took the file",
                            "look with 'cv-listener list' whether it was accepted",
                        ) from None
                except httpx.TransportError as error:
                    raise self.absent(error) from None
        raise AssertionError("unreachable: the last try returns or raises")

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """What a path answers."""
        return self._ask("GET", path, query)

    def post(self, path: str) -> dict[str, Any]:
        """What a path without a body answers."""
        return self._ask("POST", path)

    def post_form(
        self, path: str, fields: Mapping[str, str], query: Mapping[str, str]
    ) -> dict[str, Any]:
        """What a path answers to a form: no field of it stands in the URL."""
        parts = {name: (None, text.encode()) for name, text in fields.items()}
        try:
            return self._read(self._http.post(path, files=parts, params=query))
        except httpx.TransportError as error:
            raise self.absent(error) from None

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], quiet_s: float
    ) -> Iterator[Iterator[str]]:
        """The lines of an answer that does not end; httpx's ReadTimeout after ``quiet_s`` without
        one."""
        timeout = httpx.Timeout(quiet_s, connect=CONNECT_S)
        with self._http.stream("GET", path, params=query, timeout=timeout) as answer:
            if not answer.is_success:
                answer.read()
                self._read(answer)
            yield answer.iter_lines()

    def listing(
        self, what: str, filters: Mapping[str, str], most: int | None
    ) -> Iterator[dict[str, Any]]:
        """``submissions`` or ``gaps``, newest first, ``most`` at most."""
        cursor: str | None = None
        left = most
        while left is None or left > 0:
            query: dict[str, str | int] = {**filters, "limit": min(left or 500, 500)}
            if cursor is not None:
                query["cursor"] = cursor
            page = self.get(f"/v1/{what}", query)
            yield from page[what]
            left = None if left is None else left - len(page[what])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def wait_closed(
        self,
        submission_id: str,
        *,
        poll_s: int = POLL_S,
        enough: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Wait until it is closed, however long; a daemon that restarts meanwhile is waited for.
        ``enough``: asked every ``poll_s``, whether to return it as it stands."""
        gone_since: float | None = None
        while True:
            try:
                shown = self._read(
                    self._http.get(
                        f"/v1/submissions/{submission_id}", headers={"Prefer": f"wait={poll_s}"}
                    )
                )
            except httpx.TransportError as error:
                now = time.monotonic()
                gone_since = gone_since or now
                self.look_again()
                if now - gone_since > BACK_S:
                    raise exits.CommandFailed(
                        exits.UNAVAILABLE,
                        f"the daemon at {self.shown} went away while we waited"
                        f" ({type(error).__name__})",
                        f"nothing is lost: start it, then 'cv-listener show {submission_id}'",
                    ) from None
                time.sleep(0.5)
                continue
            gone_since = None
            if shown["state"] == "closed" or enough():
                return shown

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> dict[str, Any]:
        try:
            return self._read(self._http.request(method, path, params=query, files=files))
        except httpx.TransportError as error:
            raise self.absent(error) from None

    def absent(self, error: httpx.TransportError) -> exits.CommandFailed:
        """What to say of one that does not answer."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return exits.CommandFailed(
                exits.UNAVAILABLE,
                f"no daemon answers at {self.shown}",
                "start one: cv-listener run",
            )
        return exits.CommandFailed(
            exits.UNAVAILABLE,
            f"the daemon at {self.shown} did not answer ({type(error).__name__})",
            "its log says more",
        )

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise exits.CommandFailed(
                exits.UNAVAILABLE,
                f"what answers at {self.shown} is no cv-listener (status {answer.status_code})",
                "look at CV_INTAKE_HOST and CV_INTAKE_PORT",
            )
        if answer.is_success:
            return body
        status = _STATUSES.get(answer.status_code, exits.INTERNAL)
        hint = None
        if status == exits.PERMISSION:
            hint = "run this as the daemon's user, or set CV_INTAKE_TOKEN"
        raise exits.CommandFailed(
            status, f"{body.get('title', 'refused')}: {body.get('detail', '')}", hint
        )
