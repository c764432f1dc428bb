# Salus. `make` lists the targets. Everything a target needs, it sets up itself.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PYTHONS ?= 3.14 3.13 3.12
SIDE_BY_SIDE := -n 2 --dist worksteal
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
COMPILE := $(BIN)/uv pip compile --quiet --no-header --no-annotate --universal --python-version 3.11
export UV_NATIVE_TLS := true
# Modules are compiled once, also where this is set, and not by every process anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (a minute the first time) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group dev -e .
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## Make the virtual environment with pinned dependencies

.PHONY: crds
crds: setup  ## Generate the CRDs from the models
	@$(BIN)/python -m tools.crds crds
	@$(BIN)/python -m tools.crds charts/salus/files/crds

.PHONY: manifests
manifests: crds  ## Write what is made from the chart, and from other files in it (config/, schema, README, snapshots)
	@$(BIN)/python -m tools.manifests

.PHONY: check
check: setup  ## Ruff, mypy strict, import contracts, generated files up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --cache-dir $(CACHE)/salus-mypy
	@cd operator && ../$(BIN)/lint-imports --config ../pyproject.toml --no-cache
	@$(BIN)/python -m tools.crds --check crds
	@$(BIN)/python -m tools.manifests --check

.PHONY: format
format: setup  ## Let ruff put the code in order
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: programs
programs: setup  ## Find or build etcd, the API server, kwok and Prometheus (20 minutes the first time)
	@$(BIN)/python -m tools.devcluster.programs cluster chart

.PHONY: unit
unit: setup  ## Unit tests: seconds, anywhere
	@$(BIN)/pytest tests/unit tests/tools $(or $(ARGS),$(SIDE_BY_SIDE))

.PHONY: contract
contract: programs  ## Every adapter against the same test as its fake, on a real API server and Prometheus
	@$(BIN)/pytest tests/contract $(ARGS)

.PHONY: compat
compat: setup  ## The contract tests of sources on Prometheus 2 and 3, Thanos and VictoriaMetrics (builds them, 15 minutes the first time)
	@$(BIN)/python -m tests.compat $(ARGS)

.PHONY: chart
chart: programs  ## The chart by its tools (lint, suites, kubeconform), and installed on a real API server
	@$(BIN)/pytest tests/chart $(ARGS)

.PHONY: cluster-test
cluster-test: programs  ## The whole operator on a real control plane
	@rm -rf .run/rights
	@SALUS_RIGHTS=$(CURDIR)/.run/rights $(BIN)/pytest tests/cluster -n 6 --dist loadgroup $(ARGS)
	@$(if $(ARGS),echo "Rights are compared after whole runs only",$(BIN)/python -m tools.devcluster.rights .run/rights)

.PHONY: pages
pages: setup  ## Reports' pages in a real Chromium, where one can be had (pictures in .run/pages)
	@$(BIN)/python -m tests.pages $(ARGS)

.PHONY: shop
shop: setup  ## Vet and test the example service, where Go is
	@if command -v go >/dev/null; then cd examples/shop/service && go vet ./... && go test ./...; \
	else echo "shop: no Go here, its tests are left out"; fi

.PHONY: pythons
pythons: setup  ## Unit tests on the newest supported Python that is here besides the one in use (PYTHONS="3.13 3.12")
	@for version in $(PYTHONS); do \
	  for found in $$(command -v python$$version) $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python; do \
	    $$found -c "import sys; assert '%d.%d' % sys.version_info[:2] == '$$version'" 2>/dev/null || continue; \
	    echo "Unit tests on $$($$found --version)"; \
	    $(BIN)/uv venv --quiet --clear --python $$found .run/python-$$version; \
	    $(BIN)/uv pip install --quiet --python .run/python-$$version -c constraints.txt --group dev -e .; \
	    exec .run/python-$$version/bin/python -m pytest tests/unit tests/tools -q $(SIDE_BY_SIDE) -p no:cacheprovider; \
	  done; \
	done; echo "No other supported Python is here ($(PYTHONS))"

.PHONY: package
package: setup  ## Build the wheel, install it into an empty environment, and try its commands there
	@rm -rf dist .run/package && $(BIN)/python -m build --wheel --installer uv --outdir dist . >/dev/null
	@$(BIN)/uv venv --quiet .run/package
	@$(BIN)/uv pip install --quiet --python .run/package --require-hashes --no-build -r requirements.txt
	@$(BIN)/uv pip install --quiet --python .run/package --no-deps dist/*.whl
	@cd .run/package && bin/salus --version && bin/kubectl-salus --help >/dev/null && bin/salus validate -f ../../examples/policies

.PHONY: krew
krew: wheel  ## Build the plugin for krew on this platform, and its manifest, into dist/krew (ARGS="--base-url URL")
	@$(BIN)/uv venv --quiet --clear .run/krew
	@$(BIN)/uv pip install --quiet --python .run/krew --require-hashes --no-build -r requirements.txt
	@$(BIN)/uv pip install --quiet --python .run/krew --no-deps dist/*.whl
	@$(BIN)/uv pip install --quiet --python .run/krew "pyinstaller>=6.22,<7"
	@.run/krew/bin/python -m tools.krew $(or $(ARGS),--base-url https://example.com/salus)

.PHONY: sbom
sbom: package  ## List the Python packages of the image in dist/salus.cdx.json (CycloneDX), and check the list
	@version=$$(.run/package/bin/python -c "import salus; print(salus.__version__)"); \
	  sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml > .run/pyproject.toml
	@$(BIN)/cyclonedx-py environment --pyproject .run/pyproject.toml --mc-type application --output-reproducible \
	  --output-file dist/salus.cdx.json .run/package
	@$(BIN)/pytest tests/package -q -p no:cacheprovider

.PHONY: test
test: setup  ## All that CI runs, side by side, with the e2e tests where they can run; what each part said is in .run/test
	@$(BIN)/python -m tools.suite

.PHONY: e2e-programs
e2e-programs: setup  ## Find or build what the e2e tests need, where they can run
	@$(BIN)/python -m tests.e2e --programs --if-possible

.PHONY: e2e
e2e: setup  ## Tests on a real kubelet: the image, installed by Helm, heals real containers (root on Linux)
	@$(BIN)/python -m tests.e2e $(ARGS)

.PHONY: image
image: setup  ## Build the image over a base made of Debian packages, where there is no registry (root on Debian)
	@$(BIN)/python -m tools.devcluster.dockerfile

.PHONY: cluster
cluster: setup  ## Start a local control plane and say how to use it (ARGS="--nodes kwok|kubelet")
	@$(BIN)/python -m tools.devcluster $(ARGS)

.PHONY: wheel
wheel: setup  ## Build the wheel into dist/
	@$(BIN)/python -m build --wheel --outdir dist .

.PHONY: constraints
constraints: setup  ## Pin all dependencies anew, within the ranges of pyproject.toml; by hash those that make the image
	@$(COMPILE) --group dev pyproject.toml -o constraints.txt
	@$(COMPILE) --generate-hashes -c constraints.txt pyproject.toml -o requirements.txt
	@echo hatchling | $(COMPILE) --generate-hashes -c constraints.txt - -o requirements-build.txt

.PHONY: clean
clean:  ## Remove what make has made here (caches outside the clone stay)
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: demo
demo: setup  ## See Salus heal a service, five times, in minutes (ARGS="--pods auto|containers|kwok --keep --plain")
	@$(BIN)/python -m examples.demo $(ARGS)

.PHONY: fuzz
fuzz: setup  ## Feed soup to every reader of foreign text, and keep what escapes (ARGS="--minutes 30", names of hunts)
	@$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: chaos
chaos: programs  ## Kill Salus 500 times while 50 services fail and recover, then check the books (ARGS="--kills N --targets N")
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: tenants
tenants: programs  ## Ten good tenants, alone and then beside one that does its worst (ARGS="--minutes N --tenants N")
	@$(BIN)/python -m tests.tenants $(ARGS)

.PHONY: bench
bench: setup  ## What a tick costs, with 100, 1,000 and 10,000 policies (ARGS="--policies N --scenarios healthy waiting reload names presets replay")
	@$(BIN)/python -m tests.bench $(ARGS)
