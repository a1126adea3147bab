# make help lists what can be made. Everything runs in an environment of its own, .venv, set up when needed.

VENV ?= .venv
JOBS ?= 2
# Interpreters that TVM 0.19 was seen to work with, the system's first.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& command -v $$python && break; done)

BIN := $(abspath $(VENV))/bin
READY := $(VENV)/ready
# mypy sees the four folders under the names that they are installed with.
TYPED := build/mypy/tvm_pulp
SCRIPTS := benchmarks examples/digits examples/engine $(filter-out test/python/test_%,$(wildcard test/python/*.py))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-lit test-python lint format docs bench clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: $(READY) ## set up .venv with the compiler and the tools for development

demo: $(READY) ## compile the digits network, build its C, run it on real images, show what happened
	$(BIN)/python examples/digits/demo.py

test: $(READY) ## run every test: lit, then pytest
	@$(MAKE) --no-print-directory test-lit; lit=$$?; $(MAKE) --no-print-directory test-python && exit $$lit

test-lit: $(READY) ## run the tests of printed code, passes and error messages
	$(BIN)/lit -j$(JOBS) test/lit

test-python: $(READY) ## run pytest
	$(BIN)/python -m pytest -n $(JOBS) -rs

lint: $(READY) ## check style and types of Python and the format of C
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf $(TYPED) && mkdir -p $(TYPED)
	@ln -s $(abspath compiler)/* $(abspath passes codegen runtime) $(TYPED)
	MYPYPATH=build/mypy $(BIN)/mypy $(TYPED) $(SCRIPTS)
	find runtime -name '*.[ch]' | xargs $(BIN)/clang-format --dry-run -Werror

format: $(READY) ## format Python and C
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find runtime -name '*.[ch]' | xargs $(BIN)/clang-format -i

docs: $(READY) ## make the pages of docs/ that are made from the code
	$(BIN)/tvm-pulp operators > docs/operators.md

bench: $(READY) ## measure compile times and, where GVSoC is found, cycles (docs/benchmarks.md, kernels.md, model.md)
	$(BIN)/python benchmarks/compile_time.py
	$(BIN)/python benchmarks/bench_kernels.py --document docs/kernels.md
	$(BIN)/python benchmarks/cycles.py --document docs/benchmarks.md
	$(BIN)/python benchmarks/layer_cycles.py --document docs/model.md

clean: ## delete build/ and .venv
	rm -rf build $(VENV)

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.10 to 3.13: apt-get install python3 python3-venv, or make PYTHON=<path>" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) has no venv module: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
