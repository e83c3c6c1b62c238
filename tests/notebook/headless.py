"""Run a notebook's code cells in order in this process and print what each shows, as JSON. ``python headless.py FILE``.

Why not nbclient: it brings a kernel, ZeroMQ and IPython, some thirty pinned distributions, for what a notebook needs of us:
cells that share a namespace, and the value of each cell's last expression.
"""

import ast
import json
import sys
from pathlib import Path


def shown(source, namespace):
    """Run one cell; return what its last expression shows, None where it ends in a statement."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    return None if last is None else repr(eval(compile(ast.Expression(last.value), "cell", "eval"), namespace))


if __name__ == "__main__":
    cells = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["cells"]
    names = {"__name__": "__main__"}
    sys.stdout.write(json.dumps([shown("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]))
