"""The API as one application: every room's routes, behind the gate."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from listener.core.errors import JournalFault
from listener.ports.front import Front
from listener.ports.log import Log

from .gate import Names, Tokens
from .gateway import Gateway
from .operations import Handler, Operation, Route
from .parameters import keep_query
from .passed_on import before_it_leaves
from .problems import Refused, of_http, of_journal, problem

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Api:
    """Who may ask, and how what goes wrong is told."""

    def __init__(self, front: Front, tokens: Tokens, names: Names, log: Log) -> None:
        self._front = front
        self._tokens = tokens
        self._names = names
        self._log = log
        self._any_host: set[str] = set()

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
        operation = route.operation

        async def allowed(request: web.Request) -> web.StreamResponse:
            self._admit(request, operation)
            return await route.handler(request)

        async def before_the_body(request: web.Request) -> web.StreamResponse | None:
            return await self._before_the_body(request, operation)

        if operation.any_host:
            self._any_host.add(operation.path)
        if operation.method == "GET":
            app.router.add_get(operation.path, allowed, allow_head=not operation.endless)
        else:
            early = before_the_body if operation.early else None
            app.router.add_route(operation.method, operation.path, allowed, expect_handler=early)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever a handler does, the client gets an answer that tells it only its own."""
        try:
            if request.path not in self._any_host:
                self._names.check(request.headers.get("Host"))
            response = await handler(request)
        except Refused as refused:
            response = problem(refused)
        except web.HTTPException as error:
            response = problem(of_http(error))
        except JournalFault as fault:
            self._front.failed(fault)
            response = problem(of_journal())
        except ConnectionError:
            raise  # The client is gone.
        except Exception as error:  # noqa: BLE001 - our own fault, of any kind: told without its text
            self._log.emit("intake.request_failed", error_type=type(error).__name__)
            response = problem(Refused("internal", "not the request's fault; the log names it"))
        response.headers.update(_HEADERS)
        return response

    def _admit(self, request: web.Request, operation: Operation) -> None:
        """By somebody who may ask it, and as it may be asked. Raises Refused."""
        if operation.scope is not None:
            self._tokens.check(request.headers.get("Authorization"), operation.scope)
        if operation.parameters is not None:
            keep_query(request, operation.parameters)

    async def _before_the_body(
        self, request: web.Request, operation: Operation
    ) -> web.StreamResponse | None:
        """``Expect: 100-continue``: a refusal spares the client the upload."""
        if request.headers.get("Expect", "").lower() != "100-continue":
            return None

        async def admitted(request: web.Request) -> web.StreamResponse:
            self._admit(request, operation)
            return web.Response(status=100)

        response = await self._answer(request, admitted)
        if response.status != 100:
            response.force_close()
            return response
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None
