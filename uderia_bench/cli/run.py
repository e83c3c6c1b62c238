"""``run``: run an experiment and report it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uderia_bench.cli import options, streams
from uderia_bench.cli.target import Target
from uderia_bench.printable import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from uderia_bench.commands.forecast import ArmForecast
    from uderia_bench.documents.experiment import Experiment
    from uderia_bench.documents.yaml.document import Override
    from uderia_bench.runner.outline import Outline
    from uderia_bench.runner.surroundings import Surroundings


def command(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="An experiment file (YAML).")],
    server: options.Server = None,
    repeats: Annotated[int | None, typer.Option(metavar="N", help="How often each query is asked on each arm.")] = None,
    concurrency: Annotated[int | None, typer.Option(metavar="N", help="Trials in flight per server.")] = None,
    output: options.Output = options.OUTPUT,
    run_id: options.RunId = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a field of the experiment. May be repeated.")
    ] = None,
    grace: options.Grace = None,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Ask only the I-th of N parts of the queries.")
    ] = None,
    at_once: Annotated[
        int | None,
        typer.Option(
            "--at-once",
            metavar="N",
            min=1,
            help="With --output URL: the most servers that this worker asks at the same time. Default: all.",
        ),
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="With --output URL and --run-id: work on the run of that id if it exists, else begin it."),
    ] = False,
    on: options.On = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its estimated cost without sending anything.")
    ] = False,
    as_json: options.AsJson = False,
    log_format: options.LogFormat = "text",
    allow_plain_http: options.PlainHttp = False,
    trust_server: options.TrustServer = None,
    allow_commands: options.AllowCommands = False,
    view: Annotated[
        bool, typer.Option("--view", help="Show the run in the browser too. The address is printed on stderr.")
    ] = False,
) -> None:
    """Run an experiment: ask, measure, compare and report.

    Example: uderia-bench run configs/quickstart.yaml --repeats 3 --set load.isolation=trial
    """
    from uderia_bench import plugins
    from uderia_bench.cli.finish import finish
    from uderia_bench.commands import check, forecast
    from uderia_bench.commands.run import start

    flags = {"server": server, "repeats": repeats, "load.concurrency": concurrency, "shard": shard, "grace": grace}
    loaded = check.load(experiment, plugins.load(), [*(assignments or ()), *overrides(flags)], fallbacks=from_environment())
    loaded = forecast.knowing_tokens(loaded, output)
    if dry_run:
        check_embedded_profiles(loaded, options.surroundings(log_format=log_format, allow_plain_http=False))
        show_plan(loaded, output, as_json=as_json)
        return
    typed = [server or "", *(trust_server or ()), *options.addresses_in(assignments or ())]
    around = options.surroundings(
        log_format=log_format, allow_plain_http=allow_plain_http, trusted=typed, allowed=allow_commands
    )
    if view:
        from uderia_bench.cli.view import beside

        beside(output)
    run = start(loaded, output=output, run_id=run_id, around=around, at_once=at_once, join=join, on=on)
    finish(run, around, as_json=as_json)


def overrides(flags: dict[str, Any]) -> list[Override]:
    """Return the flags that were given, as values that replace those of the file.

    Mistakes point at the flag.
    """
    from uderia_bench.documents.yaml.document import Override, steps_of

    return [
        Override(steps=steps_of(path), value=value, origin=f"--{path.rpartition('.')[2]} {value}")
        for path, value in flags.items()
        if value is not None
    ]


def from_environment() -> list[Override]:
    """Return UDERIA_URL, which is used where no server is named."""
    import os

    from uderia_bench.documents.yaml.document import Override

    url = os.environ.get("UDERIA_URL")
    return [Override(steps=("server",), value=url, origin="UDERIA_URL")] if url else []


def check_embedded_profiles(loaded: Experiment, around: Surroundings) -> None:
    """Find the profiles of the arms on the embedded server, which is started for it on this machine."""
    from uderia_bench.commands.profiles import profiles
    from uderia_bench.documents.experiment import SIM
    from uderia_bench.gateway import directory

    arms = [arm for arm in loaded.arms if SIM in loaded.servers_of(arm.name)]
    listed = profiles(SIM, around) if arms else ()
    for arm in arms:
        directory.resolve(arm.profile, listed, server=SIM)


def show_plan(loaded: Experiment, output: Path, *, as_json: bool) -> None:
    """Print the plan, and its cost estimated from earlier runs of the same arms."""
    from dataclasses import asdict

    from uderia_bench.commands import forecast
    from uderia_bench.report.formats.layout import wrapped
    from uderia_bench.runner import plan
    from uderia_bench.runner.outline import describe

    outline = describe(plan.build(loaded, loaded.queries), loaded)
    expected = forecast.forecast(loaded, outline, output)
    length_s = forecast.duration_s(loaded, outline, expected)
    if as_json:
        streams.as_json({**asdict(outline), "forecast": expected, "duration_s": length_s})
        return
    asked = f"{count_of(outline.trials, 'trial')} of {count_of(outline.queries, 'query')}"
    typer.echo(f"{loaded.name}: {asked} in {count_of(outline.windows, 'window')}")
    width = Target(form="text").width
    for line in (*_planned(loaded, outline), *_estimated(expected, length_s), *_unknown(loaded, outline, expected, output)):
        typer.echo("\n".join(wrapped(line, width, first="  ", rest="    ")))


def _planned(loaded: Experiment, outline: Outline) -> Iterator[str]:
    """Yield the levels, the share of each arm, what is changed or run, and what cannot be balanced."""
    if outline.levels:
        unit = "in flight" if loaded.load.arrivals == "closed" else "per second"
        yield f"levels of load, lowest first: {', '.join(f'{level:g}' for level in outline.levels)} {unit}"
    for share in outline.arms:
        turns = (
            f"{count_of(share.turns, 'turn')} of at most {share.longest}" if share.turns else count_of(share.windows, "window")
        )
        trials = f"{count_of(share.measured, 'trial')} and {share.warmups} for warm-up"
        yield f"{share.arm}: {trials} in {turns}, on {', '.join(loaded.servers_of(share.arm))}"
    yield from (f"runs on this machine: {command}" for command in loaded.commands)
    yield from loaded.changes
    yield from (contrast.warning for contrast in outline.unbalanced)


def _estimated(expected: Iterable[ArmForecast], length_s: float | None) -> Iterator[str]:
    """Yield the cost of each arm, and the duration of the run."""
    from uderia_bench.report.watch import duration

    for each in expected:
        cost = "unknown cost" if each.cost_usd is None else f"about ${each.cost_usd:.2f}"
        time = "" if each.latency_s is None else f", {each.latency_s:.3g} s per trial"
        yield f"{each.arm}: {cost}{time} (mean of {count_of(each.trials, 'trial')} of run {each.run_id})"
    if length_s is not None:
        yield f"estimated duration of the run: {duration(length_s)}"


def _unknown(loaded: Experiment, outline: Outline, expected: Iterable[ArmForecast], output: Path) -> Iterator[str]:
    """Yield what the plan cannot know before the run."""
    from uderia_bench.documents.experiment import SIM

    known = {each.arm for each in expected}
    if unknown := [share.arm for share in outline.arms if share.arm not in known]:
        them = "them" if len(unknown) > 1 else "it"
        yield f"cost unknown for {', '.join(unknown)}: {output} has no earlier run of {them}"
    if set(loaded.asked_servers) != {SIM}:
        yield "the profiles are checked when the run starts; 'uderia-bench profiles' lists them"
