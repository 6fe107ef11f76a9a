# The targets work in a clean clone with nothing but Python 3.11 or later, pip and make; once set up, they need no network.

WATCH ?= $(CURDIR)
PORT ?= 8102
DATA ?= .fustor
PYTHON ?= python3
PYTEST_ARGS ?=
MINUTES ?= 60
FAMILIES ?=

BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help run test soak check format bench docs clean

help: ## Show this text
	@echo "make TARGET"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(READY) ## Index WATCH (this directory) and answer on PORT (8102) until Ctrl-C; the index is kept in DATA (.fustor)
	@exec $(BIN)/fustor up "$(WATCH)" --port "$(PORT)" --data "$(DATA)"

test: $(READY) ## Run the tests, with PYTEST_ARGS
	$(BIN)/pytest $(PYTEST_ARGS)

soak: $(READY) ## Prove the faults of docs/reliability.md with full counts, for MINUTES (60), all FAMILIES or those named
	@$(BIN)/python -m tests.soak $(MINUTES) $(FAMILIES)

check: $(READY) ## Check form and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(READY) ## Bring the code into form
	$(BIN)/ruff format
	$(BIN)/ruff check --fix --exit-zero

bench: $(READY) ## Measure what the design promises about speed
	$(BIN)/python -m bench

docs: $(READY) ## Write docs/states.md from the tables of the code
	$(BIN)/python -m docs.generate

clean: ## Remove what was built, the virtual environment too; the index in DATA stays
	rm -rf .venv .soak build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.so' -delete

# Its date says for which of these the environment was made. It comes last, so one that was interrupted is taken up again.
# Where the system's Python came without ensurepip, its own pip fills the environment.
$(READY): pyproject.toml fustor_agent/sources/fs/_plain.c
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is missing or older than Python 3.11; name another with PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || rm -rf .venv
	@if test -x $(BIN)/pip; then :; \
	elif $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then $(PYTHON) -m venv .venv; \
	elif $(PYTHON) -c 'import pip, venv' 2>/dev/null; then $(PYTHON) -m venv --without-pip .venv; \
	else echo "make: $(PYTHON) can make no virtual environment; install its venv module (python3-venv) or its pip" >&2; exit 1; fi
	@echo "Installing into .venv ..."
	@if test -x $(BIN)/pip; then $(BIN)/python -m pip install --quiet --editable '.[dev]'; \
	else $(PYTHON) -m pip --python $(BIN)/python install --quiet --editable '.[dev]'; fi || \
	  { echo "make: pip could not install what pyproject.toml names; see above, and run make again" >&2; exit 1; }
	@touch $@
