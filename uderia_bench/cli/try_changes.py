"""``try``: test changes of a profile that a run's findings suggest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import options, streams
from uderia_bench.printable import count_of

if TYPE_CHECKING:
    from uderia_bench.commands.trying.stages import Proposal, Wishes


def command(
    run: options.Run,
    arm: Annotated[str | None, typer.Option("--arm", metavar="ARM", help="The arm whose profile to change.")] = None,
    levers: Annotated[
        str | None,
        typer.Option("--levers", metavar="A,B", help="Levers to try. Default: those that answer an issue of the run."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="The metric to improve. Default: cost_usd, or total_tokens.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option("--texts", metavar="FILE", help="Texts to try as skills, in YAML: 'texts: {NAME: TEXT}'.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", metavar="N", min=1, help="Repeats of the confirmation. Default: the run's.")
    ] = None,
    budget: Annotated[float | None, typer.Option("--budget", metavar="USD", help="The most that both runs may cost.")] = None,
    traffic: Annotated[
        str | None, typer.Option("--traffic", metavar="N/day", help="Questions in production, for the saving a month.")
    ] = None,
    manage_server: Annotated[
        bool, typer.Option("--manage-server", help="Allow copies of the profile, which are deleted at the end.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes to try and their cost, without making any.")
    ] = False,
    output: options.Output = options.OUTPUT,
    as_json: options.AsJson = False,
    log_format: options.LogFormat = "text",
    allow_plain_http: options.PlainHttp = False,
    trust_server: options.TrustServer = None,
) -> None:
    """Test changes of a profile that the findings of a run suggest.

    Half of the run's queries screen the changes. The other half confirms the best ones. Nothing is changed on the server
    in the end: you get the commands that adopt what is confirmed. RUN may also be a test that was interrupted.

    Example: uderia-bench try latest --arm OPTIM --dry-run
    """
    from uderia_bench import plugins
    from uderia_bench.cli.target import Target
    from uderia_bench.commands.trying import stages
    from uderia_bench.report import trying
    from uderia_bench.runs.run import opened

    found, installed = opened(run, output), plugins.load()
    around = options.surroundings(log_format=log_format, allow_plain_http=allow_plain_http, trusted=trust_server or ())
    wishes = _wishes(arm, levers, metric, texts, repeats, budget, traffic)
    if dry_run:
        _show(stages.proposal(found, wishes, installed, around, output), as_json=as_json)
        return
    _, tried = stages.forward(found, wishes, installed, around, output, allowed=manage_server)
    if as_json:
        streams.document(trying.to_json(tried).decode())
        return
    target = Target(form="text")
    target.deliver(trying.to_text(tried, installed.metrics, target.width))


def _wishes(
    arm: str | None,
    levers: str | None,
    metric: str | None,
    texts: Path | None,
    repeats: int | None,
    budget: float | None,
    traffic: str | None,
) -> Wishes:
    from uderia_bench.commands.trying.stages import Wishes
    from uderia_bench.commands.trying.texts import read_texts
    from uderia_bench.documents.yaml.quantities import Traffic

    named = tuple(name for each in (levers or "").split(",") if (name := each.strip()))
    return Wishes(
        arm=arm,
        metric=metric,
        levers=named if texts is None or not named else tuple(dict.fromkeys((*named, "text"))),
        texts={} if texts is None else read_texts(texts),
        repeats=repeats,
        budget_usd=budget,
        traffic=None if traffic is None else options.value_of(Traffic, traffic, "--traffic"),
    )


def _show(found: Proposal, *, as_json: bool) -> None:
    """Print a proposal: what would be tried, on which queries, at what cost, and what would change on the server."""
    from dataclasses import asdict

    lock = found.lock
    if as_json:
        streams.as_json({**asdict(lock), "trials": found.trials, "usd": found.usd, "left_out": found.left_out})
        return
    cost = "unknown cost" if found.usd is None else f"about ${found.usd:.2f}"
    changes, trials = count_of(len(lock.candidates), "change"), count_of(found.trials, "trial")
    typer.echo(f"{changes} of {lock.arm}, to improve {lock.metric}: at most {trials}, {cost}")
    repeats = count_of(lock.repeats, "repeat")
    typer.echo(f"  {len(lock.screen)} queries screen, {len(lock.confirm)} others confirm with {repeats}")
    for change in found.screening.changes:
        typer.echo(f"  {change}")
    if found.left_out:
        typer.echo(f"  left out to keep the budget: {', '.join(found.left_out)}")
