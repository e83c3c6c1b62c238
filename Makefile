# Every target creates its virtual environment in .venv from the pinned requirements, and again when they change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test fuzz chaos workers audit lint docs prose hooks format bench smoke recipes calibrate clean requirements
demo: $(READY)
	$(BIN)/uderia-bench demo
# Coverage is measured in a part of the tests, so it is a lower bound (tests/conftest.py).
# Bytecode is kept: the workers would compile and rewrite each test, and each process our package, again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	$(BIN)/coverage erase
	$(BIN)/pytest --numprocesses auto --dist worksteal --cov --cov-report=term:skip-covered
# 20,000 mutated exchanges through every reader, metric, detector and inspect; 10,000 corpora, experiments, replies and ledgers, each in
# bounded memory: 11 minutes of one core, a law a worker. A test run has 50 of each.
fuzz: $(READY)
	UDERIA_BENCH_FUZZ=20000 $(BIN)/pytest --numprocesses auto tests/reading/profile_types/test_anything.py --timeout 3600 -q
	UDERIA_BENCH_FUZZ=10000 $(BIN)/pytest --numprocesses auto tests/documents/test_loaders_anything.py tests/documents/imports tests/gateway/test_anything.py \
		tests/runs/test_ledger_anything.py --timeout 3600 -q
# 100 runs against random faults, killed at random and resumed to their end: about half an hour. A test run has 3 of them.
# Then 40 runs of an arm against itself on a server that is restarted, which may charge no trial with it: about 12 minutes.
chaos: $(READY)
	PYTHONPATH=tests $(BIN)/python -m chaos.chaos --rounds 100 --at-once 3
	PYTHONPATH=tests $(BIN)/python -m chaos.restarts --rounds 40 --at-once 3
# Workers of one run, killed and stopped over a bad store, and workers that Dask starts: about an hour each. Then 10,000,000
# schedules of the model: half an hour.
workers: $(READY)
	PYTHONPATH=tests $(BIN)/python -m chaos.workers --rounds 100
	PYTHONPATH=tests $(BIN)/python -m chaos.workers --rounds 100 --on-dask
	PYTHONPATH=tests $(BIN)/python -m chaos.model --schedules 10000000 --processes 2
# Known vulnerabilities and secrets in what is committed; exits with 3 where the database of the former cannot be asked.
audit: $(READY)
	$(BIN)/python tests/audit/audit.py
lint: docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/public_api.py tests/plugin_example
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python tests/prose/prose.py
# The documentation site, into docs/_build/html. A warning is an error, and links between pages are checked.
docs: $(READY)
	$(BIN)/sphinx-build --fresh-env --fail-on-warning --keep-going --quiet --jobs auto -b html docs docs/_build/html
# Habits of wording that tests/prose/rules.toml names, in docs, docstrings, comments and messages.
prose: $(READY)
	$(BIN)/python tests/prose/prose.py $(PATHS)
# The checks of .pre-commit-config.yaml, from now on before every commit.
hooks: $(READY)
	$(BIN)/pre-commit install
format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
# Compares with Locust, which has a separate environment. About 75 minutes, half of them for designs; for figures, leave
# the machine alone.
bench: $(READY) .venv-bench/.ready
	PYTHONPATH=tests $(BIN)/python -m bench.bench $(BENCH)
# Fails when derive or analyse takes 2.5 times its usual CPU time, as a ratio to a reference computation.
smoke: $(READY)
	OPENBLAS_NUM_THREADS=1 POLARS_MAX_THREADS=1 PYTHONPATH=tests $(BIN)/python -m bench.smoke
calibrate: $(READY)
	PYTHONPATH=tests $(BIN)/python -m calibration.calibrate
	PYTHONPATH=tests $(BIN)/python -m calibration.nights
	PYTHONPATH=tests $(BIN)/python -m calibration.judges
recipes: $(READY)
	$(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip install --quiet --disable-pip-version-check apache-airflow
	PATH="$(CURDIR)/.venv-airflow/bin:$(PATH)" $(BIN)/pytest tests/recipes
clean:
	rm -rf .venv .venv-bench docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*

# Bytecode is compiled on all cores, as pip would use one core for 43 s. A file that cannot be compiled is no error, as with pip.
$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("uderia-bench needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else None'
	@echo 'Installing the pinned requirements into .venv, which takes a few minutes.'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	-$(BIN)/python -m compileall -qq -j 0 .venv/lib
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv-bench/.ready: requirements/bench.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

# Written without the registry's address, so that it installs from whichever index pip is set up for; with extras, as pip takes
# `coverage` pinned for no pin of `coverage[toml]` once a newer one is out.
requirements: $(READY)
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-header --no-annotate --no-emit-index-url --group dev --group docs pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-header --no-annotate --no-emit-index-url --group bench -o requirements/bench.txt
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-header --no-annotate --no-emit-index-url --constraint requirements/dev.txt --extra store --extra dask pyproject.toml -o requirements/image.txt
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-header --no-annotate --no-emit-index-url --constraint requirements/dev.txt --group build -o requirements/build.txt
