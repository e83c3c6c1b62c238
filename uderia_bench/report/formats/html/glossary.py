"""Statistical terms of the page: a button in a heading opens its explanation.

The explanations are native popovers, so they need no script. Escape and a click elsewhere close them.
"""

from __future__ import annotations

import re

from uderia_bench.report.formats.html.markup import Markup, join, tag

_TERMS = {
    "vs base": "Change of the candidate compared with the baseline, for a typical query. The range in brackets is its "
    "confidence interval.",
    "change": "Change of the candidate compared with the baseline, for a typical query. 2x is twice as much, -20% a fifth "
    "less. The range in brackets is its confidence interval.",
    "interval": "Confidence interval: the range in which the true value most likely is. A 95% interval contains it in 95 of "
    "100 runs. The ± after a mean is half of its interval.",
    "margin": "Smallest difference that matters to you, set in the experiment. The shaded band in a drawing of effects.",
    "p": "How often chance alone would show a difference this large. A small p suggests a real difference. It is adjusted "
    "where several metrics are tested.",
    "n": "Number of queries compared. Repeats of a query are averaged first. For a run of one query, the number of repeats.",
    "verdict": "Better and worse mean a significant difference larger than the margin. Equivalent means that two "
    "one-sided tests rule out a difference of the margin. The interval shown may reach a little beyond it. Undecided (~) "
    "means that these data are not enough. An invalid comparison cannot be trusted. A structural difference comes from the "
    "kind of profile and is not tested.",
    "percentile": "p50 (the median) is the value that half of the trials stay below, p95 the value that 95% stay below.",
    "warm": "Share of the repeats in which the server reused a plan that it stored in an earlier trial. Cold trials had none.",
    "knee": "Load from which more trials in flight mostly wait and hardly raise the throughput.",
    "share": "Part of the trials in which the issue could occur, or of the tokens of the arm.",
}
_SAME = {"vs cold": "vs base", "p50": "percentile", "p90": "percentile", "p95": "percentile", "p99": "percentile"}


def heading(title: str) -> Markup:
    """Return the text of a heading, as a button where it is a term of the glossary."""
    name = _SAME.get(title, title)
    if name not in _TERMS:
        return join(title)
    return tag("button", title, type="button", class_="term", popovertarget=_identity(name))


def glossary() -> Markup:
    """Return the explanations, each on its own and all together, hidden until a button opens one."""
    single = (_popover(_identity(name), name, tag("p", text)) for name, text in _TERMS.items())
    every = tag("dl", *(join(tag("dt", name), tag("dd", text)) for name, text in _TERMS.items()))
    return join(*single, _popover("terms", "Terms", every))


def opener() -> Markup:
    """Return the button that opens all explanations."""
    return tag("button", "Terms", type="button", class_="link", popovertarget="terms")


def _popover(identity: str, title: str, content: Markup) -> Markup:
    name = f"{identity}-name"
    head = tag("h2", title, id=name)
    facts = {"id": identity, "popover": "auto", "role": "dialog", "aria_labelledby": name}
    return tag("div", head, content, **facts, class_="explained", tabindex="0")  # it scrolls, by keyboard too


def _identity(name: str) -> str:
    return f"term-{re.sub(r'[^a-z]', '-', name)}"
