"""Secrets that the scan finds, an empty scan of this repository, and the reading of pip-audit's output."""

from __future__ import annotations

import pytest
from audit.audit import COULD_NOT_RUN, FOUND, committed, exit_code, read, secrets


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


CLEAN = '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'
KNOWN = (
    '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}, {"name": "b", "skip_reason": "not found"}]}'
)
SKIPPED = '{"dependencies": [{"name": "a", "skip_reason": "not found"}, {"name": "b", "version": "2", "vulns": []}]}'


@pytest.mark.parametrize(
    ("said", "complained", "known", "not_audited", "code"),
    [
        (CLEAN, "", (), None, 0),
        (KNOWN, "", ("a 1: CVE-1",), "knows nothing of 1 of 2 packages", FOUND),
        (SKIPPED, "", (), "the database answers, and knows nothing of 1 of 2 packages", COULD_NOT_RUN),
        (
            "",
            "HTTPSConnectionPool: Max retries exceeded",
            (),
            "the database of vulnerabilities cannot be reached",
            COULD_NOT_RUN,
        ),
        ("", "Traceback\nValueError: odd", (), "pip-audit failed: ValueError: odd", COULD_NOT_RUN),
        ("{}", "", (), "pip-audit failed: it said nothing", COULD_NOT_RUN),
    ],
)
def test_what_could_not_be_looked_up_is_no_pass_and_no_find(said, complained, known, not_audited, code):
    """Clean is 0, anything found is 1, anything not looked up is 3."""
    audit = read(said, complained)
    assert audit.known == known
    assert (audit.not_audited is None) is (not_audited is None)
    assert not_audited is None or not_audited in audit.not_audited
    assert exit_code([], audit) == code
    assert exit_code(["a secret"], audit) == FOUND
