"""Writing single steps of a trial into a ledger, where a test has no run to write them."""

from __future__ import annotations

from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State
from uderia_bench.trial import TrialRecord


def mark_asked(ledger: Ledger, record: TrialRecord) -> None:
    """Write that a query was accepted."""
    ledger.write([Entry(state=State.ASKED, record=record)])


def settle(ledger: Ledger, record: TrialRecord) -> None:
    """Write how a trial ended, with its bodies."""
    ledger.write([Entry(state=State.SETTLED, record=record)])
