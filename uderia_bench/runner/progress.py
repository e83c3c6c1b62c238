"""Shows a run's progress: a bar on a terminal, plain lines otherwise.

The built-in profile types read each outcome as its trial settles. ``derive`` computes the stored
outcomes later, with plug-ins.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from uderia_bench.printable import count_of
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome

LINE_EVERY_S = 10.0

Watch = Callable[[Trace], None]


@contextmanager
def shown(total: int, console: Console) -> Iterator[Watch]:
    """Yield a function to call with the trace of each settled trial."""
    counts: Counter[str] = Counter()
    if console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        ) as bar:
            task = bar.add_task("running", total=total, rate="")
            started_s = time.monotonic()

            def draw(trace: Trace) -> None:
                counts[trace.outcome] += 1
                rate = counts.total() / max(time.monotonic() - started_s, 0.001)
                bar.update(task, advance=1, description=_tally(counts), rate=f"{rate:.1f}/s")

            yield draw
        return
    last_s = time.monotonic()
    started_s = last_s

    def write(trace: Trace) -> None:
        nonlocal last_s
        counts[trace.outcome] += 1
        now_s = time.monotonic()
        if now_s - last_s >= LINE_EVERY_S and counts.total() < total:
            last_s = now_s
            rate = counts.total() / (now_s - started_s)
            left_s = (total - counts.total()) / rate
            console.print(
                f"{counts.total()}/{count_of(total, 'trial')} ({_tally(counts)}), {rate:.1f}/s, about {left_s:.0f} s left",
                highlight=False,
            )

    yield write


def _tally(counts: Counter[str]) -> str:
    names = [outcome.value for outcome in Outcome if counts[outcome]]
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names) or "starting"
