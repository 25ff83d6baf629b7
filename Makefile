# make help says what there is. PYTHON=python3.12 make repro chooses another interpreter.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTS := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -q
# pip looks at the last update of what it installs from; touching the stamp says that it is installed
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup repro test check nightly check-clusters check-wheel bench bench-search truth table plots docs dashboard lock clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## the virtual environment, with the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ratchet needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; type: PYTHON=python3.11 make setup")'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/pip install -q -q --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev,dashboard]'
	@touch $@

repro: $(STAMP)  ## the main job: compose > fetch > prepare > train > evaluate
	@PATH="$(abspath $(BIN)):$$PATH" dvc repro || { $(BIN)/python src/compose.py > /dev/null; exit 1; }
	@$(BIN)/python scripts/reproduction.py

test: $(STAMP)  ## the tests, one of each behaviour
	@$(TESTS)

check: $(STAMP)  ## lint, types and the fast tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(TESTS) -m 'not slow and not nightly'

nightly: $(STAMP)  ## the tests that make test leaves out: further signals, launchers, servers, clones (an hour at most)
	@$(TESTS) -m nightly

check-clusters: $(STAMP)  ## sweeps on SLURM, Ray and PostgreSQL (Debian, as root: it installs them)
	@scripts/check_slurm.sh
	@scripts/check_ray.sh
	@scripts/check_postgresql.sh

check-wheel:  ## what pip installs: in an environment of its own, without this project's
	@PYTHON=$(PYTHON) scripts/check_wheel.sh

bench: $(STAMP)  ## speed and memory, as tables of ratios (minutes)
	@$(BIN)/python bench/training.py
	@$(BIN)/python bench/pipeline.py
	@$(BIN)/python bench/tracking.py

bench-search: $(STAMP)  ## the search against its peers, as tables of ratios (an hour and more)
	@$(BIN)/python bench/search.py

truth: $(STAMP)  ## what the rules of evidence give where the truth is known (minutes)
	@$(BIN)/python bench/truth.py

table: $(STAMP)  ## the table of accuracies in docs/results.md (long: it trains everything)
	@$(BIN)/python scripts/accuracy_table.py

plots: $(STAMP)  ## the pipeline's plots as one page without network
	@test -d champion/evaluate || { echo "no evaluation yet; type: make repro" >&2; exit 1; }
	@PATH="$(abspath $(BIN)):$$PATH" dvc plots show

docs: $(STAMP)  ## the pages of docs/ and a reference of the package, in docs/_build/html
	@$(BIN)/pip install -q -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html

dashboard: $(STAMP)  ## every study in a browser, while it runs; PORT=8081 chooses another port
	@$(BIN)/python src/dashboard.py $(if $(PORT),port=$(PORT))

lock: $(STAMP)  ## write constraints.txt anew from what is installed
	@$(BIN)/python scripts/write_constraints.py > constraints.txt

clean:  ## remove caches; data, runs and the environment stay
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache
