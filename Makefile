# make demo       build the example network, prove it in simulation; needs Python >= 3.11, make, g++
# make test       every test that takes seconds        make test-slow   the others
# make regress    random networks through everything, SLICE="--minutes 3"
# make lint       ruff, mypy                           make clean       what builds and tests left
#
# Everything is installed into .venv, at the versions in constraints.txt.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DIGITS := examples/digits
BUILD  := build/digits
SLICE   ?= --minutes 3
SEED    ?= 1

.DELETE_ON_ERROR:
.PHONY: demo test test-slow regress lint format clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "gatesmith needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The simulator loads Python as a shared library, which Debian's python3 does not bring along.
define LIBPYTHON
	@$(BIN)/python -c 'import sys, find_libpython; sys.exit(not find_libpython.find_libpython())' || { \
	    package=$$($(BIN)/python -c 'import sys; print("libpython%d.%d" % sys.version_info[:2])'); \
	    echo "installing $$package, which the simulator needs"; \
	    if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq $$package; \
	    else sudo -n apt-get install -y -qq $$package; fi || \
	    { echo "please run: sudo apt-get install $$package"; exit 2; } }
endef

# Stamps: an extra is installed again only when what it asks for has changed.
$(VENV)/sim.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[sim]"
	$(LIBPYTHON)
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	$(LIBPYTHON)
	@touch $@ $(VENV)/sim.stamp

demo: $(VENV)/sim.stamp
	$(BIN)/gatesmith build $(DIGITS)/digits_2w2a.onnx -o $(BUILD) --input u5:1/16 --cycles 64
	$(BIN)/gatesmith verify $(BUILD) --data $(DIGITS)/digits_test.npz --stall

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 -m slow $(PYTEST_ARGS)

regress: $(VENV)/dev.stamp
	$(BIN)/gatesmith regress $(SLICE) --seed $(SEED) --failures build/regress \
	    --junit build/regress.xml --report build/regress.md

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis sim_build
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
