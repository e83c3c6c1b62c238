"""A run on disk: its directory, manifest and ledger, and the way from a name to a run."""

from __future__ import annotations

from pathlib import Path

OUTPUT = Path("output")
"""The directory of runs unless ``--output`` names another."""
