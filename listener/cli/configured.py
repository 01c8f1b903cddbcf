"""The settings, as commands need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listener.settings import Settings

    from .daemon import Daemon


def settings() -> Settings:
    """From the environment and .env. Raises SettingsInvalid."""
    from listener.settings import load

    return load()


def daemon() -> Daemon:
    """The daemon these settings lead to, not yet asked anything."""
    from .daemon import Daemon, find

    known = settings()
    return Daemon(
        lambda: find(known.state_dir, known.intake_host, known.intake_port, known.cli_token)
    )
