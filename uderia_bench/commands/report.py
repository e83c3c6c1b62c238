"""A run's report in any of its forms, from its report and its tables as they are: nothing is compared or derived again."""

from __future__ import annotations

from dataclasses import replace

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.report.content import Report
from uderia_bench.report.formats.as_json import to_json
from uderia_bench.report.formats.html import Kept, to_html
from uderia_bench.report.formats.junit import to_junit
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.formats.text import to_text
from uderia_bench.runs import mirror
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run

FORMS = ("text", "markdown", "json", "html", "junit")
LEFT = {"report.md": "markdown", "report.json": "json", "report.html": "html"}
"""The files a run leaves, with the form of each."""
_TABLES = "trials"  # worth naming beside them: what a notebook reads


def render(report: Report, form: str, run: Run | None, *, width: int = 80, colour: bool = False, brief: bool = False) -> str:
    """Return a report in one of ``FORMS``; raises ``UsageError`` for any other.

    A report names the files of its ``run`` where they lie now, and the page shows its trials; a report of no single run has
    neither. The rest of the parameters is for text: ``brief`` is what the command that ran it prints, before it leaves.
    """
    if run is not None:
        files = tuple(f"{mirror.address(run.path) or run.path}/{name}" for name in (*LEFT, _TABLES))
        report = replace(report, facts=replace(report.facts, files=files))
    match form:
        case "text":
            if run is not None:
                report = replace(report, facts=replace(report.facts, typed=mirror.typed(run.path)))
            return to_text(report, width, colour=colour, brief=brief, leaving=brief)
        case "markdown":
            return to_markdown(report)
        case "json":
            return to_json(report)
        case "html" if run is not None:
            return to_html(report, _kept(run))
        case "junit":
            return to_junit(report)
    raise UsageError(f"--format {form}: use {', '.join(FORMS[:-1])} or {FORMS[-1]}")


def leave(run: Run, report: Report) -> None:
    """Write the files of ``LEFT`` into the run directory."""
    for name, form in LEFT.items():
        run.directory.write(name, render(report, form, run))


def _kept(run: Run) -> Kept:
    """Read what the page shows beside the report; the prompts only where the ledger is still there."""
    try:
        with Ledger.open(run.directory.ledger) as ledger:
            prompts = {trial.query_id: trial.prompt for trial in ledger.plan()}
    except StoreError:
        prompts = {}
    return Kept(
        trials=run.trials(),
        manifest=run.manifest.to_json(),
        steps=run.derived("steps"),
        issues=run.derived("issues"),
        answers=run.derived("answers"),
        prompts=prompts,
    )
