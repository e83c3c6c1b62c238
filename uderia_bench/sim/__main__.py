"""``python -m uderia_bench.sim``: the embedded Uderia from a command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

_LAST_PORT = 65535


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None, prog: str = "python -m uderia_bench.sim") -> int:
    """Serve with the options of a command line; return the exit code. Messages begin with ``prog``."""
    parser = _Parser(prog=prog, description="Serve the embedded Uderia.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="host name that clients may use; repeatable"
    )
    parser.add_argument("--port", type=int, default=0, help="0 for a free port; stdout shows the URL")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same agent")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than a real agent")
    parser.add_argument("--login-limit", type=int, metavar="N", help="sign-ins a minute for each address; 0 for no limit")
    parser.add_argument("--tasks-per-s", type=float, metavar="N", help="throughput at speed 1; 0 for no limit")
    parser.add_argument(
        "--default-profile", default="OPTIM", metavar="TAG", help="default profile of the user; 'none' for none"
    )
    parser.add_argument("--no-learning", action="store_true", help="do not store successful plans: every query is cold")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="YAML file with planted faults, effects and settings")
    parser.add_argument("--exit-with-parent", action="store_true", help="exit when stdin closes")
    options = parser.parse_args(arguments)

    from uderia_bench.sim.agent.profiles import BY_TAG  # noqa: PLC0415
    from uderia_bench.sim.config import Settings  # noqa: PLC0415
    from uderia_bench.sim.serving import serve  # noqa: PLC0415
    from uderia_bench.sim.trouble import scenario  # noqa: PLC0415 - keeps --help fast

    if not 0 <= options.port <= _LAST_PORT:
        parser.error(f"port must be from 0 to {_LAST_PORT}, not {options.port}")
    default = None if options.default_profile.lower() == "none" else options.default_profile.lstrip("@").upper()
    if default is not None and default not in BY_TAG:
        parser.error(f"unknown profile tag {options.default_profile!r}; choose one of {', '.join(BY_TAG)}")
    given = {"seed": options.seed, "speed": options.speed, "default_profile": default}
    if options.login_limit is not None:
        given["login_limit"] = options.login_limit
    if options.tasks_per_s is not None:
        given["tasks_per_s"] = options.tasks_per_s
    if options.no_learning:
        given["learning"] = False
    try:
        settings = Settings(**given) if options.faults is None else scenario.load(options.faults, **given)
    except ValueError as problem:
        parser.error(str(problem))
    try:
        serve(
            settings,
            host=options.host,
            port=options.port,
            exit_with_parent=options.exit_with_parent,
            allowed_hosts=options.allow_host,
        )
    except OSError as problem:
        sys.stderr.write(f"{prog}: cannot serve on {options.host}:{options.port}: {problem.strerror or problem}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
