# Every verb makes the environment it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROTOC := .venv-protoc
VISITS ?= 40000
SOURCES := sdk server tools tests hatch_build.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check bench learn protos clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

$(STAMP): pyproject.toml hatch_build.py $(wildcard server/maitred_server/compiled/*.pyx)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# A generator of its own: an old one, so that the stubs run with old and new protobuf alike.
$(PROTOC)/.installed:
	$(PYTHON) -m venv $(PROTOC)
	$(PROTOC)/bin/python -m pip install --quiet --disable-pip-version-check 'grpcio-tools==1.72.1' 'setuptools<81'
	touch $@

demo: $(STAMP) ## Serve a year of real shopping visits through the SDK and a live server (VISITS=40000, or all)
	$(BIN)/python -m maitred_tools.demo --visits $(VISITS)

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest

test-slow: $(STAMP) ## Run the tests that need minutes
	$(BIN)/python -m pytest -m slow

check: $(STAMP) $(PROTOC)/.installed ## Check style, types, import layers, stubs and docs
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/python -m pytest -q tests/project --ignore tests/project/test_packaging.py
	$(BIN)/python tools/stubs.py --check --generator $(PROTOC)/bin/python

bench: $(STAMP) ## Measure the server, each figure beside its reference, into one report (BENCH=--quick for a look)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[learn,envoy]'
	$(BIN)/python -m maitred_tools.bench $(BENCH)

learn: $(STAMP) ## Play bandits from labelled data, ours beside other people's learners (LEARN=--quick for a look)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[learn]'
	$(BIN)/python -m maitred_tools.learn $(LEARN)

protos: $(STAMP) $(PROTOC)/.installed ## Make the Python stubs anew from protos/
	$(BIN)/python tools/stubs.py --generator $(PROTOC)/bin/python

clean: ## Remove environments, caches and what was built
	rm -rf $(VENV) $(PROTOC) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f server/maitred_server/compiled/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
