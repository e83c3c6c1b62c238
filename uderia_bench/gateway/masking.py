"""Mask secrets in what comes from outside: a server may repeat a token or a password in its answers.

All bytes of an answer pass here before anything reads them (``gateway/wire.py``), so no ledger, log, report or error
message contains a secret that was sent to that server.
"""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

MASK = "***"
# Characters. A shorter secret, such as the password "admin", may be a usual word of an answer. It is masked only in
# errors.
SHORTEST = 8


class Secrets:
    """The secrets of one connection, in the forms in which a server may repeat them."""

    def __init__(self) -> None:
        self._long: tuple[bytes, ...] = ()
        self._all: tuple[bytes, ...] = ()

    def add(self, secret: str) -> None:
        """Mask a secret from now on: as it is, and escaped for JSON, HTML or a URL, and in base64."""
        if not secret or secret.encode() in self._all:
            return
        forms = sorted({form for form in _forms(secret) if form}, key=len, reverse=True)
        if len(secret) >= SHORTEST:
            self._long = (*self._long, *forms)
        self._all = (*self._all, *forms)

    def mask(self, data: bytes, *, error: bool) -> bytes:
        """Return an answer without the secrets. Short ones are masked only in an ``error``."""
        for form in self._all if error else self._long:
            if form in data:
                data = data.replace(form, MASK.encode())
        return data

    def mask_text(self, text: str) -> str:
        """Return the text of an error without the secrets."""
        data = text.encode(errors="surrogateescape")
        return self.mask(data, error=True).decode(errors="surrogateescape")


def _forms(secret: str) -> set[bytes]:
    in_json = json.dumps(secret)[1:-1]
    forms = {
        secret,
        in_json,
        in_json.replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(secret.encode()).decode(),
    }
    return {form.encode(errors="surrogateescape") for form in forms}
