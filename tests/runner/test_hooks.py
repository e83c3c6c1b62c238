"""The commands of ``prepare`` and ``cleanup``: when they run, the variables they receive, and what a failure does."""

from __future__ import annotations

import signal

import anyio
import pytest
from benches import Bench, planned, under
from scripted import Scripted

from uderia_bench.runner.hooks import HookFailed, Hooks
from uderia_bench.runner.stop import Stop

pytestmark = pytest.mark.anyio


def hooked(tmp_path, *, stop: Stop | None = None, environ=None, **said) -> Hooks:
    """Return the hooks of an experiment with these keys."""
    return Hooks(
        experiment=under(**said), directory=tmp_path, environ=environ or {"PATH": "/usr/bin:/bin"}, stop=stop or Stop()
    )


async def test_a_command_receives_its_run_window_and_arm(tmp_path):
    """A window of one arm names it; the record has exit code, time and output."""
    told = 'echo "$UDERIA_BENCH_RUN|$UDERIA_BENCH_SERVER|$UDERIA_BENCH_WINDOW|$UDERIA_BENCH_ARM"'
    hooks = hooked(tmp_path, prepare={"window": told})
    async with hooks.window(3, "http://a", {"OPTIM"}):
        pass
    async with hooks.window(4, "http://a", {"OPTIM", "IDEAT"}):
        pass
    assert [each.output for each in hooks.ran] == [f"{tmp_path}|http://a|3|OPTIM\n", f"{tmp_path}|http://a|4|\n"]
    assert [(each.key, each.exit_code, each.window, each.arm) for each in hooks.ran] == [
        ("prepare.window", 0, 3, "OPTIM"),
        ("prepare.window", 0, 4, None),
    ]


async def test_a_failed_preparation_names_what_failed(tmp_path):
    """The message has the key, the command, its exit code and the last line that it printed."""
    hooks = hooked(tmp_path, prepare="echo no cache to reset >&2; exit 3")
    with pytest.raises(HookFailed, match=r"^prepare.run: 'echo .*; exit 3' ended with exit code 3: no cache to reset$"):
        async with hooks.run():
            pass
    assert [each.exit_code for each in hooks.ran] == [3]


async def test_the_last_clean_up_goes_on_after_a_failure(tmp_path):
    """Every command of it runs, and a failure is printed and noted."""
    said = []
    hooks = hooked(tmp_path, stop=Stop(say=said.append), cleanup=["exit 4", "true"])
    async with hooks.run():
        pass
    assert [each.exit_code for each in hooks.ran] == [4, 0]
    assert said == ["cleanup.run: 'exit 4' ended with exit code 4"]


@pytest.mark.parametrize("where", ["run", "window"])
async def test_a_failed_preparation_is_cleaned_up(tmp_path, where):
    """It may have done a part of its work."""
    hooks = hooked(tmp_path, prepare={where: "exit 3"}, cleanup={where: "true"})
    with pytest.raises(HookFailed, match=f"prepare.{where}"):
        async with hooks.run(), hooks.window(0, "http://a", {"OPTIM"}):
            pass
    assert [(each.key, each.exit_code) for each in hooks.ran] == [(f"prepare.{where}", 3), (f"cleanup.{where}", 0)]


async def test_a_window_is_cleaned_up_however_it_ends(tmp_path):
    """Also when a trial in it raises, and when it is cancelled."""
    hooks = hooked(tmp_path, cleanup={"window": "true"})
    with pytest.raises(RuntimeError):
        async with hooks.window(0, "http://a", {"OPTIM"}):
            raise RuntimeError
    with anyio.CancelScope() as scope:
        async with hooks.window(1, "http://a", {"OPTIM"}):
            scope.cancel()
            await anyio.sleep_forever()
    assert [(each.key, each.window) for each in hooks.ran] == [("cleanup.window", 0), ("cleanup.window", 1)]


async def test_a_stop_ends_a_preparation_and_its_children(tmp_path):
    """A soft stop kills the whole command, without an error; the clean-up still runs."""
    stop, mark = Stop(), tmp_path / "survived"
    hooks = hooked(tmp_path, stop=stop, prepare={"window": f"sleep 60; touch {mark}"}, cleanup={"window": "true"})
    async with anyio.create_task_group() as group:

        async def ask_soon() -> None:
            await anyio.sleep(0.05)
            stop.ask()

        group.start_soon(ask_soon)
        async with hooks.window(0, "http://a", {"OPTIM"}):
            pass
    assert [(each.key, each.exit_code) for each in hooks.ran] == [("prepare.window", -signal.SIGKILL), ("cleanup.window", 0)]


async def test_output_is_kept_from_its_end_without_secrets(tmp_path):
    """A long output is cut, a password that a command prints is masked, and bytes that are no text are replaced."""
    environ = {"PATH": "/usr/bin:/bin", "UDERIA_PASSWORD": "correct-horse"}
    command = "head -c 5000 /dev/zero | tr '\\0' x; printf '\\377 %s' $UDERIA_PASSWORD"
    hooks = hooked(tmp_path, environ=environ, prepare=command)
    async with hooks.run():
        pass
    output = hooks.ran[0].output
    assert output.endswith("x� ***")
    assert len(output) <= 2_000


async def test_no_half_of_a_secret_is_kept(tmp_path):
    """The output is cut in the middle of a password that a command prints."""
    environ = {"PATH": "/usr/bin:/bin", "UDERIA_PASSWORD": "correct-horse"}
    hooks = hooked(tmp_path, environ=environ, prepare="printf %s $UDERIA_PASSWORD; head -c 1995 /dev/zero | tr '\\0' x")
    async with hooks.run():
        pass
    assert hooks.ran[0].output == "***" + 1995 * "x"


@pytest.mark.parametrize(("command", "environ"), [("echo \0", {}), ("true", {"BIG": 200_000 * "x"})])
async def test_a_command_that_cannot_be_started(tmp_path, command, environ):
    """It has failed: before a run that stops it, after a run it is only noted."""
    hooks = hooked(tmp_path, environ=environ, prepare=command)
    with pytest.raises(HookFailed, match=r"ended with exit code 126: cannot be started: "):
        async with hooks.run():
            pass
    said = []
    hooks = hooked(tmp_path, environ=environ, stop=Stop(say=said.append), cleanup=command)
    async with hooks.run():
        pass
    assert len(said) == len(hooks.ran) == 1


async def test_no_trial_is_in_flight_while_a_command_runs(tmp_path):
    """Every window of a run has its commands in order, and trials are asked between them."""
    steps = tmp_path / "steps"
    note = f"echo %s $UDERIA_BENCH_WINDOW >> {steps}"
    experiment = under(prepare={"window": note % "prepare"}, cleanup={"window": note % "cleanup"})
    bench = Bench(tmp_path, Scripted(), planned(3, window_of=lambda _, arm: int(arm == "OPTIM")), experiment)
    bench.hooks = Hooks(experiment=experiment, directory=tmp_path, environ={"PATH": "/usr/bin:/bin"}, stop=bench.stop)

    def watch(record, _) -> None:
        with steps.open("a") as file:
            file.write(f"trial {record.trial.window}\n")

    bench.watch = watch
    await bench.run()
    assert steps.read_text().split("\n") == [
        f"{what} {window}" for window in (0, 1) for what in ("prepare", "trial", "trial", "trial", "cleanup")
    ] + [""]


async def test_a_failing_command_stops_the_run_and_a_resume_asks_the_rest(tmp_path):
    """Nothing that was answered is asked again, and nothing is lost."""
    broken = tmp_path / "broken"
    broken.touch()
    experiment = under(prepare={"window": f'[ "$UDERIA_BENCH_WINDOW" = 0 ] || ! [ -e {broken} ]'})
    bench = Bench(tmp_path, Scripted(), planned(3, window_of=lambda _, arm: int(arm == "OPTIM")), experiment)
    bench.hooks = Hooks(experiment=experiment, directory=tmp_path, environ={"PATH": "/usr/bin:/bin"}, stop=bench.stop)
    with pytest.RaisesGroup(HookFailed):
        await bench.run()
    assert {record.trial.arm for record in bench.records().values()} == {"IDEAT"}
    broken.unlink()
    await bench.run(resume=True)
    assert len(bench.records()) == 6
    assert len([body for path, body in bench.server.bodies if path.endswith("/query")]) == 6
