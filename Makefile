# Two commands are enough: `make demo` and `make test`. Each sets up .venv once; a second call installs nothing.
#   PYTHON=python3.12 make demo             another interpreter (>= 3.11)
#   TORCH=path/to/torch-2.13.0-....whl make demo   a torch build of your choice (see README, "Which torch")
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export GX_ANALYTICS_ENABLED := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: setup demo test test-slow check format docs bench-encoders bench-ingest bench-heads bench-trends bench-warehouse clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d: 3.11 or newer is needed" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/underwood demo demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)
	$(BIN)/python -m warehouse.dictionary docs/data-dictionary.md

# Pixels per second of every encoder; UPSTREAM=path-to-a-checkout measures the public implementation beside ours.
bench-encoders: $(READY)
	$(BIN)/python bench/encoders.py $(if $(UPSTREAM),--upstream "$(UPSTREAM)") $(if $(TILE),--tile "$(TILE)")

# One block-season over a slow network, beside odc-stac and beside whole downloads.
bench-ingest: $(READY)
	$(BIN)/python bench/ingest.py --out bench/ingest.json

# The richness head on the archive of `make demo` (or DEMO=folder): skill, intervals, applicability, truth.
bench-heads: $(READY)
	$(BIN)/python bench/heads.py $(or $(DEMO),demo) --out bench/heads.json

# Trends of 50,000 woodlands, their tests and every order of years; UPSTREAM=path-to-a-checkout of pymannkendall beside.
bench-trends: $(READY)
	$(BIN)/python bench/trends.py $(if $(UPSTREAM),--upstream "$(UPSTREAM)") --out bench/trends.json

# Histories of 50,000 woodlands over 36 seasons: queries, loads and publishing, beside PostgreSQL and Parquet.
bench-warehouse: $(READY)
	$(BIN)/python bench/warehouse_speed.py --out bench/warehouse.json

clean:
	rm -rf demo .underwood .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
