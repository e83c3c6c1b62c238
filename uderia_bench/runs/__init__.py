"""A run on disk: its directory, manifest and ledger, and the way from a name to a run.

``directory`` has the files of a run, and ``run`` is a run as a value. ``find`` finds it by a name, with ``baselines``.
``manifest`` says what was planned and how it went. Its parts are ``actions``, ``generator``, ``hook``, ``interim``, ``lock``
and ``outage``. ``ledger`` has every trial and raw payload, with ``ledger_file`` and ``ledger_rows``. ``changes``, ``journal``
and ``seal`` note what a run changes on its servers.

A run in a store is ``shared``. ``bucket`` has its objects, ``protocol`` the rules for its workers, and ``mirror`` its copy on
this machine.
"""

from __future__ import annotations

from pathlib import Path

OUTPUT = Path("output")
"""The directory of runs unless ``--output`` names another."""
