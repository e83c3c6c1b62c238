"""``python -m uderia_bench`` is ``uderia-bench``."""

from uderia_bench.cli.app import main

main()
