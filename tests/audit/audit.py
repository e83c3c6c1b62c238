"""``make audit``: known vulnerabilities of the pinned packages, and secrets in committed files.

Exits with 1 when it finds any. Exits with 3 when the database of vulnerabilities, which is on the network, cannot be
reached: an audit that did not happen does not pass. The scan for secrets is reported in either case.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = "requirements/dev.txt"
LIMIT_S = 180
FOUND, COULD_NOT_RUN = 1, 3  # as uderia-bench itself ends
OFFLINE = re.compile(r"Connection|Failed to establish|Max retries|timed out|NameResolution|ProxyError|SSLError", re.IGNORECASE)

# What a secret looks like. Toy passwords of tests are words, and stay below all of these.
PATTERNS = {
    "private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "AWS access key": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "Uderia access token": re.compile(rb"\btda_[A-Za-z0-9_-]{32,}"),
    "JSON Web Token": re.compile(rb"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "key of a model provider": re.compile(rb"\b(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{24,}|AIza[0-9A-Za-z_-]{35})"),
    "token of a code host": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20})"),
    "password in an address": re.compile(rb"[a-z]+://[^\s/:@'\"{}]+:[^\s/:@'\"{}]{8,}@[a-z0-9.-]+"),
}
ALLOWED: dict[str, str] = {}
"""Files that may contain what looks like a secret, each with the reason."""


def secrets(files: list[Path]) -> list[str]:
    """Say where in some files something looks like a secret; what it is is not repeated."""
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        if name in ALLOWED or not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            found += [f"{name}:{number}: looks like a {kind}" for kind, pattern in PATTERNS.items() if pattern.search(line)]
    return found


def committed() -> list[Path]:
    """Return every file that is committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is known to be wrong with what is pinned, and why some or all of it could not be looked up."""

    known: tuple[str, ...] = ()
    not_audited: str | None = None


def vulnerabilities() -> Audit:
    """Look the pinned requirements up in the database of pip-audit."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner",
        "off",
        "-f",
        "json",
    ]
    try:
        done = subprocess.run(
            [*command, "-r", REQUIREMENTS], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Audit(not_audited=f"the database of vulnerabilities did not answer within {LIMIT_S} s")
    return read(done.stdout, done.stderr)


def read(said: str, complained: str) -> Audit:
    """Read the output of pip-audit. A package that the database does not know is reported as not audited."""
    try:
        packages = json.loads(said)["dependencies"]
    except (KeyError, TypeError, ValueError):
        if OFFLINE.search(complained):
            return Audit(not_audited="the database of vulnerabilities cannot be reached")
        return Audit(not_audited=f"pip-audit failed: {(complained.strip().splitlines() or ['it said nothing'])[-1]}")
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    return Audit(
        known=tuple(f"{each['name']} {each['version']}: {bug['id']}" for each in packages for bug in each.get("vulns", ())),
        not_audited=f"the database answers, and knows nothing of {len(unknown)} of {len(packages)} packages"
        if unknown
        else None,
    )


def exit_code(found: list[str], audit: Audit) -> int:
    """Return what the command line ends with; what was found weighs more than what could not be looked for."""
    if found or audit.known:
        return FOUND
    return COULD_NOT_RUN if audit.not_audited else 0


def main() -> int:
    """Audit both; each has its own lines, whatever the other came to."""
    found = secrets(committed())
    print("\n".join(found) or "secrets: none in what is committed")
    audit = vulnerabilities()
    print("\n".join(audit.known), end="\n" if audit.known else "")
    if audit.not_audited:
        print(f"vulnerabilities: NOT AUDITED: {audit.not_audited} ({REQUIREMENTS})")
    elif not audit.known:
        print(f"vulnerabilities: none known in {REQUIREMENTS}")
    return exit_code(found, audit)


if __name__ == "__main__":
    sys.exit(main())
