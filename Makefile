# Two commands: `make demo` shows a month from rule files to invoices, `make test` passes everything.
# Both set up .venv from requirements.lock first; nothing is written outside this folder.

PYTHON := $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test suite lint types clean lock bench

help:
	@echo "make demo   price one thing, then run a sample city's month into out/"
	@echo "make test   lint, types, layers and the whole suite"
	@echo "make setup | lint | types | suite | lock | bench | clean"

setup: $(READY)

# Installed again only when the pins or the package's own description change. What Python compiles is compiled when it is first imported:
# most of what is installed never is, and compiling all of it takes as long as installing it.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	@$(BIN)/python examples/demo.py

# Types are checked beside the suite, which now and then waits for something.
test: lint
	@$(MAKE) --no-print-directory -j 2 types suite

# Each worker takes a half in order, so that what a module sets up is hardly ever made twice; whoever is done first takes from the other.
# What Python compiles is kept meanwhile, whatever the machine says: the tests start some hundreds of processes.
suite: $(READY)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/lint-imports --no-cache --no-logo

types: $(READY)
	$(BIN)/mypy

# Pins with hashes, naming no host.
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra bench --constraint requirements.lock pyproject.toml -o benchmarks/requirements.lock
	@! grep -n "://" requirements.lock benchmarks/requirements.lock

# The peers that `python -m benchmarks` measures itself against: large, and nothing else needs them.
bench: $(READY)
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r benchmarks/requirements.lock

clean:
	rm -rf .venv out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
