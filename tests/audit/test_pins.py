"""The pinned requirements name every extra that something pinned asks for."""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PINS = Path(__file__).parents[2] / "requirements/dev.txt"


def pinned():
    """Return what the requirements pin, with its extras."""
    lines = re.findall(r"^([A-Za-z0-9].*?) \\$", PINS.read_text(), flags=re.MULTILINE)
    return [Requirement(line) for line in lines]


def test_an_extra_that_is_asked_for_is_pinned_with_it():
    """Nothing installed asks for an extra that its pin lacks: pip calls that one unpinned as soon as a newer release is out."""
    extras = {}
    for pin in pinned():
        extras.setdefault(pin.name, set()).update(pin.extras)
    asked = [
        (distribution, requirement)
        for distribution in extras
        if _installed(distribution)
        for requirement in map(Requirement, metadata.requires(distribution) or ())
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in ("", *extras[distribution]))
    ]
    assert any(requirement.extras for _, requirement in asked), "pytest-cov asks for coverage[toml]"
    missing = [
        f"{distribution} asks for {requirement}"
        for distribution, requirement in asked
        if requirement.extras - extras[canonicalize_name(requirement.name)]
    ]
    assert not missing


def _installed(distribution):
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
