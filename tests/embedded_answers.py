"""What the embedded Uderia answers a prompt on a day without accidents: the plan carried out, no luck drawn."""

from __future__ import annotations

from datetime import date

import traces

from uderia_bench.sim.agent import answers, scripts, tools
from uderia_bench.sim.agent.draw import Chances
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome

TODAY = date(2026, 11, 24)
USUAL_S, USUAL_TOKENS = 20.0, (10_000, 1_000)  # of a tool_enabled turn (seed); only limits an order away are judged here


class NoLuck:
    """A draw in which nothing happens by chance."""

    chances = Chances()

    def __init__(self):
        self.planted = {}

    def happens(self, _chance):
        """Nothing does."""
        return False


def optim(prompt: str) -> Trace:
    """Return the trace of a planned turn: answer, tools and phases; failed where no plan comes of it."""
    script = scripts.plan_script(prompt, NoLuck())
    if script.trouble in (scripts.PlanTrouble.NEVER_PARSES, scripts.PlanTrouble.CHAT):
        return traces.trace(outcome=Outcome.FAILED, answer=None)
    results = [result for phase in script.phases for result in _results(phase)]
    called = [result["metadata"]["tool_name"] for result in results]
    return traces.trace(
        answer=answers.sentence(results, wrong=False, as_json=script.as_json),
        tool_calls=tuple(traces.tool_call(name) for name in called),
        plan=tuple(traces.planned(number) for number, _ in enumerate(script.phases, 1)),
        phases=tuple(traces.phase(number) for number, _ in enumerate(script.phases, 1)),
        timing=traces.Timing(submit_s=0.0, answer_s=USUAL_S + script.slow_s),
        tokens=traces.Tokens(input=USUAL_TOKENS[0], output=USUAL_TOKENS[1]),
    )


def ideat(prompt: str) -> Trace:
    """Return the trace of a conversation's turn; its agent never corrects a call that failed."""
    script = scripts.agent_script(prompt, NoLuck())
    results = [tools.failure(use.tool, use.error) if use.failures else _answer(use) for use in script.uses]
    text = answers.sentence(results, wrong=False, as_json=script.as_json)
    return traces.trace(
        answer=answers.GREETING if script.chat else text,
        tool_calls=tuple(traces.tool_call(use.tool) for use in script.uses),
        plan=None,
    )


def _results(phase: scripts.PlannedPhase) -> list[dict]:
    for_good = [use for use in phase.uses if use.failures >= scripts.ATTEMPTS]
    if for_good:
        return [tools.failure(use.tool, use.error) for use in for_good]
    if phase.path is scripts.Path.LOOP:
        return [tools.answer(phase.uses[0].tool, {"database_name": name}, TODAY) for name in tools.TABLES]
    if phase.path is scripts.Path.DATE_RANGE:
        days = tools.days(phase.date_phrase, TODAY)
        return [tools.answer(phase.uses[0].tool, {"date": day.isoformat()}, TODAY) for day in days]
    return [_answer(use) for use in phase.uses]


def _answer(use: scripts.Use) -> dict:
    return tools.answer(use.tool, use.arguments, TODAY)
