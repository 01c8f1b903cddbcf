"""The upstream's HTTP side: httpx's vocabulary over an aiohttp transport of ours."""

from .upstream import Greeting, HttpUpstream

__all__ = ["Greeting", "HttpUpstream"]
