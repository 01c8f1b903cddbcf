"""The API as one application: every room's routes, behind the gate."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from listener.core.errors import JournalFault
from listener.ports.front import Front
from listener.ports.log import Log

from .gate import Names, Scope, Tokens
from .gateway import Gateway
from .passed_on import before_it_leaves
from .problems import Refused, of_http, problem
from .routes import Handler, Route

PROBES = {"/livez", "/readyz"}
"""Asked by supervisors, which know an address alone and no token; they tell nothing of a CV."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Api:
    """Who may ask, and how what goes wrong is told."""

    def __init__(self, front: Front, tokens: Tokens, names: Names, log: Log) -> None:
        self._front = front
        self._tokens = tokens
        self._names = names
        self._log = log

    def app(self, routes: Iterable[Route], gateway: Gateway) -> web.Application:
        """The routes, behind the gate; and the gateway, which has its own."""

        @web.middleware
        async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
            if gateway.owns(request):
                return await gateway.answer(request)
            return await self._answer(request, handler)

        app = web.Application(middlewares=[refusals])
        app.on_response_prepare.append(before_it_leaves)
        gateway.add_to(app.router)
        for route in routes:
            self._add(app, route)
        return app

    def _add(self, app: web.Application, route: Route) -> None:
        scope = route.scope

        async def allowed(request: web.Request) -> web.StreamResponse:
            if scope is not None:
                self._allow(request, scope)
            return await route.handler(request)

        async def before_the_body(request: web.Request) -> web.StreamResponse | None:
            return await self._before_the_body(request, scope)

        if route.method == "GET":
            app.router.add_get(route.path, allowed)
        else:
            early = before_the_body if route.early else None
            app.router.add_route(route.method, route.path, allowed, expect_handler=early)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever a handler does, the client gets an answer that tells it only its own."""
        try:
            if request.path not in PROBES:
                self._names.check(request.headers.get("Host"))
            response = await handler(request)
        except Refused as refused:
            response = problem(refused)
        except web.HTTPException as error:
            response = problem(of_http(error))
        except JournalFault as fault:
            self._front.failed(fault)
            response = problem(Refused("journal_failed", "the daemon stops; its log says why"))
        except ConnectionError:
            raise  # The client is gone.
        except Exception as error:  # noqa: BLE001 - our own fault, of any kind: told without its text
            self._log.emit("intake.request_failed", error_type=type(error).__name__)
            response = problem(Refused("internal", "not the request's fault; the log names it"))
        response.headers.update(_HEADERS)
        return response

    def _allow(self, request: web.Request, scope: Scope) -> None:
        self._tokens.check(request.headers.get("Authorization"), scope)

    async def _before_the_body(
        self, request: web.Request, scope: Scope | None
    ) -> web.StreamResponse | None:
        """``Expect: 100-continue``: a refusal spares the client the upload."""
        if request.headers.get("Expect", "").lower() != "100-continue":
            return None

        async def allow(request: web.Request) -> web.StreamResponse:
            if scope is not None:
                self._allow(request, scope)
            return web.Response(status=100)

        response = await self._answer(request, allow)
        if response.status != 100:
            response.force_close()
            return response
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None
