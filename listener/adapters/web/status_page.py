"""The status page at ``/``: one document, one style sheet, one script, and no data in any of them.
What it shows it asks of the API, as any client does."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from listener.plots import STYLE

from .operations import Answer, Operation, Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ABOUT = "It wants no token, for it holds nothing of this installation."


def _operation(path: str, name: str, summary: str, media: str) -> Operation:
    answer = Answer("The same for everybody.", media=media)
    return Operation("GET", path, name, summary, None, {200: answer}, about=_ABOUT)


PAGE = _operation("/", "page", "The status page", "text/html")
SHEET = _operation("/page.css", "page_style", "Its style sheet", "text/css")
SCRIPT = _operation("/page.js", "page_script", "Its script", "text/javascript")


class StatusPage:
    """Its parts, as they are installed."""

    def __init__(self) -> None:
        folder = files(__package__) / "page"
        sheet = STYLE.encode() + b"\n" + (folder / "page.css").read_bytes()
        self._parts = [
            (PAGE, (folder / "index.html").read_bytes()),
            (SHEET, sheet),
            (SCRIPT, (folder / "page.js").read_bytes()),
        ]

    def routes(self) -> list[Route]:
        """What it answers."""
        return [_route(operation, body) for operation, body in self._parts]


def _route(operation: Operation, body: bytes) -> Route:
    headers = {
        "Content-Type": f"{operation.answers[200].media}; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    async def part(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers=headers)

    return Route(operation, part)
