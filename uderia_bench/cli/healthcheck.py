"""``healthcheck``: whether the worker of a container is alive."""

from __future__ import annotations

import typer


def command() -> None:
    """Exit with 1 if the worker of this container hangs.

    A worker touches the file of UDERIA_BENCH_HEARTBEAT every 2 seconds. The worker hangs if the file is
    older than 60 seconds. Where no worker is at work, the exit code is 0.

    Example: UDERIA_BENCH_HEARTBEAT=/tmp/heartbeat uderia-bench healthcheck
    """
    import os

    from uderia_bench.runner import heartbeat

    age_s = heartbeat.age_s(os.environ)
    if age_s is None:
        typer.echo("healthy: no worker is at work")
        return
    late = abs(age_s) > heartbeat.LATE_S
    typer.echo(f"{'unhealthy' if late else 'healthy'}: the last heartbeat of the worker was {round(age_s)} s ago")
    raise typer.Exit(int(late))
