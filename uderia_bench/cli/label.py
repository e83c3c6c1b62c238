"""``label``: human labels of answers, to check a judge and to correct it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output, Overwrite, Run, data_option
from uderia_bench.printable import count_of, plain

group = typer.Typer(
    name="label",
    help="Have people grade answers, and check a judge with them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command("draw", no_args_is_help=True)
def draw(
    run: Run,
    file: Annotated[Path, data_option("File to write: .csv, .jsonl or .html (a form). - is stdout, as CSV.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of items to label.")] = 60,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the draw. Default: the experiment's.")] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="pairs|answers", help="Two answers to compare, or single ones. Default: as the judge."),
    ] = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
) -> None:
    """Draw answers for people to label.

    The items have no names of arms and models. The same seed draws the same items. The form works
    without a network and by keyboard, and saves a file.

    Example: uderia-bench label draw latest --n 60 -o labels.html
    """
    from uderia_bench import plugins
    from uderia_bench.cli.target import target
    from uderia_bench.commands import label
    from uderia_bench.commands.save import save
    from uderia_bench.errors import UsageError
    from uderia_bench.reading.labels.draw import LABELS, PAIRS
    from uderia_bench.runs import run as runs

    form = target(tuple(label.WRITERS), form=None, file=file, overwrite=overwrite).form
    if kind not in (None, *LABELS):
        raise UsageError(f"--kind {kind}: use {' or '.join(LABELS)}")
    found = runs.opened(run, output)
    items = label.sample(found, plugins.load(), n=n, seed=seed, kind=kind)
    save(file, label.written(items, form, found.run_id), overwrite=overwrite)
    few = "; no other answers of two arms to a query differ" if items[0].kind == PAIRS and len(items) < n else ""
    written = f"wrote {count_of(len(items), items[0].kind.removesuffix('s'))} to {plain(str(file))}{few}"
    then = f"uderia-bench label import {found.run_id} FILE"
    typer.echo(f"{written}. Read the labels back with '{then}'", err=True)


@group.command("import", no_args_is_help=True)
def read(
    run: Run,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files with labels: CSV or JSONL.")],
    rater: Annotated[
        str | None,
        typer.Option("--rater", metavar="NAME", help="Who gave the labels. Default: the column rater, or the file's name."),
    ] = None,
    output: Output = OUTPUT,
) -> None:
    """Read labels back and keep them beside the run.

    Several raters may label the same items. A row that was not drawn is refused, and nothing is
    imported then.

    Example: uderia-bench label import latest labels-ann.jsonl labels-bob.csv
    """
    from uderia_bench import plugins
    from uderia_bench.commands import conclude, label
    from uderia_bench.runs import run as runs

    found = runs.opened(run, output)
    count, empty = label.read(found, files, rater=rater)
    found, _ = conclude.conclude(found, plugins.load())
    label.calibrate(found, label.compared(found))
    rest = f", {count_of(empty, 'row')} without a label" if empty else ""
    compare = f"uderia-bench label agreement {found.run_id}"
    typer.echo(f"imported {count_of(count, 'label')}{rest}; '{compare}' compares them with the judge", err=True)


@group.command("agreement", no_args_is_help=True)
def agreement(run: Run, as_json: AsJson = False, output: Output = OUTPUT) -> None:
    """Show how far raters and judge agree.

    The output also has the difference of the arms, corrected by the labels.

    Example: uderia-bench label agreement latest
    """
    from dataclasses import asdict

    import orjson

    from uderia_bench.cli import streams
    from uderia_bench.commands import label
    from uderia_bench.errors import UsageError
    from uderia_bench.report import labels
    from uderia_bench.runs import run as runs

    found = runs.opened(run, output)
    compared = label.compared(found)
    if not compared:
        raise UsageError(f"run {found.run_id} has no labels: use 'uderia-bench label draw', then 'label import'")
    if as_json:
        streams.document(orjson.dumps([asdict(one) for one in compared], option=orjson.OPT_INDENT_2).decode())
        return
    streams.document("\n".join(labels.told(compared)))
