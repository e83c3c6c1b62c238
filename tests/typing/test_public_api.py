"""The typing test covers every public name, and the package ships its types."""

import re
from importlib.resources import files
from pathlib import Path

import uderia_bench
from uderia_bench import plugins

CHECKED = Path(__file__).with_name("public_api.py").read_text(encoding="utf-8")


def test_the_package_ships_its_types():
    """Without the marker a user's type checker ignores every annotation."""
    assert (files("uderia_bench") / "py.typed").is_file()


def test_every_public_name_is_in_the_typing_test():
    """``make lint`` checks that file with mypy."""
    notebook = {name for name in uderia_bench.__all__ if not re.search(rf"\bub\.{name}\b", CHECKED)}
    authors = {name for name in plugins.__all__ if not re.search(rf"^    {name},$", CHECKED, re.MULTILINE)}
    assert notebook | authors == set()
