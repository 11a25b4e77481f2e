PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint gallery

demo: $(INSTALLED)
	$(BIN)/tybalt-like run pipelines/tybalt_brca.toml --overwrite

test: $(INSTALLED) lint
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The committed pictures and tables: what the README shows.
gallery: $(INSTALLED)
	$(BIN)/tybalt-like run pipelines/tybalt_brca.toml --overwrite
	mkdir -p reports/gallery/tybalt_brca
	cp reports/runs/tybalt_brca/figures/*.png reports/gallery/tybalt_brca/
	$(BIN)/tybalt-like benchmark brca --quiet --json reports/gallery/brca.json > reports/gallery/brca.txt

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@
