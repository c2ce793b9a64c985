# The course's commands. Needs GNU make 3.81 or newer and a Python 3.11, 3.12 or 3.13: make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
# Further arguments for `make lab` and `make data`, for example: make lab ARGS=--no-browser
ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.DEFAULT_GOAL := help
# The steps follow each other, also under make -j: the first that fails is the last thing on the screen.
.NOTPARALLEL:
.PHONY: help lab test test-unit test-notebooks test-services test-browser test-all check data vectors scoreboards bench readme colab notebooks chapter clean-copy address \
  clean environment environment-dev

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

lab: environment ## Open the course in JupyterLab, on this computer only
	@JUPYTER_CONFIG_PATH="$(CURDIR)/tools/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(BIN)/python -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(ARGS)

test: check test-unit test-notebooks test-browser ## All checks and tests: style, types, imports, units, notebooks, browser
	@echo; echo "== All of it passed"

check: environment-dev ## Style, types and who imports whom
	@echo; echo "== Style"
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	@echo; echo "== Types"
	$(BIN)/python -m mypy
	@echo; echo "== Imports"
	$(BIN)/lint-imports

test-unit: environment-dev ## The unit tests
	@echo; echo "== Unit tests"
	$(BIN)/python -m pytest -m "not slow"

test-notebooks: environment-dev ## Run each notebook from top to bottom
	@echo; echo "== Notebooks"
ifneq ($(wildcard notebooks/*.ipynb),)
	@# The solved ones here; tests/notebooks runs those that learners open, whole and on a part of the data.
	$(BIN)/python -m pytest --nbmake -o addopts=-ra notebooks/solutions tests/notebooks
else
	@echo "There is no notebook yet."
endif

test-services: environment-dev ## The vector databases: Qdrant, PostgreSQL, and Redis where REDIS_SERVER names one
	@echo; echo "== Services"
	$(BIN)/python -m pytest -o addopts=-ra -m "not slow" tests/services

test-browser: environment-dev ## JupyterLab in a real browser, where there is a Chromium or Chrome
	@echo; echo "== Browser"
	$(BIN)/python -m pytest -o addopts=-ra tests/browser

# pytest ends with 5 when it finds no test at all
test-all: test ## The same, and the tests that take minutes
	@echo; echo "== Slow tests"
	$(BIN)/python -m pytest -m slow || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -o addopts=-ra -m slow tests/services

scoreboards: environment ## Measure every board anew (benchmarks/results)
	$(BIN)/python benchmarks/scoreboards.py $(ARGS)

bench: environment-dev ## Measure the space index beside numpy, the encoder and (SUPERLINKED_PYTHON=…) another library
	$(BIN)/python -m benchmarks.spaces $(ARGS)

readme: environment-dev ## Fill the tables of README.md from the results and the chapters
	$(BIN)/python -m tools.readme

colab: environment-dev ## Run the notebooks as on Colab (needs COLAB_PACKAGES)
	$(BIN)/python tools/colab_imitation.py $(ARGS)

data: environment ## Make the simulated shop anew (data/shop)
	$(BIN)/python -m recsys_lab simulate $(ARGS)

vectors: environment ## Encode the texts of the shop and of the chapters that are new (data/vectors)
	$(BIN)/python -m tools.vectors $(ARGS)

notebooks: environment-dev ## Rebuild the notebooks that are stale (from notebooks/src)
	@$(BIN)/python -m tools.chapters build $(ARGS)

chapter: environment-dev ## Start a new chapter: make chapter NAME=03_next_click
	@$(BIN)/python -m tools.chapters new "$(or $(NAME),$(error Give the name of the chapter: make chapter NAME=03_next_click))"

clean-copy: environment-dev ## A chapter's headings and code alone, for a workshop: make clean-copy NAME=00_start_here
	@$(BIN)/python -m tools.chapters clean-copy "$(or $(NAME),$(error Give the chapter: make clean-copy NAME=00_start_here))"

address: environment-dev ## Change the public address everywhere: make address REPO=owner/name [BRANCH=main]
	@$(BIN)/python -m tools.chapters address "$(or $(REPO),$(error Give the address: make address REPO=owner/name))" $(BRANCH)
	@$(BIN)/python -m tools.readme

clean: ## Remove caches and what was built; the environment (.venv) stays
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .jupyter
	find . -path './.venv*' -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

environment:
	@$(PYTHON) tools/environment.py --venv $(VENV)

environment-dev:
	@$(PYTHON) tools/environment.py --dev --venv $(VENV)
