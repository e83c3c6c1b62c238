"""``sim``: serve the embedded Uderia."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    port: Annotated[int, typer.Option(help="Port to listen on. 0 takes a free port.")] = 5050,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 7,
    speed: Annotated[float, typer.Option(help="Speed. 1 is as fast as a real server.")] = 1.0,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML file of faults by kind, rate and time.")] = None,
) -> None:
    """Serve the embedded Uderia, for development and tests.

    Sign in as admin/admin. The first line printed is the address. Stop it with Ctrl-C.

    Example: uderia-bench sim --port 5050 --speed 20
    """
    from uderia_bench.sim.__main__ import main

    arguments = ["--port", str(port), "--seed", str(seed), "--speed", str(speed)]
    if faults is not None:
        arguments += ["--faults", str(faults)]
    raise typer.Exit(main(arguments, prog="uderia-bench"))
