"""``resume``: go on with a run that was interrupted."""

from __future__ import annotations

from uderia_bench.cli.options import OUTPUT, AsJson, Grace, LogFormat, Output, PlainHttp, Run, surroundings

NAME = "resume"
NEEDS_ARGUMENTS = True


def command(
    run: Run,
    output: Output = OUTPUT,
    grace: Grace = None,
    as_json: AsJson = False,
    log_format: LogFormat = "text",
    allow_plain_http: PlainHttp = False,
) -> None:
    """Ask what an interrupted run left unasked; nothing answered is asked again.

    Example: uderia-bench resume latest
    """
    from uderia_bench import pipeline, store
    from uderia_bench.cli.finish import finish
    from uderia_bench.documents.quantities import seconds

    found = store.find(run, output)
    grace_s = None if grace is None else seconds(grace, "--grace")
    pipeline.resume(found, surroundings(log_format=log_format, allow_plain_http=allow_plain_http), grace_s=grace_s)
    finish(found, as_json=as_json)
