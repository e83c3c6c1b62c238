"""``make audit``: known vulnerabilities of what is pinned, and secrets in what is committed. Exits with 1 where it found any.

The vulnerabilities come from a database on the network; without it that half says so, fails, and the other half still counts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = "requirements/dev.txt"
LIMIT_S = 180
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


def vulnerabilities() -> str | None:
    """Return what is wrong with the pinned requirements, None where nothing is known."""
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
        return f"the database of vulnerabilities did not answer within {LIMIT_S} s: not audited"
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        unreachable = OFFLINE.search(done.stderr)
        return "the database of vulnerabilities cannot be reached: not audited" if unreachable else done.stderr.strip()
    known = [f"{each['name']} {each['version']}: {bug['id']}" for each in packages for bug in each.get("vulns", ())]
    if skipped := [each["name"] for each in packages if "skip_reason" in each]:
        known.append(f"{len(skipped)} of {len(packages)} packages are unknown to the database: not audited")
    return "\n".join(known) or None


def main() -> int:
    """Audit both; return the exit code."""
    found = secrets(committed())
    print("\n".join(found) or "no secrets in what is committed")
    wrong = vulnerabilities()
    print(wrong or f"no known vulnerabilities in {REQUIREMENTS}")
    return 1 if found or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
