# The course's commands. Needs GNU make 3.81 or newer and a Python 3.11, 3.12 or 3.13: make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
# Further arguments for `make lab`, `make shop` and `make data`, for example: make lab ARGS=--no-browser
ARGS ?=
# Unit tests and short runs of notebooks are shared out among so many processes: make test WORKERS=4
WORKERS ?= 2

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

PYTEST := $(BIN)/python -m pytest
# A file's tests stay together, so that what they share is made once; each process has one core, and one thread for it.
SHARED_OUT := -n $(WORKERS) --dist loadfile
test-unit test-learners test-solved: export OMP_NUM_THREADS = 1
test-unit test-learners test-solved: export OPENBLAS_NUM_THREADS = 1
# Each part of `make test-all` leaves its report here: report,PART
TRIALS := build/trials
report = --junitxml=$(TRIALS)/$(1).xml

# What compares times, loads a server, or needs both cores
ALONE := $(addprefix tests/services/test_,$(addsuffix .py,realtime_cost refresh shop_load shop_faults shop_kill \
  shop_state_away spark))

.DEFAULT_GOAL := help
# The steps follow each other, also under make -j: the first that fails is the last thing on the screen.
.NOTPARALLEL:
.PHONY: help lab shop test test-unit test-notebooks test-solved test-learners test-services test-browser test-all slow-unit \
  slow-services slow-notebooks check data vectors scoreboards bench readme picture colab notebooks chapter clean-copy address \
  slides site notes links preflight reset pack project clean environment environment-dev

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

lab: environment ## Open the course in JupyterLab, on this computer only
	@$(BIN)/python -m recsys_lab reset --keep
	@JUPYTER_CONFIG_PATH="$(CURDIR)/tools/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(BIN)/python -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(ARGS)

shop: environment ## Open the live shop on this computer: http://127.0.0.1:8000 (ARGS=--port=8080)
	$(BIN)/python -m recsys_lab shop $(ARGS)

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
	$(PYTEST) $(SHARED_OUT) -m "not slow" $(call report,unit)

test-notebooks: test-solved test-learners ## Run each notebook from top to bottom

# Whole, and within the budget. Those that measure times, or come near the budget where others compute too, run alone.
SOLVED := notebooks/solutions
ALONE_SOLVED := $(wildcard $(addprefix $(SOLVED)/,$(addsuffix _*.ipynb,03 05 06 07 08 09)))
test-solved: environment-dev
	@echo; echo "== Solved notebooks"
	$(PYTEST) -o addopts=-ra --nbmake -p tests.notebooks.guard --durations=0 $(SHARED_OUT) $(SOLVED) $(ALONE_SOLVED:%=--ignore=%) \
	  $(call report,solved-notebooks)
	@echo; echo "== Solved notebooks, one after the other"
	$(PYTEST) -o addopts=-ra --nbmake -p tests.notebooks.guard --durations=0 $(ALONE_SOLVED) $(call report,solved-alone)

test-learners: environment-dev
	@echo; echo "== Learners' notebooks on a part of the data"
	$(PYTEST) -o addopts=-ra -n $(WORKERS) -m "not slow" tests/notebooks $(call report,learners-notebooks)

test-services: environment-dev ## Databases, live state and the live shop; Redis where REDIS_SERVER names one
	@echo; echo "== Services"
	$(PYTEST) -o addopts=-ra $(SHARED_OUT) -m "not slow" tests/services $(ALONE:%=--ignore=%) $(call report,services)
	@echo; echo "== Services, one after the other"
	$(PYTEST) -o addopts=-ra -m "not slow" $(ALONE) $(call report,services-alone)

test-browser: environment-dev ## JupyterLab in a real browser, where there is a Chromium or Chrome
	@echo; echo "== Browser"
	$(PYTEST) -o addopts=-ra tests/browser $(call report,browser)

# What fails does not keep the rest from running; the page says all of it. Not $(MAKE): make -n would write the page too.
again := $(MAKE) -k
test-all: ## The same, and all that takes minutes or hours; its result is kept as benchmarks/test_all.md
	@rm -rf $(TRIALS)
	@code=0; $(again) test test-services slow-unit slow-services slow-notebooks || code=$$?; \
	  $(BIN)/python -m tools.trials $(TRIALS) unit solved-notebooks solved-alone learners-notebooks browser services services-alone \
	  slow-unit slow-services slow-notebooks && exit $$code

slow-unit: environment-dev
	@echo; echo "== Slow unit tests"
	$(PYTEST) -m slow $(call report,slow-unit)

slow-services: environment-dev
	@echo; echo "== Slow services"
	$(PYTEST) -o addopts=-ra -m slow tests/services $(call report,slow-services)

slow-notebooks: environment-dev
	@echo; echo "== Learners' notebooks whole, and as on Colab"
	$(PYTEST) -o addopts=-ra -m slow tests/notebooks $(call report,slow-notebooks)

scoreboards: environment ## Measure every board anew (benchmarks/results)
	$(BIN)/python benchmarks/scoreboards.py $(ARGS)

# Other people's frameworks stand in environments of their own: SUPERLINKED_PYTHON, PEERS_PYTHON; without them what was
# measured beside them stays.
bench: environment-dev ## Measure spaces, stores, live state, bandits, shop, growth, peers anew (an hour), and write BENCHMARKS.md
	$(BIN)/python -m benchmarks.spaces
	$(BIN)/python -m benchmarks.stores
	$(BIN)/python -m benchmarks.realtime
	$(BIN)/python -m benchmarks.bandit_trials
	$(BIN)/python -m benchmarks.shop
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation -e '.[scale]'
	$(BIN)/python -m benchmarks.scale --again
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.report

slides: environment-dev ## The chapters as decks with speaker notes, offline (build/slides)
	$(BIN)/python -m tools.slides $(ARGS)

site: environment-dev ## The course as a searchable site, offline (build/site)
	$(BIN)/python -m tools.site $(ARGS)

notes: environment-dev ## Fill the tables of the instructors' notes and of the list of exercises
	$(BIN)/python -m tools.instructors
	$(BIN)/python -m tools.exercises

links: environment-dev ## Ask every outside link whether it still answers (needs a network)
	$(BIN)/python -m tools.links --check

project: environment ## Hold a project to its contract: make project NAME=00 (ARGS=--measure)
	@$(BIN)/python projects/check.py "$(or $(NAME),$(error Give the chapter: make project NAME=00))" $(ARGS)

preflight: environment ## The evening before: every chapter without a network, and this computer (ARGS=--solved)
	$(BIN)/python -m recsys_lab preflight $(ARGS)

reset: environment ## Notebooks back to the start, answers kept; says what it would do (ARGS=--yes does it)
	$(BIN)/python -m recsys_lab reset $(ARGS)

pack: environment ## The course in a folder for a stick: make pack OUT=folder (ARGS=--platform=win_amd64)
	$(BIN)/python -m recsys_lab pack --out "$(or $(OUT),$(error Name the folder: make pack OUT=folder))" $(ARGS)

readme: environment-dev ## Fill the tables of README.md from the results and the chapters
	$(BIN)/python -m tools.readme

picture: environment-dev ## Photograph the live shop for README.md (needs Chromium)
	$(BIN)/python -m tools.shop_picture

colab: environment-dev ## Run the notebooks that have changed as on Colab (needs a Python 3.13); all: ARGS=--all
	$(BIN)/python -m tools.colab_imitation $(ARGS)

data: environment ## Make the simulated shop anew (data/shop)
	$(BIN)/python -m recsys_lab simulate $(ARGS)

vectors: environment ## Encode the texts of the shop and of the chapters that are new (data/vectors)
	$(BIN)/python -m tools.vectors $(ARGS)

notebooks: environment-dev ## Rebuild the notebooks that are stale (from notebooks/src)
	@$(BIN)/python -m tools.chapters build $(ARGS)

chapter: environment-dev ## Start a new chapter and its exercises: make chapter NAME=03_next_click
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
