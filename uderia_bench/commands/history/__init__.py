"""A folder of runs of one experiment as a history: every arm's metrics night by night, and the nights a step began.

``levels`` brings the nights onto one scale, ``steps`` finds where a series moved to stay, ``changes`` says what the manifests
of two nights disagree about, ``gather`` reads the runs, ``telling`` and ``page`` write it down. No run is measured or compared
anew.
"""

from uderia_bench.commands.history.gather import History, Series, gather
from uderia_bench.commands.history.page import to_html
from uderia_bench.commands.history.telling import as_dict, in_full

__all__ = ["History", "Series", "as_dict", "gather", "in_full", "to_html"]
