# Two front doors, each doing all its own set-up: `make quickstart` (the main job) and `make test`.
PYTHON ?= python3
TORCH_FROM ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
READY := $(VENV)/.ready
QUICK := $(VENV)/.quick

# Most tests start processes, and each would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart test check lint types imports docs docs-check docs-look release-check clean

quickstart: $(QUICK)
	$(BIN)/assay quickstart

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: lint types imports test docs-check

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

# Every command of start and of the how-tos, as printed: two minutes of processor.
docs-check: $(READY)
	$(BIN)/python -m tests.docs.pages

# Builds into dist/ and tries it in environments of its own; nothing is uploaded.
release-check:
	$(PYTHON) release.py

# What the quickstart imports, at the versions of the lock. Torch comes first, alone, because its CPU build is the one
# that must not be replaced. Compiling to bytecode takes longer than copying, and most of it would never be imported.
$(QUICK): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --no-compile --no-deps $(TORCH_FROM) "$$(grep '^torch==' requirements.lock)"
	$(PIP) --no-compile -c requirements.lock -e '.[train,report,server]'
	touch $@

# Everything is pinned in the lock, so pip has nothing to resolve (--no-deps).
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --no-compile --no-deps $(TORCH_FROM) "$$(grep '^torch==' requirements.lock)"
	$(PIP) --no-compile --no-deps -r requirements.lock
	$(PIP) --no-compile --no-deps --no-build-isolation -e .
	touch $@ $(QUICK)

# The site, in site/: it needs no server and nothing from outside. Its tools are in an environment of their own.
DOCS := .venv-docs
docs:
	test -x $(DOCS)/bin/mkdocs || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["docs"])')
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

# Every page of the built site in Chromium, wide and narrow, light and dark, and what its search finds.
docs-look: $(READY)
	$(BIN)/python -m tests.docs.site

clean:
	rm -rf $(VENV) .venv-docs site runs
