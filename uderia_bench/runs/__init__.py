"""What a run is on disk: its directory, manifest and ledger, and how a run is found by its name."""

from __future__ import annotations

from pathlib import Path

OUTPUT = Path("output")
"""Where runs are kept unless a command says otherwise."""
