"""Output for GitHub Actions: the report in the job's summary, and an annotation per missed gate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from uderia_bench.cli import streams

if TYPE_CHECKING:
    from uderia_bench.report.content import Report

_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})  # in the text of a workflow command


def tell(report: Report) -> None:
    """Append the report to the job's summary and annotate missed gates and invalid comparisons.

    Outside of GitHub Actions this does nothing. Annotations go to stderr, which Actions reads too,
    so that stdout contains only the report.
    """
    from uderia_bench.printable import plain
    from uderia_bench.report import standing
    from uderia_bench.report.formats.markdown import to_markdown

    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as summary:
                summary.write(to_markdown(report))
        except OSError as error:
            problem = f"GITHUB_STEP_SUMMARY: {plain(path)} cannot be written: {error.strerror or error}"
            typer.echo(f"uderia-bench: {problem}. The report is complete in the run directory", err=True)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    missed = [(f"{gate.name}: {gate.detail}", "Gate missed") for gate in standing.missed(report)]
    for text, title in (*missed, *((reason, "Comparison not valid") for reason in standing.invalid_reasons(report))):
        streams.command(f"::error title={title}::{plain(text).translate(_ESCAPES)}")
