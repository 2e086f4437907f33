# Everything a developer runs. `make` alone lists it. GNU make; the tree may stand anywhere, in a path with spaces too.

PYTHON ?= python3
ARGS ?=
# One more than the cores of a small machine: many tests wait for a process to come or go.
JOBS ?= 3

# Paths are relative on purpose: make splits names at spaces, and the tree's own path may hold some.
venv := .venv
bin := $(venv)/bin
installed := $(venv)/installed
extras := embedded,demo,analytics,dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Where this is set, every process compiles every library anew: half of what a command takes to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List what can be made
	@echo 'usage: make TARGET [ARGS="…"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(installed) ## Create .venv with everything that the other targets need (PYTHON=python3.12 to choose)

# A second run does nothing until a pin or a dependency changes. The stamp is written last, so a broken install is not believed.
$(installed): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make setup PYTHON=/path/to/python3.11'; exit 1; }
	@$(PYTHON) -m venv $(venv) || \
	  { echo 'Python has no venv module here: on Debian and Ubuntu, install python3-venv.'; exit 1; }
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@# uv is quicker, but does not read pip's settings: where only pip was told of a mirror or a proxy, pip installs the same pins.
	@# Without a home that can be written, uv keeps its cache inside .venv.
	@test -w "$${HOME:-/nowhere}" || export UV_CACHE_DIR=$(venv)/cache; \
	  $(bin)/uv pip install --quiet --system-certs --python $(bin)/python --constraint constraints.txt --editable '.[$(extras)]' || { \
	    echo 'uv could not; pip tries.'; \
	    $(bin)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(extras)]'; }
	@touch $@

# What browsers get. The script does nothing while the hash of web/ stays the same.
.PHONY: web
web: $(installed) ## Build the pages from web/ (with this machine's Node, or PyPI's)
	@$(bin)/python web/build.py

.PHONY: demo
demo: $(installed) web ## Start everything with a real shopping history (ARGS=--once: show it and stop)
	@$(bin)/engagement demo $(ARGS)

.PHONY: serve
serve: $(installed) web ## Serve the API and the worker, on servers of its own unless told of yours
	@$(bin)/engagement serve $(ARGS)

.PHONY: test
test: $(installed) web ## Run the tests (ARGS="-k points", JOBS=0 for one process)
	@$(bin)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: stress
stress: $(installed) ## Kill, freeze and empty what the service runs on, and look (ARGS="--only NAME --runs N")
	@$(bin)/python -m stress $(ARGS)

.PHONY: bench
bench: $(installed) ## Measure the service beside pgbench (ARGS="--only NAME --json FILE --quick")
	@$(bin)/python -m benchmarks $(ARGS)

.PHONY: reference
reference: $(installed) ## Hold replays of real histories against exact answers (REFERENCE=DIR; ARGS="--only NAME")
	@$(bin)/python -m reference $(if $(REFERENCE),--reference '$(REFERENCE)') $(ARGS)

.PHONY: check
check: lint types schema ## Lint, types, and whether both schemas are what the code says

.PHONY: lint
lint: $(installed) ## Ruff: rules and format
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .

.PHONY: types
types: $(installed) ## Mypy and TypeScript, both strict
	@$(bin)/mypy
	@$(bin)/python web/build.py --check

.PHONY: schema
schema: $(installed) ## Compare schema.graphql and program.schema.json with the code
	@$(bin)/engagement schema > $(venv)/schema.graphql
	@diff -u schema.graphql $(venv)/schema.graphql || \
	  { echo 'schema.graphql is stale: .venv/bin/engagement schema > schema.graphql, and read the difference.'; exit 1; }
	@$(bin)/engagement schema --program > $(venv)/program.schema.json
	@diff -u program.schema.json $(venv)/program.schema.json || \
	  { echo 'program.schema.json is stale: .venv/bin/engagement schema --program > program.schema.json'; exit 1; }

.PHONY: format
format: $(installed) ## Mend format and what ruff can mend
	@$(bin)/ruff format .
	@$(bin)/ruff check --fix .

.PHONY: pins
pins: $(installed) ## Renew constraints.txt
	@$(bin)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate --no-emit-index-url --upgrade \
	  --custom-compile-command 'make pins' pyproject.toml --output-file constraints.txt

.PHONY: clean
clean: ## Remove .venv and caches (not .engagement, which holds the embedded servers' data)
	rm -rf $(venv) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find achievements engagement tests -name __pycache__ -type d -prune -exec rm -rf {} +
