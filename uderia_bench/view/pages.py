"""The frame of every page of the view, and pieces that several pages have. Style and scripts are those of the HTML report."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from urllib.parse import quote

from uderia_bench.report import figures
from uderia_bench.report.formats.html.markup import Markup, join, tag

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
CUT = "cut"
"""The state of a replayed run at the end of a recording that was stopped before the report."""
STATES = {
    "running": "running",
    "paused": "paused",
    "abandoned": "stopped: its process is gone",
    "interrupted": "interrupted",
    "complete": "complete",
    "unreadable": "unreadable",
    CUT: "the recording ends here",
}
_FORMS = {"minute": "%Y-%m-%d %H:%M", "time": "%H:%M:%S"}
_COMMANDS = (("pause", "Pause"), ("resume", "Resume"), ("stop", "Stop"))
_SET = ("set", "Set")
_OF_TRIAL = (("requeue", "Ask again"), ("cancel", "Cancel trial"))


def frame(title: str, *body: Markup | None, live: str | None = None, icon: str = "idle", seq: int = 0) -> str:
    """Return a page. ``live`` is the path of its channel, ``seq`` the number of the state it shows."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} - uderia-bench"),
        *(tag("link", rel=rel, href=f"/static/{name}") for rel, name in (("icon", f"{icon}.svg"),)),
        *(tag("link", rel="stylesheet", href=f"/static/{name}") for name in ("page.css", "view.css")),
        tag("script", src="/static/view.js", defer=True, blocking="render"),  # it labels tables: later they would move
    )
    top = tag(
        "header",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "p", tag("a", "uderia-bench", href="/runs", class_="home"), " ", tag("a", "all runs", href="/runs", class_="small")
        ),
        tag("p", "", id="said", class_="hidden", role="status"),
        tag("p", "", id="link", class_="small"),
        class_="top",
    )
    main = tag("main", *body, id="content", tabindex="-1")
    now_ms = round(time.time() * 1000)  # ages are by the clock of this machine, which the reader's may differ from
    shown = tag("body", top, main, data_live=live, data_seq=seq, data_now=now_ms)
    return f"<!doctype html>\n{tag('html', head, shown, lang='en')}\n"


def part(name: str, content: str) -> Markup:
    """Return the place of a part, with what it shows now."""
    return tag("div", Markup(content), id=f"part-{name}")


def controls(run_id: str, trial_id: str | None = None) -> Markup:
    """Return the forms of commands to a run, or of those about one trial. Enter in a field presses its first button."""
    action = f"/runs/{quote(run_id)}/control"

    def form(*fields: Markup) -> Markup:
        return tag("form", *fields, method="post", action=action)

    of_trial = tuple(map(_button, _OF_TRIAL))
    if trial_id is None:
        setting = tag("label", "Setting ", tag("input", name="about", placeholder="load.concurrency=4", required=True))
        trial = tag("label", "Trial ", tag("input", name="about", required=True))
        forms = [form(*map(_button, _COMMANDS)), form(setting, _button(_SET)), form(trial, *of_trial)]
    else:
        forms = [form(tag("input", type="hidden", name="about", value=trial_id), *of_trial)]
    return tag("div", *forms, class_="controls", role="group", aria_label="Control")


def _button(command: tuple[str, str]) -> Markup:
    what, words = command
    return tag("button", words, name="do", value=what)


def report_page(run_id: str, body: str, *, recorded: bool) -> str:
    """Return the page of a finished run: the body of its HTML report."""
    content = tag("div", report(run_id, body, recorded=recorded), id="report")
    return frame(run_id, content, _script("page.js"), icon="complete")


def report(run_id: str, body: str, *, recorded: bool) -> Markup:
    """Return the body of a report, with the links to the answers if it is not a ``recorded`` one."""
    answers = None if recorded else tag("p", "Answers: ", beside(run_id), class_="small")
    return join(answers, Markup(body))


def beside(run_id: str) -> Markup:
    """Return the links to the answers of a run, side by side and as a form for raters."""
    path = f"/runs/{quote(run_id)}"
    return join(tag("a", "side by side", href=f"{path}/answers"), ", ", tag("a", "form to label them", href=f"{path}/labels"))


def plain_page(title: str, *body: Markup | None, lead: str | None = None) -> str:
    """Return a page that does not change."""
    return frame(title, tag("h1", title), tag("p", lead, class_="lead") if lead else None, *body)


def is_addressable(run_id: str) -> bool:
    """Whether the name of a run can be a part of an address."""
    return run_id not in ("", ".", "..") and "/" not in run_id and run_id.isprintable()


def icon(state: str) -> str:
    """Return the name of the favicon of a state."""
    return {"running": "running", "paused": "paused", "complete": "complete"}.get(state, "stopped")


def _script(name: str) -> Markup:
    return tag("script", src=f"/static/{name}", defer=True)


def when(moment: datetime | str, form: str = "minute") -> Markup:
    """Return a moment, which the page's script shows in the reader's zone: to the minute, or only its time."""
    try:
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return join(figures.MISSING)
    utc = at.astimezone(UTC)
    return tag("time", f"{utc:{_FORMS[form]}} UTC", datetime=utc.isoformat(), data_form=form)
