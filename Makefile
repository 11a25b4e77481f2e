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

# The committed pictures and tables: what the README shows. Many hours on two cores; the cohorts
# are looked for in the folder that TYBALT_LIKE_DATA names.
gallery: $(INSTALLED)
	$(BIN)/tybalt-like run tybalt_brca --overwrite
	$(BIN)/tybalt-like sweep sweep_brca
	$(BIN)/tybalt-like compress compress_k
	for of in runs/tybalt_brca sweeps/sweep_brca compression/compress_k; do \
		mkdir -p reports/gallery/$${of#*/}; \
		cp reports/$$of/figures/*.png reports/gallery/$${of#*/}/; \
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
	rm -f reports/gallery/*.json
	$(BIN)/tybalt-like benchmark brca --quiet --json reports/gallery/brca.json > reports/gallery/brca.txt
	$(BIN)/tybalt-like benchmark anomaly --quiet --json reports/gallery/anomaly.json > reports/gallery/anomaly.txt
	$(BIN)/tybalt-like benchmark anomaly --contaminated --quiet --json reports/gallery/contaminated.json > reports/gallery/contaminated.txt
	$(BIN)/tybalt-like benchmark anomaly --adbench --quiet --json reports/gallery/adbench.json > reports/gallery/adbench.txt
	$(BIN)/tybalt-like benchmark images --quiet --detectors 'default (PCA-20);f-AnoGAN;AnoGAN' --json reports/gallery/mnist.json > reports/gallery/mnist.txt
	$(BIN)/tybalt-like benchmark aberrant --quiet --json reports/gallery/aberrant.json > reports/gallery/aberrant.txt
	$(BIN)/tybalt-like benchmark perturbation --quiet --json reports/gallery/perturbation.json > reports/gallery/perturbation.txt
	$(BIN)/tybalt-like benchmark latent --quiet --json reports/gallery/latent.json > reports/gallery/latent.txt

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@
