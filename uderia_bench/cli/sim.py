"""``sim``: the embedded Uderia, served for anything that speaks its REST."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "sim"
NEEDS_ARGUMENTS = False


def command(
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes a free port.")] = 5050,
    seed: Annotated[int, typer.Option(help="The same seed gives the same agent.")] = 7,
    speed: Annotated[float, typer.Option(help="How many times faster than real agents.")] = 1.0,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="Faults by kind, rate and time.")] = None,
) -> None:
    """Serve the embedded Uderia (admin/admin) until interrupted; its address is the first line printed.

    Example: uderia-bench sim --port 5050 --speed 20
    """
    from uderia_bench.sim.__main__ import main

    arguments = ["--port", str(port), "--seed", str(seed), "--speed", str(speed)]
    if faults is not None:
        arguments += ["--faults", str(faults)]
    raise typer.Exit(main(arguments))
