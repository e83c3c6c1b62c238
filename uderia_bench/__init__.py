"""Load and comparison runner for Uderia agent profiles.

In a notebook: ``load`` reads runs into a polars frame, ``compare`` tests two arms. Both are imported when first used, so that
``import uderia_bench`` and ``uderia-bench --help`` stay quick.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
