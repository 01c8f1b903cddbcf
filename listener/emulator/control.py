"""The routes that begin with an underscore: for tests and demonstrations in another process."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from .faultbook import ANY_CODE, FaultBook
from .ledger import Ledger
from .loudspeaker import Loudspeaker
from .plan import PlanInvalid, read_plan
from .records import Records
from .upstream import Upstream, error_response

Body = dict[str, object]


class Control:
    """``GET /_ledger`` · ``POST /_plan`` {code ("*" is any), fault, …fields of Plan} ·
    ``POST /_foreign`` {code} · ``POST /_emit`` {body, code} · ``POST /_create`` {codes} ·
    ``POST /_socket`` {do: kick|drop|restart|pause|resume|deafen, down_ms} · ``POST /_reset``.

    Each POST takes a JSON object and answers one; what cannot be read is a PlanInvalid.
    """

    def __init__(
        self,
        ledger: Ledger,
        book: FaultBook,
        records: Records,
        speaker: Loudspeaker,
        upstream: Upstream,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._records = records
        self._speaker = speaker
        self._upstream = upstream
        self._routes: Mapping[str, Callable[[Body], Awaitable[Body]]] = {
            "/_plan": self._plan,
            "/_foreign": self._foreign,
            "/_emit": self._emit,
            "/_create": self._create,
            "/_socket": self._socket,
            "/_reset": self._reset,
        }

    async def __call__(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if path == "/_ledger" and request.method == "GET":
            return web.json_response(self._ledger.as_json())
        route = self._routes.get(path)
        if route is None or request.method != "POST":
            return error_response(404, "Not Found")
        return web.json_response(await route(await _json_object(request)))

    async def reset(self) -> None:
        """Records, plans and ledger as at the start; what was pending is forgotten."""
        await self._upstream.forget_pending()
        self._speaker.resume()
        self._records.clear()
        self._book.clear()
        self._ledger.clear()

    async def _plan(self, body: Body) -> Body:
        code = _text(body, "code", ANY_CODE)
        self._book.queue(code, read_plan({k: v for k, v in body.items() if k != "code"}))
        return {"queued": self._book.queued()}

    async def _foreign(self, body: Body) -> Body:
        return {"number": (await self._upstream.foreign_update(_text(body, "code"))).number}

    async def _emit(self, body: Body) -> Body:
        entry = await self._upstream.emit_bare(_text(body, "code", ""), body.get("body"))
        return {"number": entry.number, "receivers": entry.receivers}

    async def _create(self, body: Body) -> Body:
        codes = body.get("codes")
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise PlanInvalid("expected codes to be a list of texts")
        for code in codes:
            self._records.create(code)
        return {"created": len(codes)}

    async def _socket(self, body: Body) -> Body:
        speaker = self._speaker
        match body.get("do"):
            case "kick":
                return {"clients": await speaker.kick()}
            case "drop":
                return {"connections": speaker.drop()}
            case "restart":
                down_ms = body.get("down_ms", 0)
                if type(down_ms) is not int or down_ms < 0:
                    raise PlanInvalid("expected down_ms to be a number of milliseconds")
                await speaker.restart(down_ms)
            case "pause":
                speaker.pause()
            case "resume":
                speaker.resume()
            case "deafen":
                return {"clients": speaker.deafen()}
            case _:
                raise PlanInvalid(
                    "expected do to be one of kick, drop, restart, pause, resume, deafen"
                )
        return {}

    async def _reset(self, _body: Body) -> Body:
        await self.reset()
        return {}


async def _json_object(request: web.BaseRequest) -> Body:
    text = await request.read()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        raise PlanInvalid("expected the body to be JSON") from None
    if not isinstance(body, dict):
        raise PlanInvalid("expected the body to be a JSON object")
    return body


def _text(body: Body, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise PlanInvalid(f"expected {name} to be a text")
    return value
