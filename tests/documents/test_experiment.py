"""Experiments: defaults that make a small file enough, overrides, and mistakes that name file, line and path."""

import json

import pytest
from experiments import built
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uderia_bench.documents import experiment
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.yaml.document import Document, Override
from uderia_bench.documents.yaml.reading import read_text
from uderia_bench.errors import DocumentError, UsageError

SMALL = """\
version: 1
server: sim
corpus: corpora/c.yaml
arms:
  - {name: IDEAT, profile: "@IDEAT"}
  - {name: OPTIM, profile: OPTIM}
"""
QUERIES = """\
queries:
  - {id: a, prompt: a, tags: [metadata], complexity: simple}
  - {id: b, prompt: b, tags: [sql, slow], complexity: complex}
  - {id: c, prompt: c}
"""
SLOTS_ARE_WHOLE = "should be how many trials are in flight, a whole number from 1 on (rates need open arrivals)"
ONE_QUERY = (Corpus(name="one", queries=(Query(id="a", prompt="a", turns=("a",)),)),)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write an experiment beside a corpus of three queries and go there, so that messages show short names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "c.yaml").write_text(QUERIES)

    def write(text, name="e.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return name

    return write


def complaint(file, *overrides, **fallbacks):
    """Return the mistakes of an experiment that cannot be loaded."""
    with pytest.raises(DocumentError) as caught:
        experiment.load(file, overrides, **fallbacks)
    return str(caught.value).splitlines()


def parsed(text):
    """Return an experiment on one query, no files involved."""
    return experiment.parse(read_text(text, file="e.yaml"), ONE_QUERY)


# ---- what a file may say


NO_CHANGES = {"fields": {}, "skills": {}, "prompts": {}}


def test_a_small_file_is_enough(write):
    """Version, server, corpus and arms: the rest has the defaults of the contract."""
    arm = {"server": None, "servers": (), "concurrency": None, "memory": "as-is", "cases": None, "changes": NO_CHANGES}
    loaded = experiment.load(write(SMALL))
    assert loaded.model_dump() == {
        "version": 1,
        "name": "e",
        "server": "sim",
        "servers": (),
        "sim": {"speed": 1.0, "seed": None, "faults": None},
        "corpus": ("corpora/c.yaml",),
        "filter": {"tags": (), "complexity": ()},
        "sample": None,
        "weights": "equal",
        "race": False,
        "shard": None,
        "judge": None,
        "arms": (
            {"name": "IDEAT", "profile": "@IDEAT", **arm},
            {"name": "OPTIM", "profile": "OPTIM", **arm},
        ),
        "contrasts": ({"baseline": "IDEAT", "candidate": "OPTIM"},),
        "repeats": 5,
        "warmup": 1,
        "seed": 7,
        "load": {
            "concurrency": 8,
            "isolation": "arm",
            "arrivals": "closed",
            "sweep": None,
            "rate": None,
            "ramp": 0.0,
        },
        "timeout": 600.0,
        "grace": 30.0,
        "outage": 120.0,
        "on_quota": "pause",
        "budget": {"usd": None, "tokens": None, "trials": None, "time": None},
        "stop": None,
        "manage_server": False,
        "sessions": "keep",
        "session_profile": "auto",
        "keep_answers": True,
        "notifications": "off",
        "margins": {"latency_s": 0.10, "total_tokens": 0.05, "cost_usd": 0.05},
        "traffic": None,
        "correction": "holm",
        "confidence": 0.95,
        "baseline": None,
        "gates": (),
        "prepare": {"run": (), "window": ()},
        "cleanup": {"run": (), "window": ()},
        "prices": {},
    }
    assert [query.id for query in loaded.queries] == ["a", "b", "c"]
    assert [each.name for each in loaded.corpora] == ["c"]


def test_everything_the_contract_shows_is_read(write):
    """The contract's own example, its shorthands included, with nothing left at its default."""
    file = write(
        """\
version: 1
name: full
server: http://localhost:5050/
sim: {speed: 20, seed: 3, faults: f.yaml}
corpus: [../corpora/c.yaml, d.yaml]
filter: {tags: metadata, complexity: [simple, complex]}
arms:
  - {name: IDEAT, profile: "@IDEAT"}
  - {name: OPTIM, profile: OPTIM, server: "https://other.example/uderia", concurrency: 2}
  - {name: local, profile: p-1, server: sim}
contrasts: [{baseline: OPTIM, candidate: IDEAT}]
repeats: 2
warmup: 0
seed: 0
load: {concurrency: 4, isolation: none, arrivals: poisson, rate: 30/min}
timeout: 2m
sessions: archive
session_profile: arm
margins: {latency_s: 10%, total_tokens: 0.05}
correction: bh
confidence: 90%
gates: ["OPTIM.latency_s.p95 < 20s"]
prices: {Google/gemini: {input_cost_per_million: 0.1, output_cost_per_million: 0.4}}
""",
        "configs/full.yaml",
    )
    write("queries: [{id: d, prompt: d}]", "configs/d.yaml")
    write("", "configs/f.yaml")
    loaded = experiment.load(file)
    assert loaded.server == "http://localhost:5050"
    assert [loaded.servers_of(name)[0] for name in ("IDEAT", "OPTIM", "local")] == [
        "http://localhost:5050",
        "https://other.example/uderia",
        "sim",
    ]
    assert (loaded.sim.speed, loaded.sim.seed, loaded.sim.faults) == (20.0, 3, "configs/f.yaml")
    assert loaded.corpus == ("corpora/c.yaml", "configs/d.yaml")
    assert [query.id for query in loaded.queries] == ["a"]
    assert (loaded.load.rate, loaded.timeout, loaded.margins) == (0.5, 120.0, {"latency_s": 0.10, "total_tokens": 0.05})
    assert (loaded.confidence, loaded.correction, loaded.sessions, loaded.warmup, loaded.seed) == (0.9, "bh", "archive", 0, 0)
    assert loaded.prices["Google/gemini"].output_cost_per_million == 0.4
    assert [(each.baseline, each.candidate) for each in loaded.contrasts] == [("OPTIM", "IDEAT")]


@pytest.mark.parametrize(
    "server",
    ["server: sim\nsim: {speed: 20}", "server: {sim: {speed: 20}}", "sim: {speed: 20}"],
)
def test_the_embedded_server_may_be_tuned_in_three_ways(server):
    """Beside ``server``, inside it, or instead of it: one meaning."""
    loaded = parsed(f"version: 1\n{server}\narms: [{{name: A, profile: A}}]\n")
    assert (loaded.server, loaded.sim.speed) == ("sim", 20.0)


def test_the_first_arm_is_compared_with_each_other_unless_said_otherwise():
    """Three arms make two contrasts, one arm makes none, an empty list means none."""
    arms = "version: 1\nserver: sim\narms: [{name: A, profile: P}, {name: B, profile: P}, {name: C, profile: P}]\n"
    assert [(each.baseline, each.candidate) for each in parsed(arms).contrasts] == [("A", "B"), ("A", "C")]
    assert parsed(arms + "contrasts: []").contrasts == ()
    assert parsed("version: 1\nserver: sim\narms: [{name: A, profile: P}]\n").contrasts == ()


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("600s", 600), ("2m", 120), ("1.5 h", 5400), ("500ms", 0.5), ("90", 90), ("'90'", 90), ("0.5", 0.5)],
)
def test_times_are_read_in_the_units_people_write(timeout, seconds):
    """Seconds unless a unit says otherwise."""
    assert parsed(f"{SMALL}timeout: {timeout}\n").timeout == seconds


def test_notifications_are_turned_on_in_either_way_of_saying_so():
    """As a word of YAML 1.2 or as a truth."""
    said = {text: parsed(f"{SMALL}notifications: {text}\n").notifications for text in ("on", "off", "true", "false")}
    assert said == {"on": "on", "off": "off", "true": "on", "false": "off"}


@pytest.mark.parametrize(("rate", "a_second"), [("2/s", 2), ("30/min", 0.5), ("3600 / h", 1), ("1.5", 1.5)])
def test_rates_are_trials_a_second(rate, a_second):
    """A number alone is a second's."""
    assert parsed(f"{SMALL}load: {{arrivals: constant, rate: {rate}}}\n").load.rate == a_second


SHARES = [("10%", 0.10), ("0.10", 0.10), ('"0.1"', 0.10), ("0", 0), ("100%", 1), (".5%", 0.005)]


@pytest.mark.parametrize(("margin", "share"), SHARES)
def test_margins_are_shares(margin, share):
    """10% and 0.10 are the same."""
    assert parsed(f"{SMALL}margins: {{latency_s: {margin}}}\n").margins == {"latency_s": pytest.approx(share)}


# ---- what the rest of the program asks


@pytest.mark.parametrize(
    ("said", "overlap"),
    [
        ("", True),
        ("load: {concurrency: 1}", False),
        ("load: {isolation: trial}", False),
        ("load: {isolation: none}", True),
        ("load: {isolation: none, concurrency: 1}", False),
        ("load: {concurrency: 1, arrivals: constant, rate: 1/s}", True),
    ],
)
def test_a_session_carries_the_profile_where_trials_overlap(said, overlap):
    """A bare session switches the server's state under the trials in flight, so ``auto`` asks whether there are any."""
    loaded = parsed(f"{SMALL}{said}\n")
    assert loaded.trials_overlap is loaded.session_carries_profile is overlap
    assert parsed(f"{SMALL}{said}\nsession_profile: arm\n").session_carries_profile is True


def test_arms_capped_at_one_do_not_overlap_unless_side_by_side():
    """With arms taking turns the caps bound what is in flight; side by side two arms are two trials."""
    arms = "version: 1\nserver: sim\narms: [{name: A, profile: P, concurrency: 1}, {name: B, profile: P, concurrency: 1}]\n"
    assert not parsed(arms).trials_overlap
    assert parsed(f"{arms}load: {{isolation: none}}\n").trials_overlap
    assert not parsed(f"{arms}session_profile: default\n").session_carries_profile


def test_places_are_known_for_layers_that_know_more(write):
    """Metric names are checked by the command line, which points at the line, or at the option, with the experiment's help."""
    loaded = experiment.load(write(f"{SMALL}margins:\n  latency_s: 10%\n  latncy_s: 5%\n"), ["margins.cost=5%"])
    assert loaded.place("margins.latncy_s") == ("e.yaml", 9)
    assert loaded.place("margins.cost") == ("--set margins.cost=5%", None)


def test_the_hash_is_of_settings_and_queries(write):
    """Where files lie does not matter, a default written out does not either; a setting and a prompt do."""
    first = experiment.load(write(SMALL))
    write(QUERIES, "elsewhere/c.yaml")
    moved = experiment.load(write(SMALL.replace("corpora/c", "elsewhere/c") + "repeats: 5\nname: e\n", "moved.yaml"))
    write(QUERIES.replace("prompt: b", "prompt: bb"), "elsewhere/c.yaml")
    reworded = experiment.load("moved.yaml")
    slower = experiment.load("e.yaml", ["timeout=601s"])
    assert first.content_hash == moved.content_hash
    assert len({first.content_hash, reworded.content_hash, slower.content_hash}) == 3


def test_what_an_experiment_says_can_be_read_again(write):
    """A manifest keeps an experiment as plain values and its queries: the same experiment comes back."""
    loaded = experiment.load(write(f"{SMALL}load: {{arrivals: constant, rate: 2/s}}\nfilter: {{tags: [sql]}}\n"))
    again = experiment.parse(Document.of(loaded.model_dump(mode="json"), file="manifest.json"), loaded.corpora)
    assert again.model_dump() == loaded.model_dump()
    assert again.content_hash == loaded.content_hash


# ---- pools of servers

POOL = SMALL.replace("server: sim", "servers: [http://a, http://b/]")


def test_a_pool_of_servers_replaces_the_server(write):
    """Arms without servers of their own share it, in the order of the file."""
    loaded = experiment.load(write(POOL), fallbacks=[Override(steps=("server",), value="http://env", origin="UDERIA_URL")])
    assert (loaded.server, loaded.servers) == ("http://a", ("http://a", "http://b"))
    assert loaded.pools == {("http://a", "http://b"): ("IDEAT", "OPTIM")}
    again = experiment.parse(Document.of(loaded.model_dump(mode="json"), file="manifest.json"), loaded.corpora)
    assert (again.pools, again.content_hash) == (loaded.pools, loaded.content_hash)


def test_a_server_from_outside_replaces_a_pool_and_a_pool_a_server(write):
    """``--server`` and ``--set servers=…`` are the last word."""
    flag = Override(steps=("server",), value="http://c", origin="--server http://c")
    assert experiment.load(write(POOL), [flag]).asked_servers == ("http://c",)
    assert experiment.load(write(SMALL), ["servers=[http://c, http://d]"]).asked_servers == ("http://c", "http://d")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("servers: [http://a, http://a/]", "servers.1: is given twice"),
        ("server: http://c\nservers: [http://a]", "server: is not one of servers; remove one of the two"),
        (
            "servers: [http://a, http://b]\narms: [{name: A, profile: A}, {name: B, profile: B, server: http://a}]",
            "arms.1.server: shares http://a with 'A', and not all servers: give both the same, or no common one",
        ),
        (
            "servers: [http://a, http://b]\narms: [{name: A, profile: A, server: http://a}]",
            "servers.1: no arm is asked here; remove it",
        ),
        (
            "server: http://a\narms: [{name: A, profile: A, server: http://b, servers: [http://b]}]",
            "arms.0.server: says the same as servers; remove one of them",
        ),
    ],
)
def test_servers_that_no_block_could_stay_on_are_mistakes(lines, message):
    """Each message names the place and the way out."""
    arms = "" if "arms" in lines else "arms: [{name: A, profile: A}]\n"
    with pytest.raises(DocumentError) as caught:
        parsed(f"version: 1\n{lines}\n{arms}")
    assert message in str(caught.value)


# ---- overrides and fallbacks


def test_overrides_replace_values_of_the_file_and_fallbacks_fill_in(write):
    """Flags beat the file, the file beats the environment; a server named anywhere, ``sim`` included, is not filled in."""
    address = Override(steps=("server",), value="http://env:5050", origin="UDERIA_URL")
    file = write(SMALL.replace("server: sim\n", ""))
    assert experiment.load(file, fallbacks=[address]).server == "http://env:5050"
    assert experiment.load(write(SMALL), fallbacks=[address]).server == "sim"
    assert experiment.load(write(SMALL.replace("server: sim", "sim: {speed: 2}")), fallbacks=[address]).server == "sim"
    flag = Override(steps=("repeats",), value=9, origin="--repeats 9")
    loaded = experiment.load(write(f"{SMALL}repeats: 2\n"), [flag, "load.concurrency=3", "arms.1.profile=OPTIM2"])
    assert (loaded.repeats, loaded.load.concurrency, loaded.arm("OPTIM").profile) == (9, 3, "OPTIM2")


@pytest.mark.parametrize("model", ["gpt-4.1", "Google/gemini-2.5-pro", "glm-4.05", "plain"])
def test_a_model_with_dots_can_be_named(write, model):
    """Below ``prices`` the name ends where a key of a price begins, or at the end of the path."""
    both = ("input_cost_per_million=1.5", "output_cost_per_million=6")
    file = write(SMALL)
    whole = experiment.load(file, [f"prices.{model}={{input_cost_per_million: 1.5, output_cost_per_million: 6}}"])
    each = experiment.load(file, [f"prices.{model}.{one}" for one in both])
    assert whole.prices == each.prices
    assert each.prices[model].output_cost_per_million == 6.0


def test_mistakes_in_overrides_point_at_them(write):
    """What a flag said wrong is not blamed on the file."""
    flag = Override(steps=("repeats",), value=0, origin="--repeats 0")
    assert complaint(write(SMALL), flag, "load.concurency=3") == [
        "--repeats 0: repeats: must be at least 1, not 0",
        "--set load.concurency=3: load.concurency: unknown key; did you mean concurrency?",
    ]
    with pytest.raises(UsageError, match=r"^--set arms\.9\.profile=X: arms has 2 entries, so arms\.9\.profile is not one"):
        experiment.load("e.yaml", ["arms.9.profile=X"])


# ---- what is refused


def test_all_mistakes_in_all_files_come_at_once(write):
    """Wrong fields, unknown arms and a bad corpus are reported together, each with its line."""
    write("queries:\n  - {id: a, promt: a}\n", "corpora/c.yaml")
    file = write("""\
version: 1
server: sim
corpus: corpora/c.yaml
arms:
  - {name: IDEAT, profile: "@IDEAT", concurency: 2}
  - {name: IDEAT, profile: OPTIM}
contrasts:
  - {baseline: IDEAT, candidate: OPTM}
  - {baseline: IDEAT, candidate: IDEAT}
repeats: 0
load: {concurrency: 0, arrivals: poisson}
baseline: latest
gates: [""]
seed: 1
seed: 2
""")
    assert complaint(file) == [
        "e.yaml:5: arms.0.concurency: unknown key; did you mean concurrency?",
        "e.yaml:6: arms.1.name: 'IDEAT' is taken by arms.0",
        "e.yaml:8: contrasts.0.candidate: no arm is named 'OPTM'; known: IDEAT",
        "e.yaml:9: contrasts.1: compares IDEAT with itself",
        "e.yaml:10: repeats: must be at least 1, not 0",
        "e.yaml:11: load.concurrency: must be at least 1, not 0",
        "e.yaml:11: load.rate: is missing; arrivals: poisson needs one, such as rate: 2/s",
        "e.yaml:12: baseline: latest would be the run itself; name a run with 'uderia-bench baseline save NAME RUN'",
        "e.yaml:13: gates.0: must not be empty",
        "e.yaml:15: seed: is given twice; the first is in line 14",
        "corpora/c.yaml:2: queries.0.promt: unknown key; did you mean prompt?",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("repeats: 0", "repeats: must be at least 1, not 0"),
        ("repeats: 2.5", "repeats: should be a whole number, not 2.5"),
        ("warmup: -1", "warmup: must be at least 0, not -1"),
        ("repeat: 3", "repeat: unknown key; did you mean repeats?"),
        ("stop: {looks: 1}", "stop.looks: must be at least 2, not 1"),
        ("on_quota: wait", "on_quota: should be pause, stop or continue, not 'wait'"),
        ("budget: 3", "budget: should be a mapping (key: value), not 3"),
        ("budget: {usd: 0}", "budget.usd: must be more than 0, not 0"),
        ("budget: {dollars: 3}", "budget.dollars: unknown key; known: usd, tokens, trials, time"),
        ("sample: {n: 0}", "sample.n: must be at least 1, not 0"),
        ("sample: {n: 3, by: tags}", "sample.by: should be complexity or cost, not 'tags'"),
        ("shard: 3/2", "shard: there is no part 3 of 2"),
        ("shard: 0/2", "shard: must be at least 1, not 0"),
        ("shard: half", "shard: should be a part of the queries such as 2/4, not 'half'"),
        ("judge: {url: 'http://localhost:1/v1'}", "judge.model: is missing"),
        ("judge: {url: sim, model: m}", "judge.url: should be an address; the embedded Uderia cannot judge"),
        ("judge: {url: there, model: m}", "judge.url: should be an address such as http://localhost:5050, or sim"),
        ("baseline: ''", "baseline: must not be empty"),
        ("grace: -3s", "grace: should be a time such as 600s, 10m or a number of seconds, not '-3s'"),
        ("load: {sweep: []}", "load.sweep: needs two levels at least, as in sweep: [1, 2, 4, 8]"),
        ("load: {sweep: [4]}", "load.sweep: needs two levels at least, as in sweep: [1, 2, 4, 8]"),
        ("load: {sweep: 4}", "load.sweep: should be a list, not 4"),
        ("load: {sweep: [1, 4, 4]}", "load.sweep.2: must be more than the level before it, 4"),
        ("load: {sweep: [4, 2]}", "load.sweep.1: must be more than the level before it, 4"),
        (
            "load: {sweep: [0, 2]}",
            f"load.sweep.0: {SLOTS_ARE_WHOLE}, not 0",
        ),
        (
            "load: {sweep: [1, 2/s]}",
            f"load.sweep.1: {SLOTS_ARE_WHOLE}, not '2/s'",
        ),
        ("load: {arrivals: constant, sweep: [0/s, 2/s]}", "load.sweep.0: must be more than 0, not '0/s'"),
        (
            "load: {arrivals: constant, sweep: [1/s, fast]}",
            "load.sweep.1: should be a rate such as 2/s, 30/min or a number per second, not 'fast'",
        ),
        (
            "load: {arrivals: constant, rate: 2/s, sweep: [1/s, 2/s]}",
            "load.rate: is what the sweep changes; remove one of them",
        ),
        (
            "load: {isolation: trial, sweep: [1, 2]}",
            "load.sweep: needs isolation: arm or none; isolation: trial has one trial in flight whatever the level",
        ),
        (
            "load: {concurrency: 8, sweep: [1, 2]}",
            "load.concurrency: is what load.sweep changes; remove one of them",
        ),
        (
            "load: {ramp: 30s, sweep: [1, 2]}",
            "load.ramp: cannot be combined with a sweep, which raises the load level by level; remove one of them",
        ),
        ("load: {ramp: 30s, concurrency: 1}", "load.ramp: has nothing to raise: one trial is in flight at a time"),
        ("load: {ramp: 30s, isolation: trial}", "load.ramp: has nothing to raise: one trial is in flight at a time"),
        ("load: {ramp: slowly}", "load.ramp: should be a time such as 600s, 10m or a number of seconds, not 'slowly'"),
        (
            "load: {arrivals: sweep}",
            "load.arrivals: should be closed, constant or poisson; sweep is a separate key of load",
        ),
        ("load: {arrivals: open}", "load.arrivals: should be closed, constant or poisson, not 'open'"),
        ("load: {isolation: arms}", "load.isolation: should be arm, none or trial, not 'arms'"),
        (
            "load: {rate: 2/s}",
            "load.rate: needs arrivals: constant or poisson; a closed loop sends a query when an answer has arrived",
        ),
        (
            "load: {arrivals: constant, rate: fast}",
            "load.rate: should be a rate such as 2/s, 30/min or a number per second, not 'fast'",
        ),
        ("load: {arrivals: constant, rate: 0/s}", "load.rate: must be more than 0, not '0/s'"),
        ("load: 8", "load: should be a mapping (key: value), not 8"),
        ("timeout: soon", "timeout: should be a time such as 600s, 10m or a number of seconds, not 'soon'"),
        ("timeout: 10%", "timeout: should be a time such as 600s, 10m or a number of seconds, not '10%'"),
        ("timeout: 0", "timeout: must be more than 0, not 0"),
        ("timeout: -5", "timeout: must be more than 0, not -5"),
        ("timeout: .inf", "timeout: must be a finite number, not inf"),
        ("margins: {latency_s: 10}", "margins.latency_s: must be between 0 and 1 (100%), not 10; did you mean 10%?"),
        ("margins: {latency_s: 10s}", "margins.latency_s: should be a share such as 10% or 0.10, not '10s'"),
        ("margins: {latency_s: -0.1}", "margins.latency_s: must be between 0 and 1 (100%), not -0.1"),
        ("confidence: 95", "confidence: must be between 0 and 1 (100%), not 95; did you mean 95%?"),
        ("confidence: 1", "confidence: must be less than 1, not 1"),
        ("confidence: 0", "confidence: must be more than 0, not 0"),
        ("correction: bonferroni", "correction: should be holm, bh or none, not 'bonferroni'"),
        ("sessions: drop", "sessions: should be keep or archive, not 'drop'"),
        ("notifications: maybe", "notifications: should be off or on, not 'maybe'"),
        (
            "session_profile: default",
            "session_profile: default needs one trial at a time: write arm, load.isolation: trial or load.concurrency: 1",
        ),
        (
            "contrasts: [{baseline: IDEAT, candidate: OPTIM}, {baseline: IDEAT, candidate: OPTIM}]",
            "contrasts.1: is given twice: IDEAT against OPTIM",
        ),
        ("contrasts: [{baseline: IDEAT}]", "contrasts.0.candidate: is missing"),
        (
            "contrasts: [{baseline: OPTIM, candidate: IDEA}]",
            "contrasts.0.candidate: no arm is named 'IDEA'; did you mean IDEAT?",
        ),
        ("filter: {tags: [metdata]}", "filter.tags.0: no query is tagged 'metdata'; did you mean metadata?"),
        ("filter: {tags: [sql], complexity: simple}", "filter: leaves no query to ask"),
        ("filter: {complexity: hard}", "filter.complexity: should be simple, complex or edge, not 'hard'"),
        ("sim: {speed: 0}", "sim.speed: must be more than 0, not 0"),
        ("sim: {faults: nothing.yaml}", "sim.faults: no such file: nothing.yaml"),
        (
            "prices: {gpt: {input_cost_per_million: -1, output_cost_per_million: 2}}",
            "prices.gpt.input_cost_per_million: must be at least 0, not -1",
        ),
    ],
)
def test_a_wrong_setting_is_said_in_plain_words(write, line, message):
    """Each mistake, to the letter, at its line."""
    assert complaint(write(f"{SMALL}{line}\n")) == [f"e.yaml:7: {message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("server: sim", "server: http://h/?x=1", "e.yaml:2: server: should end with the path: no ? and no #"),
        (
            "server: sim",
            "server: [sim]",
            "e.yaml:2: server: should be an address such as http://localhost:5050, or sim, not a list",
        ),
        (SMALL, "- name: IDEAT\n", "e.yaml: should be a mapping (key: value), not a list"),
        ("version: 1\n", "", "e.yaml: version: is missing"),
        ("version: 1\n", "version: 2\n", "e.yaml:1: version: should be 1, not 2"),
        ("server: sim\n", "", "e.yaml: server: is missing"),
        ("corpus: corpora/c.yaml\n", "", "e.yaml: corpus: is missing"),
        ("corpus: corpora/c.yaml\n", "corpus: []\n", "e.yaml:3: corpus: is missing"),
        ("corpora/c.yaml", "[corpora/c.yaml, nothing.yaml]", "e.yaml:3: corpus.1: no such file: nothing.yaml"),
        ("corpora/c.yaml", "corpora", "corpora: is a directory, not a file"),
        ("name: IDEAT", "name: OPTIM", "e.yaml:6: arms.1.name: 'OPTIM' is taken by arms.0"),
        ("name: IDEAT, ", "", "e.yaml:5: arms.0.name: is missing"),
        ("profile: OPTIM", "profile: ''", "e.yaml:6: arms.1.profile: must not be empty"),
        ("profile: OPTIM", "profile: OPTIM, concurrency: 0", "e.yaml:6: arms.1.concurrency: must be at least 1, not 0"),
        ('"@IDEAT"', "@IDEAT", 'e.yaml:5: a value cannot begin with @; put it in quotes, as in "@IDEAT"'),
        ("arms:\n  -", "arms: []\ngates:\n  -", "e.yaml:4: arms: must not be empty"),
    ],
)
def test_what_an_experiment_needs_is_asked_for(write, old, new, message):
    """A missing or impossible part is named; other lines may follow from it."""
    assert message in complaint(write(SMALL.replace(old, new)))


NO_ADDRESSES = ["localhost:5050", "ftp://host", "http://", "http://host:port", "http://[::1", "''", "SIM", "http://h:0"]


@pytest.mark.parametrize("server", NO_ADDRESSES)
def test_a_server_is_an_address_or_sim(write, server):
    """What no request could be sent to is refused before anything is."""
    assert complaint(write(SMALL.replace("server: sim", f"server: {server}"))) == [
        "e.yaml:2: server: should be an address such as http://localhost:5050, or sim"
    ]


def test_a_password_in_an_address_is_refused_and_not_repeated(write):
    """Secrets come from the environment, and no message carries them on."""
    assert complaint(write(SMALL.replace("server: sim", "server: http://admin:s3cret@host:5050"))) == [
        "e.yaml:2: server: must not carry a password; set UDERIA_USERNAME and UDERIA_PASSWORD, or UDERIA_TOKEN"
    ]


def test_an_experiment_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    """The file is named, and that it is missing."""
    monkeypatch.chdir(tmp_path)
    assert complaint("nothing.yaml") == ["nothing.yaml: no such file"]


def test_a_path_longer_than_any_is_no_such_file(write):
    """Of a corpus, of one it includes and of faults: what the system refuses to look for is not there."""
    endless = "x" * 3000
    file = write(f"version: 1\nserver: sim\nsim: {{faults: {endless}}}\ncorpus: {endless}\narms: [{{name: A, profile: A}}]\n")
    assert complaint(file) == [f"e.yaml:3: sim.faults: no such file: {endless}", f"e.yaml:4: corpus: no such file: {endless}"]
    write(f"include: [{endless}]\nqueries:\n  - {{id: a, prompt: a}}\n", "corpora/c.yaml")
    file = write("version: 1\nserver: sim\ncorpus: corpora/c.yaml\narms: [{name: A, profile: A}]\n")
    assert complaint(file) == [f"corpora/c.yaml:1: include.0: no such file: corpora/{endless}"]


def test_an_absurd_number_is_refused_wherever_it_comes_from(write):
    """Thirty zeros too many are a mistake, in the file, in an option, or from a flag that reads any number."""
    zeros = "0" * 30
    assert complaint(write(f"{SMALL}seed: 1{zeros}\n")) == ["e.yaml:7: seed: is a number of 31 digits; the limit is 18"]
    flags = [Override(steps=(field,), value=10**400, origin=f"--{field}") for field in ("repeats", "timeout")]
    assert complaint(write(SMALL), *flags) == [
        f"--repeats: repeats: must be at most 1e+18, not 1{'0' * 39}…",
        f"--timeout: timeout: should be a time such as 600s, 10m or a number of seconds, not 1{'0' * 39}…",
    ]


# ---- law

WORDS = st.sampled_from(["sim", "A", "10%", "2/s", "poisson"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sim", "name", "rate", "baseline"]), inner),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first value of so many kinds may take a busy machine a second
@given(st.dictionaries(st.sampled_from([*experiment.Experiment.model_fields, "budget", "x"]), VALUES))
def test_any_values_are_an_experiment_or_a_document_error(data):
    """Whatever an experiment says, it ends in a model or in mistakes of our own words."""
    document = Document.of({"version": 1, "server": "sim", "arms": [{"name": "A", "profile": "A"}], **data}, file="e.yaml")
    mistakes = ()
    try:
        experiment.parse(document, ONE_QUERY)
    except DocumentError as error:
        mistakes = error.mistakes
    assert not any("Input should" in mistake.message for mistake in mistakes)


# ---- sweeps and ramps


def test_a_sweep_says_the_load_of_each_level():
    """Of a closed loop levels are slots, of an open one rates; all else stays, and without a sweep there is one level."""
    closed = parsed(f"{SMALL}load: {{sweep: [1, 2, 16], isolation: none}}\n").load
    assert closed.levels == (1, 2, 16)
    assert [closed.at(level).concurrency for level in closed.levels] == [1, 2, 16]
    assert closed.at(2).isolation == "none"
    opened = parsed(f"{SMALL}load: {{arrivals: poisson, sweep: [30/min, 2/s]}}\n").load
    assert [opened.at(level).rate for level in opened.levels] == [0.5, 2]
    plain = parsed(f"{SMALL}load: {{ramp: 30s}}\n").load
    assert (plain.levels, plain.at(None), plain.ramp) == ((None,), plain, 30)


def test_a_sweep_leaves_no_room_for_what_it_changes_or_would_miss(write):
    """Caps of arms and an early stop are refused beside it; every mistake at once, a flag by its name."""
    text = SMALL.replace("profile: OPTIM}", "profile: OPTIM, concurrency: 2}") + "load: {sweep: [1, 2]}\nstop: {looks: 2}\n"
    assert [line.partition(": ")[2] for line in complaint(write(text))] == [
        "arms.1.concurrency: would keep the arm below the levels of load.sweep; remove one of them",
        "stop: cannot be combined with load.sweep: a run that ends early would skip levels",
    ]
    flag = Override(steps=("load", "concurrency"), value=4, origin="--concurrency 4")
    assert complaint(write(f"{SMALL}load: {{sweep: [1, 2]}}\n"), flag) == [
        "--concurrency 4: load.concurrency: is what load.sweep changes; remove one of them"
    ]


def test_a_sweep_that_comes_to_overlap_has_sessions_with_their_profile():
    """The highest level counts, not the default of the concurrency that it replaces."""
    with_sweep = parsed(f"{SMALL}load: {{sweep: [1, 2]}}\n")
    assert with_sweep.session_carries_profile


def test_an_experiment_with_a_sweep_can_be_read_back_from_its_own_words():
    """As a manifest keeps it, with every default said."""
    for load in ({"sweep": [1, 2]}, {"arrivals": "poisson", "sweep": ["1/s", "2/s"]}, {"ramp": "3s"}):
        made = built(load=load)
        again = experiment.Experiment.model_validate(json.loads(made.model_dump_json()) | {"corpus": ["c"]}, strict=False)
        assert again.load == made.load


@pytest.mark.parametrize(
    ("written", "a_day"),
    [("20000/day", 20_000.0), ("20000", 20_000.0), ("600000/month", 600_000 / (365.25 / 12)), ("1/s", 86_400.0)],
)
def test_traffic_is_questions_a_day(write, written, a_day):
    """A plain number is a day's, so that a manifest reads back what it wrote."""
    assert experiment.load(write(f"{SMALL}traffic: {written}\n")).traffic == pytest.approx(a_day)
    assert complaint(write(f"{SMALL}traffic: much\n")) == [
        "e.yaml:7: traffic: should be a number of questions such as 20000/day or 600000/month, not 'much'"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fields": {"tools": ["a"]}}, "allow it with manage_server: true"),
        ({"fields": {"tag": "X"}}, "fields.tag: belongs to the copy itself"),
        ({"prompts": {"Google": "X"}}, "should be category/subcategory"),
    ],
)
def test_a_change_of_a_profile_is_checked(changes, words):
    """It needs permission, leaves the identity alone, and names the place of a prompt."""
    with pytest.raises(DocumentError, match=words):
        built(arms=({"name": "A", "profile": "A", "changes": changes},))


def test_changes_are_part_of_what_was_run():
    """An arm without changes has the hash it had before there were any."""
    arms = ({"name": "A", "profile": "A"}, {"name": "B", "profile": "A", "changes": {"fields": {"tools": ["a", "b"]}}})
    changed = built(arms=arms, manage_server=True)
    assert changed.arm("B").changes.fields == {"tools": ("a", "b")}
    assert changed.content_hash != built(arms=(arms[0], {"name": "B", "profile": "A"}), manage_server=True).content_hash
    plain = built(arms=({"name": "A", "profile": "A", "changes": {"fields": {}}},))
    assert plain.content_hash == built(arms=({"name": "A", "profile": "A"},)).content_hash
