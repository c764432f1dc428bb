# Salus. `make` lists the targets. Everything a target needs, it sets up itself.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help:  ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (a minute the first time) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group dev -e .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## Make the virtual environment with pinned dependencies

.PHONY: lint
lint: setup  ## Ruff, mypy strict and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@cd operator && ../$(BIN)/lint-imports --config ../pyproject.toml --no-cache

.PHONY: format
format: setup  ## Let ruff put the code in order
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: cluster
cluster: setup  ## Start a local control plane and say how to use it (ARGS="--nodes kwok|kubelet")
	@$(BIN)/python -m tests.devcluster $(ARGS)
