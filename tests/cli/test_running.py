"""The commands that run trials, through the real command: what they leave and print, and every exit code there is yet."""

from __future__ import annotations

import json
import re
import shlex
import signal

import polars as pl
import pytest
from cli.conftest import FINISHED, in_progress, shortened

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}


def test_run_leaves_a_whole_run_directory(command):
    """A run writes manifest, ledger, Parquet and reports, prints the report and exits with 0."""
    done = command("run", "experiment.yaml", "--run-id", "first")
    assert done.returncode == 0, done.stderr
    run = command.cwd / "output" / "first"
    names = {path.name for path in run.iterdir()}
    assert names >= {"manifest.json", "ledger.sqlite", "trials", "report.md", "report.json", "report.html", "log.jsonl"}
    trials = pl.read_parquet(run / "trials" / "*.parquet")
    assert trials.group_by("stage").len().sort("stage").rows() == [("measured", 8), ("warmup", 2)]
    assert "latency_s" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["state"], manifest["plan"]["measured"]) == ("complete", 8)
    assert manifest["metrics"]["latency_s"]["unit"] == "s"
    assert [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()][-1] == "run ends"


def test_the_same_seed_gives_the_same_plan_and_tokens(command):
    """Two runs of one experiment ask the same trials in the same order and are answered with the same tokens."""
    columns = ["trial_id", "seq", "arm", "query_id", "repeat", "total_tokens", "tool_calls"]
    frames = []
    for name in ("a", "b"):
        assert command("run", "experiment.yaml", "--run-id", name, "--set", "repeats=1").returncode == 0
        frames.append(pl.read_parquet(command.cwd / "output" / name / "trials" / "*.parquet").select(columns).sort("seq"))
    assert frames[0].equals(frames[1])


def test_json_is_all_that_stdout_says(command):
    """With --json stdout is one JSON document; progress and logs stay on stderr."""
    done = command("run", "experiment.yaml", "--json", "--log-format", "json", "--set", "repeats=1")
    assert json.loads(done.stdout)["run"]["experiment"] == "small"
    assert all(json.loads(line)["event"] for line in done.stderr.splitlines() if line.startswith("{"))


def test_dry_run_sends_nothing(command):
    """The plan is printed and no run directory is made."""
    done = command("run", "experiment.yaml", "--dry-run", "--repeats", "3")
    assert done.returncode == 0, done.stderr
    assert "IDEAT: 12 trials and 1 for warm-up" in done.stdout
    unknown = command("run", "experiment.yaml", "--dry-run", "--set", "arms.1.profile=OPTIMM")
    assert (unknown.returncode, "did you mean @OPTIM?" in unknown.stderr) == (3, True)
    away = command("run", "experiment.yaml", "--dry-run", "--server", "http://127.0.0.1:9", "--set", "arms.1.profile=OPTIMM")
    assert (away.returncode, "the profiles are checked when the run starts" in away.stdout) == (0, True)
    assert not (command.cwd / "output").exists()


def test_a_run_id_that_exists_is_refused(command):
    """Exit 2, and the way to go on."""
    (command.cwd / "output" / "taken").mkdir(parents=True)
    done = command("run", "experiment.yaml", "--run-id", "taken")
    assert done.returncode == 2
    assert "go on with 'uderia-bench resume" in done.stderr


def test_two_mistakes_are_reported_at_once(command):
    """Both, with their lines, nothing else, exit 2."""
    command.write("corpus.yaml", "version: 1\nqueries:\n  - {id: a, prompt: x}\n  - {id: a, promt: y}\n")
    done = command("run", "experiment.yaml")
    assert done.returncode == 2
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == ["corpus.yaml:4"] * 2
    assert "promt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "repeats=0"], "repeats"),
        (["--repeats", "0"], "--repeats 0"),
        (["--set", "nonsense.deep=1"], "nonsense"),
        (["--output", "corpus.yaml"], "corpus.yaml: is a file; name a directory or a store"),
        (["--server", "not an address"], "should be an address"),
        (["--set", "margins.latency=10%"], "no metric is named 'latency'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(command, arguments, said):
    """Each names what is wrong, without a traceback and without a run directory."""
    done = command("run", "experiment.yaml", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(command.cwd.glob("output/*"))


def test_an_unknown_profile_names_those_there_are(command):
    """Exit 3, the profiles, the nearest name, and nothing left behind."""
    command.write("experiment.yaml", (command.cwd / "experiment.yaml").read_text().replace("profile: OPTIM", "profile: OPTIMM"))
    done = command("run", "experiment.yaml")
    assert done.returncode == 3
    assert "@IDEAT" in done.stderr
    assert "did you mean @OPTIM" in done.stderr
    assert not list(command.cwd.glob("output/*"))


def test_an_unreachable_server_is_exit_3(command):
    """One line that says what to do."""
    done = command("run", "experiment.yaml", "--server", "http://127.0.0.1:9", env=ADMIN)
    assert done.returncode == 3
    assert "no server answers at http://127.0.0.1:9 (ConnectError: Connection refused): start it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_credentials_are_asked_for_by_name(command, server):
    """Without credentials, with a wrong password and with a wrong token: exit 3, one line, what to set, no secret."""
    for env, said in (
        ({}, "set UDERIA_TOKEN"),
        ({"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "hunter2"}, "check UDERIA_USERNAME and UDERIA_PASSWORD"),
        ({"UDERIA_TOKEN": "tda_expired_hunter2"}, "does not accept UDERIA_TOKEN"),
    ):
        done = command("run", "experiment.yaml", "--server", server, env=env)
        assert done.returncode == 3, done.stderr
        assert said in done.stderr
        assert "hunter2" not in done.stdout + done.stderr


def test_uderia_url_fills_in_only_where_no_server_is_named(command, server):
    """The environment names the server of an experiment that names none, and never replaces sim."""
    text = (command.cwd / "experiment.yaml").read_text()
    command.write("bare.yaml", "\n".join(line for line in text.splitlines() if not line.startswith("server")))
    done = command("run", "bare.yaml", "--set", "repeats=1", "--run-id", "r", env={**ADMIN, "UDERIA_URL": server})
    assert done.returncode == 0, done.stderr
    assert json.loads((command.cwd / "output/r/manifest.json").read_text())["arms"]["OPTIM"]["server"] == server
    sim = command("run", "experiment.yaml", "--dry-run", env={"UDERIA_URL": "http://127.0.0.1:9"})
    assert "on sim" in sim.stdout


def test_an_address_is_held_to_one_rule_wherever_it_stands(command):
    """Addresses in flags, the environment and documents: exit 2 before any request."""
    env = {**ADMIN, "UDERIA_URL": "nonsense"}
    two = ("compare", "--query", "x", "--profile1", "a", "--profile2", "b")
    said = "should be an address such as http://localhost:5050, or sim\n"
    for arguments in (("profiles",), two):
        done = command(*arguments, env=env)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"uderia-bench: UDERIA_URL nonsense: {said}")
        done = command(*arguments, "--server", "ftp://x", env=env)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"uderia-bench: --server ftp://x: {said}")


def test_overlapping_arms_are_found_out_and_judged_invalid(command):
    """With isolation none OPTIM reports come from IDEAT's model: misrouted trials, an invalid contrast, exit 5."""
    done = command("run", "experiment.yaml", "--set", "load.isolation=none", "--set", "repeats=4", "--run-id", "mixed")
    trials = pl.read_parquet(command.cwd / "output/mixed/trials/*.parquet")
    misrouted = trials.filter(pl.col("outcome") == "misrouted")
    assert misrouted.height > 0
    assert misrouted["arm"].unique().to_list() == ["OPTIM"]
    assert done.returncode == 5
    assert "invalid" in done.stdout.lower()


def test_an_interrupted_run_is_resumed_to_its_end(command):
    """Ctrl-C once: what was in flight is kept, exit 4 with the way to go on; resume asks the rest and nothing twice."""
    process = in_progress(command)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 4, err
    assert "Not finished (exit 4): " in out
    assert out.splitlines()[-1].startswith("Not finished: ") or "uderia-bench resume r" in out.splitlines()[-1]
    assert "uderia-bench resume" in err
    later = command("report", "r")
    assert (later.returncode, "Not finished (exit code of the run: 4): " in later.stdout) == (0, True)
    before = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
    planned = shortened(command)
    assert before.height == planned - 2 > 0
    done = command("resume", "r")
    assert done.returncode in FINISHED, done.stderr
    after = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
    assert after.height == planned == after["trial_id"].n_unique()
    kept = after.join(before, on="trial_id", suffix="_before").filter(pl.col("outcome_before") == "answered")
    assert (kept["task_id"] == kept["task_id_before"]).all()


def test_demo_needs_nothing(command):
    """The shipped corpus on the embedded server: at least 100 measured trials, more than 90 % answered, both reports."""
    done = command("demo", "--speed", "200", "--run-id", "demo")
    assert done.returncode == 0, done.stderr
    trials = pl.read_parquet(command.cwd / "output/demo/trials/*.parquet").filter(pl.col("stage") == "measured")
    assert trials.height >= 100
    assert (trials["outcome"] == "answered").mean() > 0.9
    assert sorted(trials["arm"].unique()) == ["IDEAT", "OPTIM"]
    report = json.loads((command.cwd / "output/demo/report.json").read_text())
    tested = {row["metric"]: row for row in report["comparisons"] if row["stratum"] == "all"}
    for metric in ("latency_s", "total_tokens", "direct_tool_rate"):
        assert tested[metric]["p"] is not None
    arms = {arm["arm"]: arm["metrics"] for arm in report["arms"]}
    assert arms["OPTIM"]["fastpath_rate"]["mean"]["value"] > 0
    assert any("structural: no phases in IDEAT" in text for text in tested["fastpath_rate"]["warnings"])


def test_the_commands_a_report_names_find_a_run_that_lies_elsewhere(command):
    """Under ``--output`` an id is not enough: what is printed is the path, and what is kept is free of it."""
    done = command("run", "experiment.yaml", "--output", "our runs", "--run-id", "r", "--set", "repeats=1")
    assert done.returncode == 0, done.stderr
    (named,) = re.findall(r"'uderia-bench report (.*?)' shows", " ".join(done.stdout.split()))
    later = command("report", *shlex.split(named))
    assert later.returncode == 0, later.stderr
    (looked_at,) = re.findall(r"uderia-bench inspect (.*?) TRIAL", later.stdout.replace("\n ", ""))
    trials = pl.read_parquet(command.cwd / "our runs/r/trials/*.parquet")
    assert command("inspect", *shlex.split(looked_at), trials["trial_id"][0]).returncode == 0
    kept = json.loads((command.cwd / "our runs/r/results.jsonl").read_text().splitlines()[1])
    assert kept[0]["typed"] is None


def test_compare_is_the_seeds_quick_start(command):
    """One query, two profiles, ten repeats: two files, and every number speaks of this query only."""
    question = "how many databases are on the system?"
    options = ["--server", "sim", "--speed", "200", "--timeout", "120"]
    done = command("compare", "--query", question, "--profile1", "IDEAT", "--profile2", "OPTIM", *options)
    assert done.returncode == 0, done.stderr
    assert "this query only" in done.stdout
    (run,) = (command.cwd / "output").iterdir()
    (machine,) = run.glob("test_run_*.json")
    assert len(list(run.glob("comparison_*.md"))) == 1
    stored = json.loads(machine.read_text())
    assert stored["test_metadata"]["query"] == question
    assert stored["test_metadata"]["embedded_speed"] == 200.0
    assert stored["profile1"]["profile_info"]["profile_tag"] == "IDEAT"
    assert stored["profile2"]["metrics"]["llm_call_count"] > 0
    trials = pl.read_parquet(run / "trials" / "*.parquet")
    assert trials.filter(pl.col("stage") == "measured").height == 20
    report = json.loads((run / "report.json").read_text())
    (latency,) = [row for row in report["comparisons"] if row["metric"] == "latency_s" and row["stratum"] == "all"]
    assert any("this query only" in text for text in latency["warnings"])


def test_compare_refuses_an_empty_query(command):
    """Exit 2 before anything is started."""
    done = command("compare", "--query", " ", "--profile1", "IDEAT", "--profile2", "OPTIM", "--server", "sim")
    assert done.returncode == 2
    assert "--query is empty; write the question" in done.stderr


def test_a_missed_gate_is_exit_1_and_named_on_the_last_line(command):
    """A gate that was kept leaves 0, one that was missed 1; the last line says which, report.json too."""
    gates = 'gates: ["OPTIM.answered >= 10%", "OPTIM.latency_s.p95 < 1ms", "OPTIM vs IDEAT: total_tokens not worse"]\n'
    command.write("gated.yaml", command.cwd.joinpath("experiment.yaml").read_text() + gates)
    done = command("run", "gated.yaml", "--run-id", "gated")
    assert done.returncode == 1, done.stderr
    assert "1 of 3 gates missed: OPTIM.latency_s.p95 < 1ms (exit 1)" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "Gates missed: OPTIM.latency_s.p95 < 1ms (1 of 3)."
    written = json.loads((command.cwd / "output/gated/report.json").read_text())
    assert [gate["passed"] for gate in written["gates"]] == [True, False, True]
    assert written["standing"] == "gate_missed"
    kept = command("run", "experiment.yaml", "--set", 'gates=["OPTIM.answered >= 10%"]', "--set", "repeats=1")
    assert (kept.returncode, "The gate passed." in kept.stdout.splitlines()) == (0, True)


@pytest.mark.parametrize("arguments", [("check",), ("run", "--dry-run"), ("run",)])
def test_a_wrong_gate_is_pointed_into_before_anything_is_sent(command, arguments):
    """All wrong gates at once, each with file, line and path and a mark under the mistake. The exit code is 2."""
    gates = "gates:\n  - OPTIM.latncy_s.p95 < 20s\n  - OPTIM.answered >= 10%\n  - IDEAT.answered >= 99\n"
    command.write("gated.yaml", command.cwd.joinpath("experiment.yaml").read_text() + gates)
    done = command(arguments[0], "gated.yaml", *arguments[1:])
    assert done.returncode == 2
    line = (command.cwd / "gated.yaml").read_text().splitlines().index("gates:") + 2
    assert f"gated.yaml:{line}: gates.0: unknown metric or outcome 'latncy_s'" in done.stderr
    assert f"gated.yaml:{line + 2}: gates.2: a share must be between 0% and 100%" in done.stderr
    assert "    OPTIM.latncy_s.p95 < 20s\n          ^^^^^^^^\n" in done.stderr
    assert not list(command.cwd.glob("output/*"))
