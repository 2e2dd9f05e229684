# Needs only Python 3.11 to 3.13 and make. `make demo` shows the main job; `make test` checks everything.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
DEMO   ?= demo

.PHONY: install demo test quick lint docs figures fuzz wheel-check container-check napari-check clean
.DEFAULT_GOAL := test

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,jax,dev]"
	touch $@

demo: install
	rm -rf $(DEMO)
	$(BIN)/salus data phantom $(DEMO)/phantoms -n 80 --seed 1
	$(BIN)/salus data check $(DEMO)/phantoms
	$(BIN)/salus benchmark $(DEMO)/phantoms --preset demo -o $(DEMO)/run
	@echo "Open this file in a browser: $(CURDIR)/$(DEMO)/run/report.html"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A file's tests stay on one worker, for they share its fixtures; the longest files come first (tests/conftest.py).
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Lint, types and unit tests: what to run while working on a change.
UNIT = tests/test_atomic.py tests/test_engine.py tests/test_parallel.py tests/test_pinned.py tests/cli/test_help.py \
	tests/read tests/measure tests/metrics tests/segmentation tests/evaluation tests/saliency tests/data tests/write
quick: lint
	$(BIN)/python -m pytest -n 2 -m "not slow" $(UNIT)

# Hostile files: 1,000 changed copies of each of 14 kinds, read or refused; some 10 minutes.
fuzz: install
	SALUS_FUZZ=1000 $(BIN)/python -m pytest -n 2 tests/fuzz

# The pictures of docs/explanation and docs/tutorial, again.
figures: install
	$(BIN)/python docs/site/figures

# The documentation site, build/site/index.html; a broken link or a missing page is an error.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel-check: install
	PYTHON=$(abspath $(BIN))/python .ci/wheel-check

container-check: # builds the image and runs it, where podman or docker can
	.ci/container-check

napari-check: # the plugin in napari's test viewer; on Linux without a screen, xvfb-run gives a display in memory
	$(PYTHON) -m venv build/napari
	build/napari/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[napari]" pytest pytest-qt
	$(if $(DISPLAY),,xvfb-run -a) build/napari/bin/python -m pytest tests/napari_plugin -p no:cacheprovider

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache
