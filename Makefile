# streamgauge: `make demo` shows it, `make test` proves it, `make help` lists the rest.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types bench bench-quick bake-off crash lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(READY)  ## virtual environment with locked dependencies and the streamgauge command

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "streamgauge needs Python 3.11: '$(PYTHON)' was not found. Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## the whole job on this machine: web view, worker, subscriber, two producers
	@exec $(BIN)/streamgauge demo $(ARGS)

test: setup  ## all tests
	$(BIN)/python -m pytest $(ARGS)

check: format lint types test  ## format, lint, types, tests

format: setup  ## is every file formatted?
	$(BIN)/ruff format --check .

lint: setup  ## ruff
	$(BIN)/ruff check .

types: setup  ## mypy --strict
	$(BIN)/mypy

bench: setup  ## measure decode, shard and end to end on the local log
	$(BIN)/python -m tests.bench

bench-quick: setup  ## the same within a minute, one JSON line
	@$(BIN)/python -m tests.bench --quick

bake-off: setup  ## every series detector on the labelled series of DATA=FILE.npz, by the Numenta Anomaly Benchmark's score
	@$(BIN)/python -m tests.bench.bake_off $(DATA)

crash: setup  ## kill, pause and stop workers under load for SECONDS=60, prove that nothing was lost or repeated
	@$(BIN)/python -m tests.crash --seconds $(SECONDS)

lock: setup  ## pin the newest versions that fit pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --extra dev --python-version 3.11 --no-emit-index-url --no-header pyproject.toml --output-file requirements.lock

clean:  ## remove the environment, caches and local data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build var *.egg-info
