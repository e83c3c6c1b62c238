"""What the benchmarks compute from what they measured; the measuring itself is ``make bench``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from bench import bench, client_cost, clients, cpu_by_part, disturbance, figures, view
from bench.figures import Figure
from hypothesis import given
from hypothesis import strategies as st

FIGURE = Figure(name="error, p99", value=12.345, unit="ms", conditions="500 in flight", asked="≤ 15 ms")


def test_errors_are_absolute_and_the_tail_is_the_worse_rank():
    """A clock that is early errs as much as one that is late; p99 of 100 is the largest but none."""
    pairs = [(1.0 + n / 1000, 1.0) for n in range(50)] + [(1.0 - n / 1000, 1.0) for n in range(50)]
    assert clients.errors_ms(pairs) == (pytest.approx(24.5), pytest.approx(49.0))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10)), max_size=30))
def test_most_at_once_is_what_counting_every_moment_finds(spans):
    """One that begins as another ends does not overlap it."""
    intervals = [(start, start + length) for start, length in spans]
    at_each = [sum(start <= moment < end for start, end in intervals) for moment in range(61)]
    assert clients.most_at_once(intervals) == max(at_each)


def test_a_trial_without_an_answer_is_counted_and_has_no_error():
    """Cost is spread over all trials, errors are of the answered ones; what a client knows better than its polls is taken."""
    told = {
        "cpu_s": 0.03,
        "wall_s": 1.5,
        "trials": [
            {"task_id": "a", "sent_s": 0.0, "seen_s": 2.0, "latency_s": 1.01, "task_s": 1.3},
            {"task_id": "b", "sent_s": 1.0, "seen_s": 2.0},
            {"task_id": "c", "sent_s": 1.0, "seen_s": None, "latency_s": None, "task_s": None},
        ],
    }
    truth = {name: {"latency_s": 1.0, "task_s": 1.5} for name in "abc"} | {"c": {"latency_s": None, "task_s": None}}
    run = clients.measured("one", told, truth, server_cpu_s=0.3, requests=24)
    assert (run.trials, run.in_flight, run.requests, run.rate) == (3, 2, 8.0, 2.0)
    assert run.cpu_ms == pytest.approx(10.0)
    assert run.answer_error_ms == (pytest.approx(505.0), pytest.approx(1000.0))
    assert run.end_error_ms == (pytest.approx(350.0), pytest.approx(500.0))
    assert "2 in flight, L 1.0 s, 8.0 requests per trial, 2 trials/s" in run.conditions()


def test_ratios_are_taken_inside_a_round():
    """A machine that was slow for one round was slow for both."""
    told = {"cpu_s": 1.0, "wall_s": 1.0, "trials": [{"task_id": "a", "sent_s": 0.0, "seen_s": 1.0}]}

    def run(cpu_ms):
        return clients.measured(
            "one", {**told, "cpu_s": cpu_ms / 1000}, {"a": {"latency_s": 1.0, "task_s": 1.0}}, server_cpu_s=0.0, requests=8
        )

    runs = {client_cost.OURS: [run(1), run(10), run(2)], "httpx 1 s": [run(30), run(100), run(40)]}
    assert client_cost.ratios(runs)[0].value == pytest.approx(20.0)


def test_figures_survive_their_way_to_the_table(tmp_path, monkeypatch, capsys):
    """What a benchmark tells is printed as a table and read back as it was."""
    monkeypatch.setenv(figures.FOLDER, str(tmp_path))
    figures.tell("one", [FIGURE])
    assert "| error, p99 | 12.3 ms | ≤ 15 ms | 500 in flight |" in capsys.readouterr().out
    assert figures.read(tmp_path, "one") == (FIGURE,)
    assert figures.read(tmp_path, "two") == ()


def test_what_is_published_is_written_into_the_docs(tmp_path, monkeypatch):
    """What is asked for and what is beside it goes between the marks, everything into the table."""
    for name in ("RESULTS", "TABLE", "PAGE"):
        monkeypatch.setattr(bench, name, tmp_path / name)
    bench.PAGE.write_text(f"before\n{bench.MARKS[0]}old\n{bench.MARKS[1]}\nafter\n")
    machine = {"cpu": "a CPU", "cores": 2, "system": "Linux 6", "python": "3.11", "load_before": 0.1, "quick": False}
    told = [FIGURE, replace(FIGURE, name="aside", asked=""), replace(FIGURE, name="beside", asked="", contrast=True)]
    bench.publish(json.dumps({"machine": machine, "benches": {"one": [asdict(one) for one in told]}}))
    page = bench.PAGE.read_text()
    assert page.startswith("before\n<!-- bench -->\na CPU, 2 cores")
    assert page.endswith("| 500 in flight |\n<!-- /bench -->\nafter\n")
    assert ("beside" in page, "aside" in page, "old" in page) == (True, False, False)
    assert "aside" in bench.TABLE.read_text()
    with pytest.raises(SystemExit):
        bench.publish(json.dumps({"machine": {**machine, "quick": True}, "benches": {}}))


def test_the_figures_of_the_docs_are_those_stored():
    """They are never edited by hand. The page has none before the first are published."""
    quoted = bench.PAGE.read_text().partition(bench.MARKS[0])[2].partition(bench.MARKS[1])[0]
    stored = bench.summary(json.loads(bench.RESULTS.read_text())) if bench.RESULTS.exists() else ""
    assert quoted == stored


@pytest.mark.parametrize(
    ("stack", "part"),
    [
        (["/lib/asyncio/base_events.py"], cpu_by_part.LOOP),
        (["/lib/asyncio/events.py", "/p/uderia_bench/runner/asking.py", "/p/aiohttp/client.py"], cpu_by_part.HTTP),
        (["/lib/asyncio/events.py", "/p/uderia_bench/runner/asking.py", "/p/anyio/_core.py"], cpu_by_part.REST),
        (["/p/uderia_bench/gateway/uderia.py", "/p/uderia_bench/gateway/task_file.py"], cpu_by_part.DECODE),
        (["/p/uderia_bench/runner/asking.py", "/p/uderia_bench/runs/ledger_rows.py"], cpu_by_part.LEDGER),
        (
            ["/p/uderia_bench/runner/runner.py", "/p/uderia_bench/reading/profile_types/exchange.py", "/lib/dataclasses.py"],
            cpu_by_part.READING,
        ),
        (["/p/elsewhere.py"], cpu_by_part.REST),
    ],
)
def test_cpu_goes_to_the_innermost_part(stack, part):
    """A library's frame counts for its caller, unless the library is a part itself."""
    space = {"getframe": sys._getframe}
    code = compile("frame = getframe()", stack[-1], "exec")
    for file in reversed(stack[:-1]):
        space[file] = code
        code = compile(f"exec(globals()[{file!r}], globals())", file, "exec")
    exec(code, space)
    assert cpu_by_part.part_of(space["frame"]) == part


def test_what_the_loop_works_in_select_is_what_no_moment_explains():
    """A moment in ``select`` says nothing, as it may be sleep: 6 s of 10 are met elsewhere, and of 7 s of CPU one is left."""
    moments = {cpu_by_part.HTTP: 30, cpu_by_part.LOOP: 10, cpu_by_part.REST: 20, cpu_by_part.WAITING: 40}
    spent = cpu_by_part.cpu_s(moments, wall_s=10.0, main_s=7.0)
    assert spent == pytest.approx({cpu_by_part.HTTP: 3.0, cpu_by_part.LOOP: 2.0, cpu_by_part.REST: 2.0})
    assert cpu_by_part.cpu_s({}, wall_s=0.0, main_s=0.1) == {cpu_by_part.LOOP: 0.1}


def test_every_benchmark_is_there():
    """Each listed benchmark exists, and gets ``--quick`` only where it accepts it."""
    here = Path(bench.HERE)
    for name in bench.BENCHES:
        assert (here / f"{name}.py").is_file(), name
        assert ("--quick" in (here / f"{name}.py").read_text()) is (name in bench.QUICK), name


def test_the_cost_of_a_view_is_the_mean_of_the_blocks_and_has_an_interval():
    """A busy second in a segment without a view changes the ratio of its block, and not the figure."""
    order = [disturbance.NONE, disturbance.SOCKETS, disturbance.SOCKETS, disturbance.NONE] * 5
    segments = [
        disturbance.Segment(condition=each, began_s=10.0 * at, ended_s=10.0 * at + 5, cpu={"run": 1.0, "view": 0.5})
        for at, each in enumerate(order)
    ]
    costs = [
        disturbance.Cost(errors_ms=np.arange(200.0) * (1.2 if each == disturbance.SOCKETS else 1.0), trials=200, cpu_ms=slow)
        for each, slow in zip(order, [1.0] * 4 + [9.0] * 4 + [2.0] * 12, strict=True)
    ]
    costs[4].errors_ms[100:] = 900.0
    error, middle, cpu = disturbance.ratios(segments, costs)
    assert (error.value, middle.value, cpu.value) == (pytest.approx(1.2), pytest.approx(1.2), pytest.approx(1.0))
    assert "run 20%, view 10% of a core" in error.conditions
    assert "mean of 5 blocks, 95% interval 0.436 to 1.2" in error.conditions


def test_an_update_costs_what_it_adds_to_an_idle_view():
    """Each burst is paired with the idle before it; the figure is the median pair."""
    idle, busy = [10.0, 12.0, 11.0], [110.0, 612.0, 121.0]
    assert view.update_ms(idle, busy, updates=10) == pytest.approx(11.0)
