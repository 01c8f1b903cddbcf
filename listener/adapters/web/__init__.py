"""The HTTP API: what goes in and out of the daemon by its own front door."""

from .gate import Scope, Tokens
from .gateway import RECORDS_AT_ONCE, GatewayPolicy
from .probes import Figures
from .server import WebServer
from .traces import previous_token, rotate_token, state_token

__all__ = [
    "RECORDS_AT_ONCE",
    "Figures",
    "GatewayPolicy",
    "Scope",
    "Tokens",
    "WebServer",
    "previous_token",
    "rotate_token",
    "state_token",
]
