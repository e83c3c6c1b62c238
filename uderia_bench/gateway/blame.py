"""Say why a server cannot be used: its address, path, certificate or protocol, or the credentials.

A wrong password is blamed only when the server answers like Uderia and refuses it.
"""

from __future__ import annotations

import ssl

import httpx

from uderia_bench.errors import CannotRun, Down, NoAnswer, NoCredentials, NotSignedIn, Unreachable
from uderia_bench.gateway.tls import NoTls, UntrustedCertificate
from uderia_bench.gateway.trust import is_loopback
from uderia_bench.gateway.wire import Reply, server_words
from uderia_bench.printable import plain

# OpenSSL's numbers of what is wrong with a certificate (x509_vfy.h)
_EXPIRED = frozenset({9, 10})
_OTHER_NAME = frozenset({62, 63, 64})
_MEANT_FOR_HTTPS = "plain HTTP request was sent to HTTPS port"  # nginx


def refused_sign_in(server: str, path: str, reply: Reply, user: str | None) -> CannotRun:
    """Make the error for an unsuccessful sign-in. ``user`` is None for an access token."""
    said = server_words(reply)
    status = f"HTTP {reply.status}" + (f", {said}" if said else "")
    if reply.status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN) or (
        reply.status == httpx.codes.BAD_REQUEST and isinstance(reply.json(), dict)
    ):
        if user is None:
            return NotSignedIn(f"{server} does not accept UDERIA_TOKEN ({status}): set a valid one")
        return NotSignedIn(f"{server} refuses {user!r}: {said or status}; check UDERIA_USERNAME and UDERIA_PASSWORD")
    return Unreachable(_other(server, path, reply, status))


def no_credentials(server: str) -> NoCredentials:
    """Make the error for a server that answers, where there are no credentials for it."""
    return NoCredentials(
        f"no credentials for {server}: set UDERIA_TOKEN, or UDERIA_USERNAME and UDERIA_PASSWORD, "
        f"or run 'uderia-bench login --server {server}'"
    )


def _other(server: str, path: str, reply: Reply, status: str) -> str:
    """Return the message for an answer of something else than Uderia."""
    if httpx.codes.is_redirect(reply.status):
        to = plain(reply.location or "no address")
        named = to.removesuffix(path) if to.endswith(path) else to
        return (
            f"{server} redirects the sign-in to {to} (HTTP {reply.status}), and redirects are not followed: "
            f"name the server's own address with --server or UDERIA_URL, such as {named}"
        )
    if _MEANT_FOR_HTTPS in reply.body[:10_000].decode(errors="replace"):
        return f"{server} expects https: use {server.replace('http://', 'https://', 1)}"
    if reply.status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
        return f"{server}: a proxy asks for a sign-in ({status}); use an address that is reached without it"
    if reply.status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
        return (
            f"{server}{path} does not exist ({status}): check host, port and path of the address; "
            "it ends before /api, as in http://localhost:5050"
        )
    if not isinstance(reply.json(), dict):
        return f"{server}{path} answers, but not like Uderia ({status}): check host, port and path of the address"
    return f"{server}{path} answers, but not with a token ({status}): check host, port and path of the address"


def unreachable(server: str, error: NoAnswer) -> Unreachable:
    """Make the error for a server without an answer, with its cause and the settings to change."""
    cause = error.__cause__
    if isinstance(cause, UntrustedCertificate):
        return Unreachable(f"{server}: its certificate is not trusted ({cause}): {_certificate(cause.error)}")
    if isinstance(cause, NoTls):
        host = httpx.URL(server).host
        flag = "" if is_loopback(host) else " with --allow-plain-http"
        return Unreachable(f"{server} does not speak https ({cause}): if it serves plain http, use http://{flag}")
    if isinstance(error, Down):
        return Unreachable(
            f"{server} answers with an error ({error}): the server, or a proxy in front of it, is not ready or broken; "
            "look at its log, or name another with --server or UDERIA_URL"
        )
    also = "; if it serves https, use https://" if server.startswith("http://") else ""
    if isinstance(cause, httpx.RemoteProtocolError):
        return Unreachable(f"{server} does not speak HTTP ({cause}): check host and port of the address{also}")
    reason = f"{type(cause).__name__}: {cause}" if cause is not None and str(cause) else str(error)
    return Unreachable(
        f"no server answers at {server} ({reason}): start it, or name another with --server or UDERIA_URL"
        f"{also if isinstance(cause, httpx.ReadError) else ''}"
    )


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    """Return what to do about a certificate."""
    if error.verify_code in _OTHER_NAME:
        return "use a host name that the certificate contains"
    if error.verify_code in _EXPIRED:
        return "renew it, or correct this machine's clock"
    return "set SSL_CERT_FILE to a file with the certificate of the authority that signed it"
