"""``work``: a worker of a run in a store."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import options


def command(
    run: Annotated[str, typer.Argument(metavar="RUN-URL", help="The run's address, such as s3://bucket/prefix/RUN.")],
    lease: Annotated[
        str | None,
        typer.Option(
            "--lease", metavar="TIME", help="How long other workers wait for a worker that has gone silent. Default: 60s."
        ),
    ] = None,
    at_once: Annotated[
        int | None,
        typer.Option(
            "--at-once", metavar="N", min=1, help="The most servers that this worker asks at the same time. Default: 1."
        ),
    ] = None,
    on: options.On = None,
    as_json: options.AsJson = False,
    log_format: options.LogFormat = "text",
    allow_plain_http: options.PlainHttp = False,
    trust_server: options.TrustServer = None,
    allow_commands: options.AllowCommands = False,
) -> None:
    """Work on a run in a store until it is complete.

    Any number of workers can work on a run, on any machines. Each worker takes a free server and asks what
    is left there. When a worker dies, another one continues. A worker signs in with the credentials of its
    own environment.

    Example: uderia-bench work s3://bucket/prefix/20260101-200000-nightly-4f1c
    """
    from uderia_bench.cli.finish import finish
    from uderia_bench.commands.run import engine, work
    from uderia_bench.documents.yaml.quantities import Duration
    from uderia_bench.runs.protocol import LENGTH_S
    from uderia_bench.runs.shared import SharedRun

    length_s = LENGTH_S if lease is None else options.value_of(Duration, lease, "--lease")
    around = options.surroundings(
        log_format=log_format, allow_plain_http=allow_plain_http, trusted=trust_server or (), allowed=allow_commands
    )
    tasks_on = engine(on, at_once)
    worked = work(SharedRun.open(run), around, at_once=at_once or 1, length_s=length_s, tasks_on=tasks_on)
    finish(worked, around, as_json=as_json)
