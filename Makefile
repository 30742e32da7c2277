# What a person or a machine does with this repository. Everything but `help` and `clean` makes
# .venv first when it is missing or older than pyproject.toml.
#
#   make PYTHON=/path/to/python3.12 setup    choose the interpreter (after `make clean`)
#   make test PYTEST_ARGS="-k inbox -x"      run some of the tests
#   make bench JSON=figures.json             keep the figures

BIN := .venv/bin
PYTEST_ARGS ?=
KILLS ?= 20
JSON ?=

RECORDED := tests/conformance/data
SHARED := ../shared/vectors

.DEFAULT_GOAL := help
.PHONY: help setup run test unit conformance conformance-shared interop check format bench fuzz soak clean

help:
	@echo "make run      start a network of four validators and show what it can do"
	@echo "make test     run all tests, then replay recorded history of the reference network"
	@echo "make interop  drive the official web client and command line against our networks"
	@echo "make check    lint, format, types, layers and house rules"
	@echo "make bench    measure this machine (docs/performance.md)"
	@echo "make fuzz     property tests with many other examples"
	@echo "make soak     kill processes under load, many times (docs/reliability.md)"
	@echo "make format   rewrite the sources in the house format"
	@echo "make setup    make .venv (the others call it when needed)"
	@echo "make clean    remove everything that was made"

setup:
	@PYTHON="$(PYTHON)" sh tools/setup.sh

run: setup
	@$(BIN)/catenula tour

test: unit conformance conformance-shared

unit: setup
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

conformance: setup
	$(BIN)/catenula conformance types $(RECORDED)/types
	$(BIN)/catenula conformance replay $(RECORDED)/network
	$(BIN)/catenula conformance traffic $(RECORDED)/network
	$(BIN)/catenula conformance commands $(RECORDED)/network

conformance-shared: setup
	@if [ -d $(SHARED) ]; then set -ex; \
	  $(BIN)/catenula conformance types $(SHARED)/types; \
	  $(BIN)/catenula conformance replay $(SHARED)/network; \
	  $(BIN)/catenula conformance traffic $(SHARED)/network; \
	  $(BIN)/catenula conformance commands $(SHARED)/network; \
	else \
	  echo; \
	  echo "*** The full recordings ($(SHARED)) are NOT here: only the selection in"; \
	  echo "*** $(RECORDED) was replayed."; \
	  echo; \
	fi

# Programs that nobody here wrote, against our networks, and ours against theirs (docs/interop.md).
interop: setup
	sh tools/interop.sh
	$(BIN)/python -m pytest -v -rs -m interop tests/interop $(PYTEST_ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/tidy

format: setup
	$(BIN)/ruff check --fix-only --select I .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/catenula bench $(if $(JSON),--json $(JSON))

# Property tests with ten times as many examples, others in every run.
fuzz: setup
	$(BIN)/python -m pytest -q -n 2 --hypothesis-profile fuzz \
		$$(grep -rl --include='test_*.py' '^from hypothesis' tests) $(PYTEST_ARGS)

soak: setup
	$(BIN)/python -m pytest -v -s --kills $(KILLS) --hypothesis-profile soak tests/process $(PYTEST_ARGS)

clean:
	rm -rf .venv .venv.tools .interop .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf .hypothesis .coverage build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
