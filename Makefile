PYTHON ?= python3
BIN := .venv/bin
CHROMIUM ?= chromium
INSTALLED := .venv/installed

.PHONY: demo test tested check lint docs fuzz channels gallery lowest newest dist man sbom audit

demo: $(INSTALLED)
	$(BIN)/tybalt-like run pipelines/tybalt_brca.toml --overwrite

# What to run while working, in under 4 minutes; `make test` also runs what is slow.
check: $(INSTALLED) lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test: $(INSTALLED)
	$(MAKE) --jobs 2 lint tested

# Compiled first: tests start processes by the hundred, and some machines let Python keep nothing.
tested: $(INSTALLED)
	$(BIN)/python -m compileall -q tybalt_like
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, build/docs/html/index.html: warnings are errors, notebooks are executed where they or the
# package have changed, no network is needed; then its spelling, for which codespell's dictionary of
# American words is turned over. Links that leave the site: build/docs/html/links.txt.
docs: $(INSTALLED).docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going -d build/docs/doctrees docs build/docs/html
	sed -E 's/^([^>]*)->([^,]*)$$/\2->\1/' > build/docs/british.txt \
		.venv/lib/python3*/site-packages/codespell_lib/data/dictionary_en-GB_to_en-US.txt
	$(BIN)/codespell --dictionary=- --dictionary=build/docs/british.txt *.md data docs

# 10,000 damaged files of every format, on one core an hour or two; `make test` tries 40 of each.
fuzz: $(INSTALLED)
	$(BIN)/python -W ignore tests/fuzz --each 10000

# Linters of packaging and .github, into build/channels, and wrappers and tools on a small cohort; what
# cannot run here is named.
channels: $(INSTALLED)
	$(BIN)/python tests/channels

# In an environment of its own: the lowest versions that pyproject.toml declares, the newest that there
# are. Torch brings gigabytes of CUDA from PyPI; `make lowest TORCH=2.13.0` takes that one.
lowest newest:
	$(PYTHON) tests/versions $@ $(if $(TORCH),--torch $(TORCH))

# Wheel and source archive; whoever builds the same commit with these versions gets the same bytes.
dist: $(INSTALLED)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/hatchling build -d dist

# The man page: what --help says of every command.
man: $(INSTALLED)
	mkdir -p dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python docs/manpage.py > dist/tybalt-like.1

# What a user installs with these versions, as CycloneDX; and which weaknesses are known of it.
sbom: build/runtime build/auditors
	build/auditors/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library \
		--output-reproducible --output-file dist/tybalt_like.cdx.json build/runtime/bin/python

audit: build/runtime build/auditors
	build/auditors/bin/pip-audit --path $(wildcard build/runtime/lib/python3*/site-packages)

build/runtime: pyproject.toml constraints.txt
	mkdir -p build dist
	$(PYTHON) -m venv --without-pip --clear $@
	$(PYTHON) -m pip --python $@/bin/python install --quiet --no-compile --constraint constraints.txt .
	touch $@

build/auditors:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet cyclonedx-bom pip-audit

# The committed pictures and tables: what the README shows. Many hours on two cores; the cohorts
# are looked for in the folder that TYBALT_LIKE_DATA names.
gallery: $(INSTALLED)
	$(BIN)/tybalt-like run tybalt_brca --overwrite --threads 1
	$(CHROMIUM) --headless --hide-scrollbars --window-size=1180,1240 \
		--screenshot=reports/gallery/report.png $(CURDIR)/reports/runs/tybalt_brca/report.html
	$(BIN)/tybalt-like sweep sweep_brca
	$(BIN)/tybalt-like compress compress_k
	for of in runs/tybalt_brca sweeps/sweep_brca compression/compress_k; do \
		mkdir -p reports/gallery/$${of#*/}; \
		cp reports/$$of/figures/*.png reports/gallery/$${of#*/}/; \
	done
	$(BIN)/tybalt-like run features_brca --overwrite --set explain.gene_sets=hallmark
	mkdir -p reports/gallery/features_brca
	for figure in feature_columns feature_values contrast_1; do \
		cp reports/runs/features_brca/figures/$$figure.png reports/gallery/features_brca/; \
	done
	$(BIN)/tybalt-like run mnist_vae --overwrite
	$(BIN)/tybalt-like run mnist_dcgan --overwrite
	$(BIN)/tybalt-like run mnist_autoencoder --profile quick --out reports/runs/mnist_autoencoder --overwrite
	for of in mnist_vae mnist_dcgan mnist_autoencoder; do \
		mkdir -p reports/gallery/$$of; \
		cp reports/runs/$$of/images.tsv reports/gallery/$$of/; \
		for figure in reports/runs/$$of/figures/images_*.png; do \
			cp $$figure reports/gallery/$$of/$${figure##*/images_}; \
		done; \
	done
	for name in brca suite contaminated adbench mnist calibration domain split genes aberrant \
			perturbation latent nonlinear features gene_sets survival kills again; do \
		rm -f reports/gallery/$$name.tsv.gz; \
		$(BIN)/python tests/benchmarks $$name --table reports/gallery/$$name.tsv.gz \
			> reports/gallery/$$name.txt; \
	done
	rm -f reports/gallery/without_profiles.tsv.gz
	$(BIN)/python tests/benchmarks suite --seeds 2 \
		--detectors "default detector" "default detector, without profiles" \
		--table reports/gallery/without_profiles.tsv.gz > reports/gallery/without_profiles.txt

# Compiled by all cores, which pip does by one; a few files are for later versions of Python.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt torch
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable . --group dev
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	touch $@

$(INSTALLED).docs: $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --group docs
	touch $@
