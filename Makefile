# docqueue. `make` alone says what there is. Everything happens in .venv/ and var/; nothing else is touched.
.DEFAULT_GOAL := help
.PHONY: help setup run demo reset test test-slow corpus chaos semantics mutants check coverage bench bench-quick format lock docs
SHELL := /bin/sh
export PORT ?= 8000
export VENV ?= .venv
ARGS ?=
# Test processes side by side: most tests wait for something. TEST_PROCESSES=0 runs them in one.
TEST_PROCESSES ?= 2
PYTEST = -m pytest -n $(TEST_PROCESSES) --dist worksteal

# The first Python that is new enough; PYTHON=/path/to/python overrides.
FIND_PYTHON = for p in python3.13 python3.12 python3.11 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; exit; fi; done; echo python3
PYTHON ?= $(shell $(FIND_PYTHON))
PY := "$(VENV)/bin/python"

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## */  make \1|/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

setup:  ## the virtual environment, from the hash-pinned lock file (the others do this by themselves)
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "No Python found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" scripts/bootstrap.py

run: setup  ## set up, serve on http://127.0.0.1:8000 (PORT=…) with two workers, send the samples; Ctrl-C stops
	@$(PY) -m config.run

demo: setup  ## the same on fresh data without staying; fails unless every sample ended as it should
	@$(PY) -m config.demo

reset: setup  ## delete all data of this checkout (var/)
	@$(PY) -m config.reset

test: setup  ## the tests but for the slow ones (ARGS=… goes to pytest)
	@$(PY) $(PYTEST) -m "not slow" $(ARGS)

test-slow: setup  ## the slow tests
	@$(PY) $(PYTEST) -m slow $(ARGS)

corpus: setup  ## real documents (DOCQUEUE_CORPUS=…, ../shared/data) through real workers, judged by tests/corpus/expected.csv
	@$(PY) -m tests.corpus.run

chaos: setup  ## storms on real workers, judged by a ledger (ARGS="--seeds '1 2 3' --items 2000 --strikes 40")
	@$(PY) -m config.chaos $(ARGS)

semantics: setup  ## the tests behind docs/semantics.md on PostgreSQL 15 (Debian's package) and 18 (ARGS="-m 'not slow'")
	@$(PY) -m scripts.semantics $(ARGS)

mutants: setup  ## break each guarantee on purpose: a test must fail (ARGS="--only NAME …" or --list; about 12 minutes)
	@$(PY) -m scripts.mutants $(ARGS)

check: setup  ## ruff, mypy, missing migrations, Django's checks, also those for production, generated files
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m config.checks

coverage: setup  ## the tests with line and branch coverage, child processes included; fails under 90 %
	@rm -rf var/coverage && mkdir -p var/coverage
	@$(PY) -m coverage run $(PYTEST) -q $(ARGS)
	@$(PY) -m coverage combine -q && $(PY) -m coverage report --skip-covered

bench: setup  ## docqueue beside its peers: a table, bench/results/; fails on a missed target (ARGS="w3 --rounds 1")
	@$(PY) -m bench $(ARGS)

bench-quick: setup  ## the queue and the floor alone, in less than 3 minutes
	@$(PY) -m bench --quick $(ARGS)

format: setup  ## put the code into its standard form
	$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

docs: setup  ## write .env.example and the pages in docs/ that are tables of the code anew
	@$(PY) -m config.settings_docs
	@$(PY) -m scripts.reference_docs
	@$(PY) -m scripts.openapi_docs

lock:  ## renew the lock files (needs uv on the PATH or in UV; ARGS=… goes to it)
	@scripts/lock.sh $(ARGS)
