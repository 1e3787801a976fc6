# Two commands do all: `make demo` and `make test`. `make up` / `make down` run the platform for own work.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export HF_HUB_OFFLINE := 1
export GX_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: setup demo test test-long check up down clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (2 to 5 minutes, once) ..."
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) -e '.[dev]'
	@touch $@

# PROBLEM=triage,ddi shows others than seriousness and coding. APPROVE=ui waits for a person in the Prefect UI; DATA=<folder of yearly VAERS zips> runs on those reports; RECIPE=<file> is used in place of the shipped one.
demo: setup
	@$(BIN)/pv demo $(if $(APPROVE),--approve $(APPROVE)) $(if $(DATA),--data $(DATA)) $(if $(PROBLEM),--problem $(PROBLEM)) $(if $(RECIPE),--recipe $(RECIPE))

test: check
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -q

# The tests that are marked long, too: some minutes more, before a release.
test-long: check
	@PV_LONG=1 $(BIN)/python -m pytest -n 2 --no-loadscope-reorder -q

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@$(BIN)/python tools/audit.py

up: setup
	@$(BIN)/pv up

down:
	@$(BIN)/pv down

clean: down
	rm -rf $(VENV) .pv
