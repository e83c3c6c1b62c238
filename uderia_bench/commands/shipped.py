"""Corpora, experiments and recipes that come with the package."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return the path of a shipped document, in the checkout or in the installed package."""
    package = Path(__file__).resolve().parents[1]
    return next(path for path in (package.parent / name, package / "shipped" / name) if path.is_file())
