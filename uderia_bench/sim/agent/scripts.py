"""Scripts of the agent: the plan of a tool_enabled turn, the steps of other turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from uderia_bench.sim.agent import questions, tools
from uderia_bench.sim.agent.draw import Chances, Draw

FROM_CONTEXT = "The conversation so far already says it: see above."
ATTEMPTS = 3  # a tool call and two corrections
REPORT_TOOL = "TDA_FinalReport"
REPORT_GOAL = "Generate the final report based on the data gathered."
DATE_TOOL = "TDA_CurrentDate"
LLM_TASK_TOOL = "TDA_LLMTask"
COLUMN_TOOL = "qlty_columnSummary"
CHART_TOOL = "TDA_Charting"
CONTEXT_TOOL = "TDA_ContextReport"
_SYNTAX = "[Error 3706] Syntax error: expected something between the word 'always_fail' and ';'."
_COLUMN = "[Error 5628] Column 'bad_col' not found in {table}."
_DEADLOCK = "[Error 2631] Transaction aborted due to deadlock."


class Path(StrEnum):
    """The way in which a planned phase is carried out."""

    FAST = "fast"
    TACTICAL = "tactical"
    DISPATCHED = "dispatched"
    LOOP = "loop"
    DATE_RANGE = "date_range"
    CURRENT_DATE = "current_date"
    LLM_TASK = "llm_task"
    COLUMNS = "columns"
    EXPANSION = "expansion"
    RECOVERY = "recovery"
    COMPONENT = "component"
    CONTEXT = "context"
    REPORT = "report"


class PlanTrouble(StrEnum):
    """The failure of the planning call."""

    NONE = "none"
    PARSES_LATE = "parses_late"
    NEVER_PARSES = "never_parses"
    CHAT = "chat"  # the planner answers in prose, and the server fails on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a data tool: its arguments, and the number of failed attempts before.

    ``failures`` equal to ``ATTEMPTS`` means that no attempt succeeds.
    """

    tool: str
    arguments: dict[str, Any]
    failures: int = 0
    bad_arguments: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPhase:
    """A phase of a plan. ``uses`` has one entry per tool of the phase."""

    goal: str
    path: Path
    tools: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    uses: tuple[Use, ...] = ()
    date_phrase: str | None = None
    loop_over: int | None = None
    injected: bool = False  # added by the server after planning

    def entry(self, number: int) -> dict[str, Any]:
        """Return the phase as an entry of the plan."""
        entry: dict[str, Any] = {
            "arguments": self.arguments,
            "goal": self.goal,
            "phase": number,
            "relevant_tools": list(self.tools),
        }
        if self.loop_over is not None:
            entry |= {"loop_over": f"result_of_phase_{self.loop_over}", "type": "loop"}
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScript:
    """The script of a tool_enabled turn."""

    trouble: PlanTrouble
    phases: tuple[PlannedPhase, ...]
    rewrites: tuple[str, ...]  # passes that change the plan
    replanned: bool  # planned twice, the second time for efficiency
    repaired: bool  # the report's JSON is repaired
    wrong_answer: bool
    as_json: bool
    slow_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentScript:
    """The script of a turn without a plan: llm_only, rag_focused or genie."""

    uses: tuple[Use, ...]
    chat: bool
    agent_fails: bool
    wrong_answer: bool
    as_json: bool
    slow_s: float
    no_hit: bool = False
    refused: bool = False


def _use(need: questions.Need, trouble: questions.Difficulties, draw: Draw, chances: Chances) -> Use:
    """Return the tool use of a need, with the failures from the prompt or the draw."""
    use = Use(tool=need.tool, arguments=need.arguments)
    drawn = draw.happens(chances.tool_fails_once)
    if trouble.always_fail:
        sql = {"sql": "SELECT always_fail FROM fitness_db.customers"}
        return Use(tool="base_readQuery", arguments=sql, failures=ATTEMPTS, bad_arguments=sql, error=_SYNTAX)
    if trouble.fail_once and "sql" not in use.arguments:
        use = Use(tool="base_readQuery", arguments={"sql": "SELECT COUNT(*) AS cnt FROM fitness_db.customers"})
    if not (trouble.fail_once or drawn):
        return use
    if "sql" not in use.arguments:
        return replace(use, failures=1, bad_arguments=use.arguments, error=_DEADLOCK)
    table = use.arguments["sql"].split("FROM ")[-1].split()[0]
    wrong = {"sql": f"SELECT bad_col FROM {table}"}  # noqa: S608 - nothing runs this SQL
    return replace(use, failures=1, bad_arguments=wrong, error=_COLUMN.format(table=table))


def agent_script(prompt: str, draw: Draw) -> AgentScript:
    """Return the script of an llm_only turn."""
    trouble = replace(questions.difficulties(prompt), **draw.planted)
    chances = Chances() if trouble.named else draw.chances
    fails, bare = draw.happens(chances.agent_fails), draw.happens(chances.no_tool)
    wrong = draw.happens(chances.answer_wrong)
    uses: list[Use] = []
    for need in () if trouble.chat else questions.needs(prompt):
        use = _use(need, trouble, draw, chances)
        databases = tuple(tools.TABLES) if need.per_database else (None,)
        uses += [use if name is None else replace(use, arguments={"database_name": name}) for name in databases]
        if need.date_phrase is not None:
            uses[-1] = replace(use, arguments={"date": need.date_phrase})
    if trouble.always_fail or trouble.fail_once:
        uses = uses[:1]
    if trouble.chain and uses:
        database = uses[0].arguments.get("database_name", next(iter(tools.TABLES)))
        uses = [uses[0], Use(tool="base_tableList", arguments={"database_name": database})]
    if trouble.no_tool or bare:
        uses = []
    return AgentScript(
        uses=tuple(uses),
        chat=trouble.chat,
        agent_fails=fails or trouble.agent_fails,
        wrong_answer=wrong or trouble.wrong,
        as_json=trouble.as_json,
        slow_s=trouble.slow_ms / 1000,
    )


def knowledge_script(prompt: str, draw: Draw) -> AgentScript:
    """Return the script of a rag_focused or genie turn, which is without data tools."""
    trouble = replace(questions.difficulties(prompt), **draw.planted)
    script = agent_script(prompt, draw)
    return replace(script, uses=(), chat=False, no_hit=trouble.no_hit, refused=trouble.refused)


def plan_script(prompt: str, draw: Draw) -> PlanScript:
    """Return the script of a tool_enabled turn."""
    trouble = replace(questions.difficulties(prompt), **draw.planted)
    chances = Chances() if trouble.named else draw.chances
    never, late = draw.happens(chances.plan_fails), draw.happens(chances.plan_parses_late)
    wrong, together = draw.happens(chances.answer_wrong), draw.happens(chances.needs_dispatched)
    kind = PlanTrouble.NONE
    if trouble.chat:
        kind = PlanTrouble.CHAT
    elif trouble.garbage or never:
        kind = PlanTrouble.NEVER_PARSES
    elif trouble.bad_json or late:
        kind = PlanTrouble.PARSES_LATE
    phases = _phases(questions.needs(prompt), trouble, draw, chances, together=together)
    return PlanScript(
        trouble=kind,
        phases=tuple(phases),
        rewrites=trouble.rewrites,
        replanned=trouble.replan,
        repaired=trouble.repair,
        wrong_answer=wrong or trouble.wrong,
        as_json=trouble.as_json,
        slow_s=trouble.slow_ms / 1000,
    )


def limited_plan(script: PlanScript, allows: Callable[[str], bool]) -> PlanScript:
    """Return the script without the phases whose data tools the profile does not have."""
    kept = [phase for phase in script.phases if all(allows(tool) for tool in phase.tools if tool in tools.DATA_TOOLS)]
    if len(kept) < len(script.phases):
        kept = [phase for phase in kept if phase.path in (Path.FAST, Path.DISPATCHED, Path.REPORT) or not phase.uses]
        kept = [phase for phase in kept if phase.path is not Path.CURRENT_DATE]
    return replace(script, phases=tuple(kept))


def limited_agent(script: AgentScript, allows: Callable[[str], bool]) -> AgentScript:
    """Return the script without the uses of tools that the profile does not have."""
    return replace(script, uses=tuple(use for use in script.uses if allows(use.tool)))


def _phases(
    needs: tuple[questions.Need, ...], trouble: questions.Difficulties, draw: Draw, chances: Chances, *, together: bool
) -> list[PlannedPhase]:
    uses = [_use(need, trouble, draw, chances) for need in needs]
    tactical = [draw.happens(chances.phase_tactical) or trouble.tactical for _ in needs]
    if trouble.always_fail or trouble.fail_once:
        needs, uses = needs[:1], uses[:1]
    if trouble.multi_tool and len(needs) == 1:
        other = "base_databaseList" if needs[0].tool == "dba_databaseVersion" else "dba_databaseVersion"
        uses.append(Use(tool=other, arguments={}))
    plain = all(not use.arguments and not use.failures for use in uses) and not any(
        need.per_database or need.date_phrase for need in needs
    )
    if len(uses) > 1 and plain and (trouble.multi_tool or together):
        goal = " ".join(need.goal for need in needs)
        phases = [
            PlannedPhase(goal=goal, path=Path.DISPATCHED, tools=tuple(use.tool for use in uses), uses=tuple(uses)),
        ]
    else:
        phases = [_phase(need, use, slow) for need, use, slow in zip(needs, uses, tactical, strict=False)]
    if trouble.early_report:
        phases = [PlannedPhase(goal="Decide which tool answers the question and run it.", path=Path.TACTICAL)]
    phases = _special(needs, trouble) or phases
    if trouble.chart:
        chart = {"chart_type": "bar", "data": f"result_of_phase_{len(phases)}"}
        phases.append(PlannedPhase(goal="Chart what was found.", path=Path.COMPONENT, tools=(CHART_TOOL,), arguments=chart))
    if trouble.llm_task:
        task = {"source_data": [f"result_of_phase_{len(phases)}"], "task_description": "Describe the data in plain words."}
        phases.append(
            PlannedPhase(goal="Describe what was found.", path=Path.LLM_TASK, tools=(LLM_TASK_TOOL,), arguments=task),
        )
    if any(phase.path is Path.DATE_RANGE for phase in phases):
        today = PlannedPhase(
            goal="Establish current date as temporal context", path=Path.CURRENT_DATE, tools=(DATE_TOOL,), injected=True
        )
        phases.sort(key=lambda phase: phase.path is not Path.DATE_RANGE)  # the range runs in parallel with the date phase
        phases.insert(0, today)
    if not trouble.context:
        added = "final_report_guarantee" in trouble.rewrites
        phases.append(PlannedPhase(goal=REPORT_GOAL, path=Path.REPORT, tools=(REPORT_TOOL,), injected=added))
    return phases


def _special(needs: tuple[questions.Need, ...], trouble: questions.Difficulties) -> list[PlannedPhase]:
    """Return the phase of a plan for columns, recovery or context, else an empty list."""
    if trouble.columns or trouble.expand:
        table = str(needs[0].arguments.get("table_name", next(iter(tools.COLUMNS))))
        arguments = {"database_name": tools.database_of(table), "table_name": table}
        return [
            PlannedPhase(
                goal=f"Summarise every column of '{table}'.",
                path=Path.EXPANSION if trouble.expand else Path.COLUMNS,
                tools=(COLUMN_TOOL,),
                arguments=arguments,
                uses=(Use(tool=COLUMN_TOOL, arguments=arguments),),
            )
        ]
    if trouble.recover:
        sql = {"sql": "SELECT always_fail FROM fitness_db.customers"}
        use = Use(tool="base_readQuery", arguments=sql, failures=ATTEMPTS, bad_arguments=sql, error=_SYNTAX)
        return [PlannedPhase(goal="Find out what was asked.", path=Path.RECOVERY, uses=(use,))]
    if trouble.context:
        answer = {"answer_from_context": FROM_CONTEXT}
        return [PlannedPhase(goal="Answer from the context.", path=Path.CONTEXT, tools=(CONTEXT_TOOL,), arguments=answer)]
    return []


def _phase(need: questions.Need, use: Use, tactical: bool) -> PlannedPhase:  # noqa: FBT001 - zipped with its need
    if need.per_database:
        loop = {"database_name": {"key": "DataBaseName", "source": "loop_item"}}
        return PlannedPhase(goal=need.goal, path=Path.LOOP, tools=(need.tool,), arguments=loop, uses=(use,), loop_over=1)
    if need.date_phrase is not None and not use.failures:
        arguments = {"date": need.date_phrase}
        return PlannedPhase(
            goal=need.goal,
            path=Path.DATE_RANGE,
            tools=(need.tool,),
            arguments=arguments,
            uses=(use,),
            date_phrase=need.date_phrase,
        )
    if tactical:
        # A tactical call follows only if the plan lacks the arguments or the tool.
        named = () if not use.arguments else (use.tool,)
        return PlannedPhase(goal=need.goal, path=Path.TACTICAL, tools=named, uses=(use,))
    planned = use.bad_arguments if use.failures else use.arguments
    return PlannedPhase(goal=need.goal, path=Path.FAST, tools=(use.tool,), arguments=planned, uses=(use,))
