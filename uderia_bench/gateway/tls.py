"""Errors of a TLS connection, as the transport raises them."""

from __future__ import annotations

import ssl

import httpx


class UntrustedCertificate(httpx.ConnectError):
    """The server's certificate is not trusted."""

    def __init__(self, error: ssl.SSLCertVerificationError, request: httpx.Request) -> None:
        self.error = error
        super().__init__(error.verify_message, request=request)


class NoTls(httpx.ConnectError):
    """The server does not speak TLS."""
