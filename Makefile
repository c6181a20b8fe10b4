# `make` alone lists the verbs. Recipes `exec`, so that a signal to make's child reaches the program itself.

PYTHON ?= python3
PORT ?= 8000
export PORT
export UV_PYTHON_DOWNLOADS := never

BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long unit lint types bench lock clean

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.run ## make .venv with what the service needs

demo: .venv/.run ## start everything on PORT (8000) with demo data; Ctrl-C stops it
	@exec $(BIN)/gateway demo --end-with-parent

test: lint types ## lint, types and the whole test suite
	@exec $(BIN)/pytest -n 2 --dist loadgroup

test-long: .venv/.dev ## wave-sized runs: the ledger's planted mistakes, 100k journals, kills, PostgreSQL 15; payments in any order
	@LONG=1 $(BIN)/pytest -m '' tests/ledger tests/payments/test_any_order_of_events.py tests/menus_ussd/test_callers.py $(ARGS)
	@[ ! -x /usr/lib/postgresql/15/bin/postgres ] || TEST_DATABASE_URL= TEST_POSTGRES=15 exec $(BIN)/pytest tests/ledger $(ARGS)

unit: .venv/.dev ## the test suite alone; ARGS= goes to pytest
	@exec $(BIN)/pytest $(ARGS)

lint: .venv/.dev ## ruff and the layers between the packages
	@$(BIN)/ruff check && $(BIN)/ruff format --check && exec $(BIN)/lint-imports --no-logo

types: .venv/.dev ## mypy, strict
	@exec $(BIN)/mypy

bench: .venv/.dev ## tables of speeds: a start, and USSD turns
	@exec $(BIN)/python -m benchmarks

lock: .venv/.dev ## renew the hashed locks from pyproject.toml
	@echo uv | $(COMPILE) --no-annotate --output-file requirements/uv.txt -
	@$(COMPILE) --group build --output-file requirements/run.txt pyproject.toml
	@exec $(COMPILE) --group dev --constraint requirements/run.txt --output-file requirements/dev.txt pyproject.toml

clean: ## remove .venv, demo data and caches
	@for data in .demo/*/postgres/data; do [ -L "$$data" ] && rm -rf "$$(dirname "$$(readlink "$$data")")"; done; true
	@rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@exec find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements/run.txt requirements/uv.txt requirements/install.py pyproject.toml
	@exec $(PYTHON) requirements/install.py run

.venv/.dev: requirements/dev.txt requirements/uv.txt requirements/install.py pyproject.toml
	@exec $(PYTHON) requirements/install.py dev
