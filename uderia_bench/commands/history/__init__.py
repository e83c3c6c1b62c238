"""The history of one experiment: every metric of every arm, night by night, and what changed.

``gather`` reads the runs, ``levels`` puts their nights on one scale, and ``shifts`` finds steps, ramps,
odd nights and a weekly rhythm, by the fits of ``fits``. ``changes`` compares the manifests of two
nights. ``telling`` and ``page`` write text, JSON and HTML. No run is measured or compared again.
"""

from uderia_bench.commands.history.gather import History, Series, gather
from uderia_bench.commands.history.page import to_html
from uderia_bench.commands.history.shifts import Kind
from uderia_bench.commands.history.telling import as_dict, in_brief, in_full

__all__ = ["History", "Kind", "Series", "as_dict", "gather", "in_brief", "in_full", "to_html"]
