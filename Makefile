# The two commands that matter: `make serve` and `make test`.  Everything else builds on them.

PYTHON ?= python3
VENV ?= .venv
COMPILED_VENV ?= .venv-compiled
HOST ?= 127.0.0.1
PORT ?= 5433
PYTEST_ARGS ?=
SECONDS ?= 600
KILL_ROUNDS ?= 200
CONFORMANCE ?= isolation psql clients sqllogictest dialect
SUITES ?=
SOAK_SEED := $(or $(SOAK_SEED),$(shell date +%s))

BIN := $(VENV)/bin
COMPILED_BIN := $(COMPILED_VENV)/bin

.PHONY: help serve test lint unit build build-compiled install-compiled test-compiled bench bench-isolation
.PHONY: bench-durability bench-graph bench-flows unit-compiled soak conformance conformance-clients conformance-hermitage conformance-gql clean

help:
	@echo "make serve           make a virtual environment, install, serve :memory: on $(HOST):$(PORT)"
	@echo "make test            install everything, then lint, type check, import contracts, tests"
	@echo "make lint            ruff, mypy --strict, import-linter"
	@echo "make unit            the tests alone (PYTEST_ARGS='-k name')"
	@echo "make soak            random histories with new seeds for SECONDS=600, naming those that fail; then hundreds of kill -9,"
	@echo "                     power cuts and flipped bits (KILL_ROUNDS=200, SOAK_SEED= to do it again)"
	@echo "make build-compiled  a wheel with the hot modules compiled by mypyc, into dist/"
	@echo "make test-compiled   the same tests on that wheel"
	@echo "make bench           benchmarks beside PostgreSQL and sqlite3 into benchmarks/RESULTS.md"
	@echo "make bench-isolation  isolation levels beside PostgreSQL's into benchmarks/RESULTS-isolation.md"
	@echo "make bench-durability  durable commits beside PostgreSQL and sqlite3 into benchmarks/RESULTS-durability.md"
	@echo "make bench-graph     graph queries beside Grafeo and Ladybug into benchmarks/RESULTS-graph.md"
	@echo "make bench-flows     what flows cost, beside sqlite3, SQLAlchemy Core and Django, into benchmarks/RESULTS-flows.md"
	@echo "make conformance     PostgreSQL's isolation specs, psql's commands and the suites of drivers and frameworks against"
	@echo "                     a live server, into conformance/SCORES.md (CONFORMANCE='psql clients' for some of them)"
	@echo "make conformance-clients  the suites of drivers and frameworks alone (SUITES='pg8000 asyncpg')"
	@echo "make conformance-gql  the openCypher TCK as GQL and the public GQL suites, into conformance/SCORES.md"
	@echo "make clean           remove what the targets above made"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Skerry needs Python 3.11 or newer: set PYTHON=")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.all: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
	@touch $@ $(VENV)/.base

serve: $(VENV)/.base
	$(BIN)/skerry serve :memory: --host $(HOST) --port $(PORT)

test: lint unit

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.all
	$(BIN)/python -m pytest $(PYTEST_ARGS)

soak: $(VENV)/.all
	cd tests && $(abspath $(BIN))/python -m histories --seconds $(SECONDS)
	SKERRY_KILL_ROUNDS=$(KILL_ROUNDS) SKERRY_KILL_SEED=$(SOAK_SEED) SKERRY_FLIPS=3000 SKERRY_FLIPS_SEED=$(SOAK_SEED) \
	SKERRY_CRASH_SEEDS=$(SOAK_SEED),$$(($(SOAK_SEED) + 100)) \
	$(BIN)/python -m pytest -q tests/durability/test_kill.py tests/durability/test_power_cuts.py tests/durability/test_bit_flips.py \
		tests/durability/test_deferred_views.py
	cd tests && SKERRY_VIEW_SECONDS=$(SECONDS) $(abspath $(BIN))/python -m support.deferred_views

build: $(VENV)/.all
	$(BIN)/python -m build --no-isolation --wheel --outdir dist

build-compiled: $(VENV)/.all
	rm -rf dist/compiled
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 $(BIN)/python -m build --no-isolation --wheel --outdir dist/compiled

$(COMPILED_BIN)/python:
	$(BIN)/python -m venv $(COMPILED_VENV)

# The wheel, not the tree: import-mode=importlib keeps the sources here off the path.
install-compiled: build-compiled $(COMPILED_BIN)/python
	$(COMPILED_BIN)/python -m pip install --quiet --disable-pip-version-check \
		"$$(ls dist/compiled/*.whl)[test]"
	$(COMPILED_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/compiled/*.whl

test-compiled: install-compiled unit-compiled

# On the wheel that is installed already.
unit-compiled:
	SKERRY_EXPECT_COMPILED=1 $(COMPILED_BIN)/python -m pytest $(PYTEST_ARGS)

bench: install-compiled
	$(BIN)/python benchmarks/run.py --compiled-python $(COMPILED_BIN)/python --output benchmarks/RESULTS.md

bench-isolation: install-compiled
	$(BIN)/python benchmarks/isolation.py --compiled-python $(COMPILED_BIN)/python \
		--output benchmarks/RESULTS-isolation.md

bench-durability: install-compiled
	$(BIN)/python benchmarks/durability.py --compiled-python $(COMPILED_BIN)/python \
		--output benchmarks/RESULTS-durability.md

bench-graph: install-compiled
	$(BIN)/python benchmarks/graph.py --compiled-python $(COMPILED_BIN)/python --output benchmarks/RESULTS-graph.md

bench-flows: install-compiled
	$(BIN)/python benchmarks/flows.py --compiled-python $(COMPILED_BIN)/python --output benchmarks/RESULTS-flows.md
	$(BIN)/python benchmarks/deferred_views.py --output benchmarks/RESULTS-flows.md

conformance: $(VENV)/.all
	status=0; for runner in $(CONFORMANCE); do $(BIN)/python conformance/$$runner/run.py || status=1; done; exit $$status

# SUITES='pg8000 asyncpg' are those of conformance/clients/suites.py.
conformance-clients: $(VENV)/.all
	$(BIN)/python conformance/clients/run.py $(if $(SUITES),--only $(SUITES))

# SKERRY_HERMITAGE names the page: no package registry has it.
conformance-hermitage: $(VENV)/.all
	$(BIN)/python conformance/hermitage/run.py

# SKERRY_OPENCYPHER_TCK and SKERRY_GQL_TCK name directories with features/; without them git clones both.
conformance-gql: $(VENV)/.all
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[conformance]'
	$(BIN)/python conformance/tck/run.py
	$(BIN)/python conformance/compliance/run.py

clean:
	rm -rf $(VENV) $(COMPILED_VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find driver server engine tests benchmarks conformance -name __pycache__ -type d -prune -exec rm -rf {} +
