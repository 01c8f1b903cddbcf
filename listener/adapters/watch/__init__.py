"""The watched folder: a file that is put there becomes a submission."""

from .folder import WatchedFolder

__all__ = ["WatchedFolder"]
