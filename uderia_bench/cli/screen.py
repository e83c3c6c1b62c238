"""A run in progress on the whole terminal: progress and latency of each arm, trials in flight, and failures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from uderia_bench.printable import plain
from uderia_bench.report import figures
from uderia_bench.report import watch as progress
from uderia_bench.report.formats.layout import cut
from uderia_bench.report.sparkline import sparkline
from uderia_bench.trial import Outcome, Stage

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from uderia_bench.report.watch import Look

_DRAWN = 30  # newest answers of a sparkline
_BAR = 24  # columns of a progress bar
_ROWS_AROUND = 12  # lines of a screen that neither show trials in flight nor failures
_LATENCY = next(metric for metric in progress.METRICS if metric.name == "latency_s")


def show(look: Callable[[], Look], over: Callable[[Look], bool], wait: Callable[[], None], console: Console) -> None:
    """Redraw the state of a run until it is over. Ctrl-C leaves the screen and does not disturb the run."""
    with suppress(KeyboardInterrupt), Live(console=console, screen=True, auto_refresh=False) as live:
        while not over(now := look()):
            live.update(drawn(now, at=datetime.now(UTC), width=console.width, height=console.height), refresh=True)
            wait()


def drawn(look: Look, *, at: datetime, width: int, height: int) -> RenderableType:
    """Return a screen of the given size in terminal columns and lines."""
    room = max(2, height - _ROWS_AROUND - len(progress.arm_names(look.plan)))
    failures = [progress.failure(each) for each in look.last_failures]
    flights = progress.flights(look, at=at)
    shown = flights[: max(1, room - len(failures))]
    more = f", the oldest {len(shown)} of them" if len(shown) < len(flights) else ""
    lines: list[RenderableType] = [
        Text(cut(progress.in_a_line(look), width), style="bold"),
        Text(),
        _arms(look),
        Text(),
        Text(f"In flight: {len(flights)}{more}", style="bold"),
        *(Text(cut(f"  {line}", width)) for line in shown),
    ]
    if failures:
        lines += [Text(), Text("Latest trials without an answer", style="bold")]
        lines += [Text(cut(f"  {line}", width), style="red") for line in failures]
    return Group(*lines, Text(), Text(cut(progress.NOT_DECIDING, width), style="dim"), Text("Ctrl-C leaves. The run goes on."))


def _arms(look: Look) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("arm", "progress", "done", "answered", f"latency of the last {_DRAWN} answers", "mean"):
        table.add_column(name, no_wrap=True)
    for arm in progress.arm_names(look.plan):
        planned = sum(trial.arm == arm and trial.stage is Stage.MEASURED for trial in look.plan)
        ours = [each for each in look.seen if each.trial.arm == arm and each.trial.stage is Stage.MEASURED]
        answered = [each for each in ours if each.outcome is Outcome.ANSWERED]
        ended = sorted(((each.last_at, each.values[_LATENCY.name]) for each in answered if each.last_at), key=itemgetter(0))
        times = [latency for _, latency in ended[-_DRAWN:]]
        known = [value for value in times if value is not None]
        estimate = look.estimate(arm, _LATENCY)
        scale = figures.scale_of(_LATENCY, estimate.value, *known)
        table.add_row(
            Text(cut(plain(arm), _BAR)),
            ProgressBar(total=max(planned, 1), completed=len(ours), width=_BAR),
            f"{len(ours)}/{planned}",
            figures.percentage(len(answered) / len(ours)) if ours else figures.MISSING,
            f"{sparkline(times, 0.0, max(known))} up to {figures.amount(max(known), scale)}" if known else "",
            figures.estimate_forms(estimate, scale)[0],
        )
    return table
