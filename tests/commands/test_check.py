"""``check``: names that only registries know are looked up whatever else is wrong, and nothing is said twice."""

from pathlib import Path

import pytest

from uderia_bench import plugins
from uderia_bench.commands import check
from uderia_bench.documents.corpus import Query
from uderia_bench.errors import DocumentError

SOUND = """\
version: 1
server: sim
corpus: c.yaml
arms: [{name: IDEAT, profile: IDEAT}, {name: OPTIM, profile: OPTIM}]
"""
INSTALLED = plugins.load()


@pytest.fixture
def complaint(tmp_path, monkeypatch):
    """Return the mistakes in an experiment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("version: 1\nname: c\nqueries: [{id: a, prompt: a}]\n")

    def complaint(text, *overrides):
        (tmp_path / "e.yaml").write_text(text)
        try:
            check.load("e.yaml", INSTALLED, overrides) if overrides else check.describe(Path("e.yaml"), INSTALLED)
        except DocumentError as error:
            return error.mistakes
        return ()

    return complaint


def test_unknown_names_come_with_all_other_mistakes(complaint):
    """A margin, a metric to stop on and gates, beside fields that are wrong and a corpus that is not there."""
    said = complaint(f"""\
{SOUND.replace("c.yaml", "d.yaml")}\
repeats: -2
margins: {{latency: 10%, total_tokens: 5 %%}}
stop: {{metric: latncy_s, looks: 1}}
gates:
  - IDEAT.latency_s.p96 < 20s
  - "OPTIM vs IDEAT: latency_s not worse"
  - ""
  - issues.recursoin == 0
""")
    assert [(mistake.line, mistake.path) for mistake in said] == [
        (5, "repeats"),
        (6, "margins.total_tokens"),
        (6, "margins.latency"),
        (7, "stop.looks"),
        (7, "stop.metric"),
        (9, "gates.0"),
        (11, "gates.2"),
        (12, "gates.3"),
        (3, "corpus"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SOUND.replace("name: OPTIM", "name: 7"), ["arms.1.name"]),
        (SOUND.replace("arms", "amrs"), ["arms", "amrs"]),
        (SOUND + "contrasts: [{baseline: OPTIM, candidate: IDAET}]\n", ["contrasts.0.candidate"]),
        (SOUND + "contrast: [{baseline: OPTIM, candidate: IDEAT}]\n", ["contrast"]),
        (SOUND + "contrasts: []\nrepeats: 0\n", ["repeats", "gates.0", "gates.1"]),
        (SOUND.replace("IDEAT, profile: IDEAT}", "IDEAT}"), ["arms.0.profile"]),
    ],
)
def test_what_is_wrong_only_because_of_another_mistake_is_not_said(complaint, text, said):
    """Gates on arms and contrasts that another mistake hides are left until that is mended."""
    gates = 'gates: ["OPTIM vs IDEAT: latency_s not worse", "IDEAT vs OPTIM: latency_s not worse"]\n'
    assert [mistake.path for mistake in complaint(text + gates)] == said


@pytest.mark.parametrize(
    ("said", "mistakes"),
    [
        ("baseline: nightly", ["baseline: no gate compares with it; write one, such as vs baseline: nothing worse"]),
        ("baseline: nightly\ngates: ['vs baseline: nothing worse']", []),
        ("baseline: nightly\ngates: ['vs baseline: nothing wrose']", ["gates.0: after nothing, only worse is possible"]),
        ("baseline: nightly\ngatse: ['vs baseline: nothing worse']", ["gatse: unknown key; did you mean gates?"]),
        ("basline: nightly\ngates: ['vs baseline: nothing worse']", ["basline: unknown key; did you mean baseline?"]),
        ("baseline: 7\ngates: ['vs baseline: nothing worse']", ["baseline: should be text, not 7; put it in quotes"]),
    ],
)
def test_a_baseline_and_its_gates_are_held_against_each_other_where_both_can_be_read(complaint, said, mistakes):
    """Beside another mistake as without one."""
    for text in (SOUND + said, SOUND + said + "\nrepeats: 0"):
        found = [f"{each.path}: {each.message}".splitlines()[0] for each in complaint(text) if each.path != "repeats"]
        assert found == mistakes


def test_overrides_take_precedence_over_the_file(complaint):
    """And their mistakes point at them."""
    found = complaint(SOUND, "repeats=0", "stop.metric=nothing")
    assert [(mistake.file, mistake.path) for mistake in found] == [
        ("--set repeats=0", "repeats"),
        ("--set stop.metric=nothing", "stop.metric"),
    ]


def queries(*prompts, group=None):
    """Make queries q0, q1, … of the prompts."""
    return [Query(id=f"q{n}", prompt=text, turns=(text,), group=group) for n, text in enumerate(prompts)]


def test_nearly_the_same_questions_are_found():
    """One word of eight differs, or only the writing; two of eight, and a short question, are others."""
    asked = queries(
        "How many tables does the sales database have?",
        "How many tables does the hr database have?",
        "HOW MANY TABLES  does the hr database have???",
        "How many users does the sales server have?",
        "count databases",
        "count tables",
    )
    assert check.near_duplicates(asked) == [("q0", "q1", "q2")]


def test_queries_of_one_group_are_meant_to_be_alike():
    """A group says that its queries depend on each other, so there is nothing to warn of."""
    texts = ("how big is the database sales now?", "how big is the database hr now?")
    assert check.near_duplicates(queries(*texts, group="size")) == []
    assert check.near_duplicates(queries(*texts)) == [("q0", "q1")]


@pytest.mark.no_cover
def test_the_shipped_corpora_group_what_is_alike():
    """Every corpus of the repository passes its own check."""
    for path in sorted((Path(__file__).parents[2] / "corpora").glob("*.yaml")):
        assert list(check.remarks(path)) == [], path.name


def test_the_warning_names_the_queries_and_the_way_out(tmp_path):
    """Seven alike queries: five are named, and the key to write."""
    lines = "".join(f"  - {{id: a{n}, prompt: how many rows does table number {n} have now?}}\n" for n in range(7))
    path = tmp_path / "c.yaml"
    path.write_text(f"version: 1\nqueries:\n{lines}")
    (line,) = check.remarks(path)
    assert line.startswith("warning: 7 queries are nearly the same (a0, a1, a2, a3, a4 and 2 more).")
    assert line.endswith("Give them one `group`.")
