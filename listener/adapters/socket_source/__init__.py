"""The ear over Socket.IO: one supervisor, a fresh connection each time, one ordered queue."""

from .endpoint import OnConnect
from .source import SocketSource
from .trial import Trial

__all__ = ["OnConnect", "SocketSource", "Trial"]
