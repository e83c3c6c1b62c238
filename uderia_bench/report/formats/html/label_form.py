"""A form for human raters: one page that works offline and by keyboard, and saves the labels to a file."""

from __future__ import annotations

from collections.abc import Sequence

from uderia_bench.printable import count_of
from uderia_bench.reading.labels.draw import ANSWERS, LABELS, PAIRS, Item
from uderia_bench.report.formats.html.document import document
from uderia_bench.report.formats.html.markup import Markup, data, join, tag

SCRIPT = "label.js"
_KEYS = {"1": ("1", "Answer 1"), "2": ("2", "Answer 2"), "tie": ("0", "Tie"), "pass": ("1", "Pass"), "fail": ("0", "Fail")}
_ASKED = {
    ANSWERS: "Does the answer meet the rubric?",
    PAIRS: "Which answer meets the rubric better? Length, order and style do not count.",
}


def to_html(items: Sequence[Item], name: str) -> str:
    """Return the form. ``name`` is the start of the file that it saves."""
    kind = items[0].kind if items else ANSWERS
    choices = [{"label": label, "key": _KEYS[label][0], "text": _KEYS[label][1]} for label in LABELS[kind]]
    shown = [{"id": item.id, "question": item.question, "rubric": item.rubric, "answers": list(item.answers)} for item in items]
    keys = "Keys: the one in brackets gives a label, ← and → go through the items, s saves the file."
    return document(
        f"Labels of {name}",
        tag("header", tag("p", f"uderia-bench label, {count_of(len(items), 'item')}", class_="small"), tag("h1", _ASKED[kind])),
        tag(
            "main",
            tag("p", keys, class_="lead"),
            tag("p", tag("label", "Your name ", tag("input", id="rater", autocomplete="off"))),
            tag("p", id="place", class_="small", aria_live="polite"),
            _part("Question", "question"),
            _part("Rubric", "rubric"),
            tag("div", id="answers", class_="cards"),
            tag("p", id="choices"),
            tag("p", tag("label", "Note ", tag("input", id="note", autocomplete="off", size="60"))),
            tag(
                "p",
                join(_button("before", "← Before"), " ", _button("after", "Next →"), " ", _button("save", "Save the file (s)")),
            ),
            tag("p", "Every item has a label. Save the file and send it back.", id="done", class_="good"),
        ),
        data("data", {"name": name, "items": shown, "choices": choices}),
        script=SCRIPT,
    )


def _part(title: str, identity: str) -> Markup:
    return tag("section", tag("h2", title, class_="minor"), tag("p", id=identity, class_="prompt"))


def _button(identity: str, text: str) -> Markup:
    return tag("button", text, id=identity, type="button")
