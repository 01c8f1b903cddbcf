"""Which request goes where. Paths are read raw: a code is percent-decoded once, and here."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from aiohttp import web

from .control import Control
from .loudspeaker import Loudspeaker
from .options import Options
from .plan import PlanInvalid
from .upstream import Upstream, error_response


def read_path(raw: str, base: str) -> tuple[str, bool] | None:
    """The code, and whether ``/edits`` follows it; None where the path is neither.

    ``%2F`` is a slash in the code, a ``/`` never is; ``%2525`` is ``%25``.
    """
    path = raw.partition("?")[0]
    if not path.startswith(f"{base}/"):
        return None
    encoded, slash, rest = path.removeprefix(f"{base}/").partition("/")
    if not encoded or (slash and rest != "edits"):
        return None
    try:
        code = unquote_to_bytes(encoded.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        return None
    return code, bool(slash)


class Front:
    """The one handler of the server."""

    def __init__(
        self, options: Options, upstream: Upstream, speaker: Loudspeaker, control: Control
    ) -> None:
        self._options = options
        self._base = options.base_path.rstrip("/")
        self._socket = options.socket_path.rstrip("/")
        self._upstream = upstream
        self._speaker = speaker
        self._control = control

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path.rstrip("/") == self._socket:
            return await self._speaker.handle(request)
        try:
            if path.startswith("/_") and self._options.control:
                return await self._control(request, path)
            return await self._upstreams(request)
        except PlanInvalid as error:
            return error_response(400, str(error))

    async def _upstreams(self, request: web.BaseRequest) -> web.StreamResponse:
        target = read_path(request.raw_path, self._base)
        if target is None:
            return error_response(404, "Not Found")
        code, edits = target
        if request.method != ("POST" if edits else "GET"):
            return error_response(405, "Method Not Allowed")
        if edits:
            return await self._upstream.update(request, code)
        return await self._upstream.read(request, code)
