"""Whom we trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from listener.core.errors import SettingsInvalid


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """The usual authorities, and ``ca_file`` besides; nothing from the environment.

    Raises SettingsInvalid where that file holds no certificate.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsInvalid(
                f"CV_TLS_CA_FILE: expected a PEM file of certificates, found {ca_file} "
                f"({type(error).__name__}): name a file that holds some"
            ) from error
    return context
