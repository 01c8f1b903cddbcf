"""``doctor``: whether all that the daemon needs is there, and what to do where it is not."""

from .command import doctor

__all__ = ["doctor"]
