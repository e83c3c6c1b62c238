"""Contents of a turn's prompts by module, from the server's context-window snapshots.

Source: docs/reference/protocol.md, "Events of every turn".
"""

from __future__ import annotations

from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import count, mapping, sequence, text
from uderia_bench.trace import ContextModule

_KIND = "context_window_snapshot"
# Without events, the turn has two of the snapshots, under the names of their events
# (docs/reference/protocol.md, "Turn fields").
_KEPT = (
    ("Context Window Assembly", "context_window_snapshot_event"),
    ("Context Assembly (Strategic)", "strategic_context_snapshot_event"),
)


def modules(exchange: Exchange) -> tuple[ContextModule, ...]:
    """Return the modules that contributed to a prompt, in the order of the prompts."""
    snapshots = [(text(event.data.get("step")) or _KIND, event.body) for event in exchange.all(_KIND)]
    if not snapshots:
        snapshots = [(name, mapping(exchange.turn.get(key))) for name, key in _KEPT]
    return tuple(
        ContextModule(assembly=assembly, label=text(module.get("label")) or text(module.get("module_id")) or "?", tokens=used)
        for assembly, snapshot in snapshots
        for module in sequence(snapshot.get("contributions"))
        if isinstance(module, dict) and (used := count(module.get("used")))
    )
