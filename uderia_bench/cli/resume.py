"""``resume``: go on with a run that was interrupted."""

from __future__ import annotations

from uderia_bench.cli.options import OUTPUT, AsJson, LogFormat, Output, PlainHttp, Run, surroundings

NAME = "resume"
NEEDS_ARGUMENTS = True


def command(
    run: Run,
    output: Output = OUTPUT,
    as_json: AsJson = False,
    log_format: LogFormat = "text",
    allow_plain_http: PlainHttp = False,
) -> None:
    """Ask what an interrupted run left unasked; nothing answered is asked again.

    Example: uderia-bench resume latest
    """
    from uderia_bench import pipeline, store
    from uderia_bench.cli.finish import finish

    finish(
        pipeline.resume(store.find(run, output), surroundings(log_format=log_format, allow_plain_http=allow_plain_http)),
        as_json=as_json,
    )
