"""``open``: the HTML report of a run in a browser."""

from __future__ import annotations

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run


def command(run: Run, output: Output = OUTPUT, as_json: AsJson = False) -> None:
    """Open the HTML report of a run in a browser.

    The path is printed too, for a machine without a browser.

    Example: uderia-bench open latest
    """
    import webbrowser

    from uderia_bench.errors import StoreError
    from uderia_bench.printable import plain
    from uderia_bench.runs import mirror
    from uderia_bench.runs.run import opened

    found = opened(run, output)
    page = (found.path / "report.html").resolve()
    if not page.is_file():
        raise StoreError(
            f"{page}: the run has no HTML report yet; make it with 'uderia-bench derive {mirror.typed(found.path)}'"
        )
    shown = webbrowser.open(page.as_uri())
    if as_json:
        streams.as_json({"run": found.run_id, "path": str(page), "url": page.as_uri(), "opened": shown})
        return
    typer.echo(plain(str(page)))
    if not shown:
        typer.echo("uderia-bench: no browser was found; open the file above in one", err=True)
