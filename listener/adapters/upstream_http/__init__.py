"""The upstream's HTTP side: httpx's vocabulary over an aiohttp transport of ours."""

from .upstream import HttpUpstream

__all__ = ["HttpUpstream"]
