"""What the secret scan finds, that it finds nothing here, and that it does not repeat what it found."""

from __future__ import annotations

import pytest
from audit.audit import committed, secrets


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN RSA " + "PRIVATE KEY-----", "private key"),
        ("id = AKIA" + "ABCDEFGHIJKLMNOP", "AWS access key"),
        ("UDERIA_TOKEN=tda_" + "a1" * 20, "Uderia access token"),
        ("eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJ" + "1c2VyX2lkIjoxfQ." + "c2lnbmF0dXJlIQ", "JSON Web Token"),
        ("key: sk-ant-" + "a1" * 20, "key of a model provider"),
        ("ghp_" + "a1" * 18, "token of a code host"),
        ("url: https://me:" + "verysecretword@example.com", "password in an address"),
    ],
)
def test_a_secret_is_found_and_not_repeated(tmp_path, text, kind):
    """File, line and kind; not the secret."""
    path = tmp_path / "notes.txt"
    path.write_text(f"nothing here\n{text}\n")
    assert secrets([path]) == [f"notes.txt:2: looks like a {kind}"]


def test_nothing_here_looks_like_one():
    """Every file that is committed or about to be."""
    assert secrets(committed()) == []
