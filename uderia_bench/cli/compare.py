"""``compare``: a quick comparison of two profiles on one query or a few."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uderia_bench.cli import options

if TYPE_CHECKING:
    from uderia_bench.documents.experiment import Experiment

DEFAULT_REPEATS = 10  # decides a twofold difference: ``commands.compare.outlook`` has the figures
DEFAULT_TIMEOUT = "10m"  # the server allows minutes per plan (docs/reference/seed.md, "Measurement")


def command(
    query: Annotated[list[str], typer.Option("--query", metavar="TEXT", help="The question. May be repeated.")],
    profile1: Annotated[str, typer.Option("--profile1", metavar="TAG", help="Profile tag of the baseline.")],
    profile2: Annotated[str, typer.Option("--profile2", metavar="TAG", help="Profile tag of the candidate.")],
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL|sim", help=f"The server to ask. Default: {options.DEFAULT_SERVER}.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long a trial may take.")] = DEFAULT_TIMEOUT,
    repeats: Annotated[
        int, typer.Option("--repeats", metavar="N", help="How often each question is asked on each profile.")
    ] = DEFAULT_REPEATS,
    speed: Annotated[float, typer.Option(help="Speed of the embedded server, with --server sim.")] = 1.0,
    grace: options.Grace = None,
    output: options.Output = options.OUTPUT,
    run_id: options.RunId = None,
    as_json: options.AsJson = False,
    log_format: options.LogFormat = "text",
    allow_plain_http: options.PlainHttp = False,
) -> None:
    """Compare two profiles on one query or a few.

    Trials are asked one at a time.

    Example: uderia-bench compare --query "how many databases are on the system?" --profile1 IDEAT
    --profile2 OPTIM
    """
    from uderia_bench import plugins
    from uderia_bench.cli.finish import finish
    from uderia_bench.commands import compare
    from uderia_bench.commands.run import start
    from uderia_bench.documents.yaml.quantities import Duration, Patience

    more = {} if grace is None else {"grace": options.value_of(Patience, grace, "--grace")}
    asked = experiment_of(
        tuple(query),
        (profile1, profile2),
        server=options.address(server),
        timeout=options.value_of(Duration, timeout, "--timeout"),
        repeats=repeats,
        speed=speed,
        **more,
    )
    for line in compare.outlook(queries=len(query), repeats=repeats):
        typer.echo(f"uderia-bench: {line}", err=True)
    installed = plugins.load()
    around = options.surroundings(log_format=log_format, allow_plain_http=allow_plain_http, trusted=[server or ""])
    run = start(asked, output=output, run_id=run_id, around=around)
    finish(run, around, as_json=as_json, also=partial(compare.write, installed))


def experiment_of(
    queries: tuple[str, ...],
    profiles: tuple[str, str],
    *,
    server: str,
    timeout: float,
    repeats: int,
    speed: float,
    **more: Any,
) -> Experiment:
    """Return the experiment of these options, with ``more`` of its fields."""
    from uderia_bench.commands.init import arm_names
    from uderia_bench.documents import experiment
    from uderia_bench.documents.corpus import Corpus, Query
    from uderia_bench.documents.yaml.document import Document
    from uderia_bench.errors import UsageError

    if not all(text.strip() for text in queries):
        raise UsageError("--query is empty; write the question")
    asked = tuple(Query(id=f"query-{number}", prompt=text, turns=(text,)) for number, text in enumerate(queries, 1))
    data = {
        "version": 1,
        "name": "compare",
        "server": server,
        "sim": {"speed": speed},
        "arms": [{"name": name, "profile": profile} for name, profile in zip(arm_names(profiles), profiles, strict=True)],
        "repeats": repeats,
        "timeout": timeout,
        "load": {"concurrency": 1, "isolation": "trial"},
        **more,
    }
    return experiment.parse(Document.of(data, file="compare"), corpora=(Corpus(name="compare", queries=asked),))
