# streamgauge: `make demo` shows it, `make test` proves it, `make help` lists the rest.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SECONDS ?= 60
MINUTES ?= 30
LOG     ?= auto
NODES  ?= 1
PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types bench bench-quick bench-latency bench-local bench-catalogue bench-kafka bench-recovery bench-scale bench-growth bench-patterns bench-store bench-pages bench-browsers bake-off gate profile crash soak kafka kafka-stop lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(READY)  ## virtual environment with locked dependencies and the streamgauge command

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "streamgauge needs Python 3.11: '$(PYTHON)' was not found. Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pipeline.compiling
	@touch $@

demo: setup  ## the whole job on this machine: web view, worker, subscriber, two producers
	@exec $(BIN)/streamgauge demo $(ARGS)

test: setup  ## all tests, PROCESSES=2 at a time; their Kafka is KAFKA_VERSION=3.9.1, or the one at STREAMGAUGE_KAFKA=host:port
	$(if $(KAFKA_VERSION),STREAMGAUGE_KAFKA_VERSION=$(KAFKA_VERSION)) $(BIN)/python -m pytest --numprocesses $(PROCESSES) $(ARGS)

check: format lint types test  ## format, lint, types, tests

format: setup  ## is every file formatted?
	$(BIN)/ruff format --check .

lint: setup  ## ruff
	$(BIN)/ruff check .

types: setup  ## mypy --strict
	$(BIN)/mypy

bench: setup  ## side by side with Flink, Kafka Streams and more on a real Kafka: page and plot; ARGS="--runs 1 --engines quix"
	@$(BIN)/python -m tests.bench.peers $(ARGS)

bench-quick: setup  ## J1, J2 and the payments example on a real Kafka within two minutes, one JSON line
	@$(BIN)/python -m tests.bench.quick $(ARGS)

bench-latency: setup  ## from append to alert at rising rates, beside Flink and Kafka Streams: a page, 20 minutes
	@$(BIN)/python -m tests.bench.peers.latency $(ARGS)

bench-recovery: setup  ## how a worker that was killed catches up with a backlog of 10,000,000 records on a real Kafka
	@$(BIN)/python -m tests.bench.recovery $(ARGS)

bench-scale: setup  ## two workers on two cores against one, on the local log
	@$(BIN)/python -m tests.bench.scale $(ARGS)

bench-growth: setup  ## how cost grows with keys, tables, panes, measures, partitions, record size and skew: a page
	@$(BIN)/python -m tests.bench.growth $(ARGS)

bench-local: setup  ## decode, shard and end to end on the local log, where no Kafka is at hand; ARGS=--quick for one JSON line
	@$(BIN)/python -m tests.bench $(ARGS)

bench-catalogue: setup  ## every kind of the catalogue of patterns at once, and with a risk score: records/s of one core, one JSON line
	@$(BIN)/python -m tests.bench.catalogue $(ARGS)

bench-store: setup  ## pages of tables of 1,000,000 and 10,000,000 rows from the web view's store; ARGS="--rows 1000000"
	@$(BIN)/python -m tests.bench.store $(ARGS)

bench-pages: setup  ## every page of the web view over 1,000,000 keys, by HTTP and in Chromium: Markdown; ARGS=--postgres
	@$(BIN)/python -m tests.bench.pages $(ARGS)

bench-browsers: setup  ## a worker while 50 clients and two Chromium look at the web view, against one that nobody looks at
	@$(BIN)/python -m tests.bench.browsers $(ARGS)

bench-patterns: setup  ## recall and precision of every pattern of the catalogue at three rates of fraud; ARGS="--seeds 1 velocity"
	@$(BIN)/python -m tests.bench.patterns $(ARGS)

bake-off: setup  ## every series detector on the labelled series of DATA=FILE.npz, by the Numenta Anomaly Benchmark's score
	@$(BIN)/python -m tests.bench.bake_off $(DATA)

bench-kafka: setup  ## latency, gaps, memory and restore on a real Kafka, six minutes; ARGS="latency --json" for less
	@$(BIN)/python -m tests.bench.kafka $(ARGS)

profile: setup  ## where the time of the reference job goes, nanoseconds a record by stage, on a real Kafka
	@$(BIN)/python -m tests.bench.profile $(ARGS)

gate: setup  ## has the hot path become slower? Paired with fixed loops, so it holds on any machine; CI runs it
	@$(BIN)/python -m tests.bench.gate $(ARGS)

crash: setup  ## kill, pause, stop workers and broker for SECONDS=60 on LOG=kafka or local: nothing is lost or repeated
	@$(BIN)/python -m tests.crash --seconds $(SECONDS) --log $(LOG)

soak: setup  ## the same for MINUTES=30
	@$(BIN)/python -m tests.crash --seconds $$(($(MINUTES) * 60)) --log $(LOG)

kafka: setup  ## a Kafka in the background, NODES=1 or 3, VERSION=3.9.1 or another; needs Java and Maven
	@$(BIN)/python -m tests.broker start --nodes $(NODES) --version "$(VERSION)"

kafka-stop: setup  ## end it and remove its data
	@$(BIN)/python -m tests.broker stop

lock: setup  ## pin the newest versions that fit pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --extra dev --extra fast --python-version 3.11 --no-emit-index-url --no-header pyproject.toml --output-file requirements.lock

clean:  ## remove the environment, caches and local data
	@test ! -f var/kafka/running.json || $(MAKE) --no-print-directory kafka-stop
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build var *.egg-info
