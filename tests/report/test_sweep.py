"""A sweep in every format: the levels, the side of the knee, the words on it, and pictures that are drawn."""

import json
import re

import polars as pl
import pytest
from frames import ANSWERED, LATENCY
from report.reports import facts
from sweeps import LEVELS, swept

from uderia_bench.analysis.analyse import analyse
from uderia_bench.commands import schema as schemas
from uderia_bench.report.content import Report
from uderia_bench.report.formats.as_json import as_dict
from uderia_bench.report.formats.html import Kept, to_html
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.formats.text import to_text


def frame(workers=None, **given):
    """Sweep a server whose knee for OPTIM is at four."""
    made = swept({"IDEAT": 64, "OPTIM": 4} if workers is None else workers, **given).with_row_index("seq")
    return made.with_columns(
        pl.format("t{}", pl.col("seq")).alias("trial_id"),
        pl.lit("measured").alias("stage"),
        pl.lit("simple").alias("complexity"),
        pl.lit(None, dtype=pl.String).alias("outcome_detail"),
        pl.lit(None, dtype=pl.List(pl.String)).alias("tags"),
    )


def reported(trials, **given):
    """Report a frame."""
    arms = sorted(trials["arm"].unique())
    contrasts = (("IDEAT", "OPTIM"),) if len(arms) == 2 else ()
    found = analyse(trials, metrics=(LATENCY, ANSWERED), contrasts=contrasts, margins={"latency_s": 0.1}, seed=7)
    return Report(facts=facts(levels=LEVELS, **given), analysis=found, metrics=(LATENCY, ANSWERED))


@pytest.fixture(scope="module")
def trials():
    """Sweep once for this file."""
    return frame()


def test_the_terminal_shows_every_level_and_its_side_of_the_knee(trials):
    """One row a level in eighty columns, OPTIM's before four in flight and beyond; IDEAT's without a side, and why."""
    text = to_text(reported(trials))
    assert max(map(len, text.splitlines())) <= 80
    section = text.partition("Levels of load (trials in flight)\n")[2].partition("\n\n")[0]
    rows = [line.split() for line in section.splitlines() if re.match(r"(IDEAT|OPTIM|     ) +\d+ +24 ", line)]
    assert len(rows) == 2 * len(LEVELS)
    assert [row[-1] for row in rows[len(LEVELS) :]] == ["before", "before", "before", "beyond", "beyond", "beyond"]
    assert not {"before", "beyond"} & {row[-1] for row in rows[: len(LEVELS)]}
    told = " ".join(section.split())
    assert re.search(r"OPTIM: more than [34]\.\d in flight wait for each other, and the server gives [\d.]+ answers", told)
    assert "IDEAT: no knee within the levels asked: throughput still grows" in told


def test_the_facts_have_the_levels(trials):
    """Concurrency in turn, rates with their arrivals, a ramp where there is one."""
    assert "concurrency 1, 2, 4, 8, 16, 32 in turn" in " ".join(to_text(reported(trials)).split())
    made = reported(trials, arrivals="poisson")
    text = " ".join(to_text(made).split())
    assert "arrivals poisson at 1, 2, 4, 8, 16, 32/s in turn" in text
    assert "Levels of load (arrivals per second)" in text
    ramped = Report(facts=facts(ramp_s=30.0), analysis=made.analysis, metrics=made.metrics)
    assert "concurrency 8 after a ramp of 30 s" in to_text(ramped)


def test_overlapping_arms_are_told_apart_from_what_loads_the_server(trials):
    """With isolation none an arm's own in flight is not all there is."""
    assert "all arms load the server" in " ".join(to_text(reported(trials, isolation="none")).split())
    assert "all arms load the server" not in " ".join(to_text(reported(trials)).split())


def test_levels_that_were_never_come_to_are_named(trials):
    """24 trials cannot fill 32 slots for long. Rates of an open loop have no such limit."""
    text = " ".join(to_text(reported(trials)).split())
    assert re.search(r"IDEAT: some levels were not reached \(32 reached \d+\.\d in flight\)", text)
    assert "not reached" not in to_text(reported(trials, arrivals="constant"))


def test_markdown_has_the_same_table(trials):
    """With every interval."""
    text = to_markdown(reported(trials))
    assert "### Levels of load (trials in flight)" in text
    assert re.search(r"\| OPTIM \| 1 \| 24 \| 1\.0 \| 0\.\d+/s ±\d+% \|", text)


def test_json_holds_every_number_of_a_level(trials):
    """As the schema has it, infinite ones as null."""
    from jsonschema import Draft202012Validator

    written = json.loads(json.dumps(as_dict(reported(trials))))
    schema = schemas.report_json()
    part = {**schema["properties"]["sweeps"], "$defs": schema["$defs"]}
    Draft202012Validator(part).validate(written["sweeps"])
    ideat, optim = written["sweeps"]
    assert [level["level"] for level in optim["levels"]] == list(LEVELS)
    assert (ideat["knee"]["found"], optim["knee"]["found"]) == (False, True)
    assert optim["knee"]["in_flight"]["lo"] < 4 < 1.25 * optim["knee"]["in_flight"]["hi"]
    assert written["run"]["levels"] == list(LEVELS)


def test_the_page_draws_throughput_and_latency_with_the_knee_where_it_is(trials):
    """Two named pictures, a law for each arm, one knee, every number beside them as a table; and it is in the navigation."""
    text = to_html(reported(trials), Kept(trials=trials, manifest={}))
    section = text.partition('<section id="load"')[2].partition("</section>")[0]
    labels = re.findall(r'role="img" aria-label="([^"]*)"', section)
    assert labels == [
        "Answers per second by trials in flight",
        "Latency (p50, and p95 paler) by trials in flight",
    ]
    assert len(re.findall(r'class="curve a\d law"', section)) == 2
    assert re.findall(r'class="curve (a\d) knee"', section) == ["a1", "a1"]  # OPTIM's, in both
    assert "<caption>Levels of load (trials in flight)</caption>" in section
    assert 'href="#load"' in text


def test_without_a_sweep_there_are_no_levels():
    """No table, no section, an empty list."""
    plain = frame({"IDEAT": 4, "OPTIM": 4}, levels=(4,)).drop("level")
    made = reported(plain)
    assert "Every level" not in to_text(made)
    assert '<section id="load"' not in to_html(made, Kept(trials=plain, manifest={}))
    assert as_dict(made)["sweeps"] == []


def test_levels_that_do_not_say_when_their_trials_were_are_still_listed(trials):
    """Latency and n are there, what is in flight is not, and no picture is drawn of it."""
    bare = trials.drop("done_at")
    made = reported(bare)
    assert "no knee looked for: 0 levels with answers" in " ".join(to_text(made).split())
    assert '<section id="load"' not in to_html(made, Kept(trials=bare, manifest={}))
