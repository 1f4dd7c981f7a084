# All commands of developers; `make` alone lists them. They need Python, Node and make, and set up the rest: the Python
# environment in .venv and the npm packages in js/node_modules. A target is rebuilt only if one of its sources has
# changed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
ifndef SIDE_BY_SIDE
.NOTPARALLEL: # tests share the machine
endif

PYTHON ?= python3
# One process for each core; the tests of a file run in the same process. `make check IN_PARALLEL=` uses one process.
IN_PARALLEL ?= --numprocesses=logical --dist=loadfile --no-loadscope-reorder
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)

# Passes a question to the shell unchanged, with any characters.
override export ASK := $(value ASK)

JS_SOURCES := $(shell find js/src js/schema js/scripts -type f -not -name '*.test.*') js/package.json
WIDGET := reasoning_widget/widget/static/widget.js
LAB := reasoning_widget/labextension/package.json
JS_PACKAGES := js/node_modules/.package-lock.json
PY_PACKAGES := .venv/.packages-installed
BUILT := $(WIDGET) $(LAB)
# An editable installation for development. Links replace its copies of the lab extension and the server's
# configuration.
PACKAGE := .venv/.reasoning-widget-installed
LAB_LINK := .venv/share/jupyter/labextensions/reasoning-widget
SERVER_LINK := .venv/etc/jupyter/jupyter_server_config.d/reasoning-widget.json

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

# Use --------------------------------------------------------------------------------------------------------------

.PHONY: demo
ifeq ($(ASK),)
demo: $(PACKAGE) $(BUILT) model ## open JupyterLab on the quickstart; ASK="…" answers here instead
	@options="-y"; \
	[ "$$(id -u)" != 0 ] || options="$$options --allow-root"; \
	[ "$$(uname)" = Darwin ] || [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || options="$$options --no-browser"; \
	jupyter lab $$options --YDocExtension.disable_rtc=True --LabApp.default_url=/lab/tree/notebooks/quickstart.ipynb
else
demo: $(PACKAGE) $(BUILT) model
	@reasoning-widget ask "$$ASK"
endif

.PHONY: model
model: $(PACKAGE)
	@reasoning-widget model pull

.PHONY: dev
dev: $(PACKAGE) $(BUILT) ## JupyterLab, rebuilt and reloaded whenever a file in js/src is saved
	@options=""; [ "$$(id -u)" != 0 ] || options="--allow-root"; \
	node js/scripts/dev.mjs $$options

# Checks -----------------------------------------------------------------------------------------------------------

# Needs neither the JavaScript build nor the language model. Its parts run in parallel; each prints its output when it
# ends, and a failure does not stop the others.
.PHONY: check check-python check-js
check: $(PACKAGE) $(JS_PACKAGES) ## lint, types and the quick tests: run it before a commit
	@$(MAKE) --no-print-directory --keep-going --output-sync=target --jobs=3 SIDE_BY_SIDE=1 \
		check-python check-js style-python style-js types-python types-js

check-python: $(PACKAGE)
	python -m pytest -q -m unit $(IN_PARALLEL)

check-js: $(JS_PACKAGES)
	cd js && npm test -- --project node

.PHONY: test test-python test-js test-browser notebooks
test: style types test-js test-python notebooks test-browser ## everything that must pass

test-python: $(PACKAGE) $(BUILT) model ## the tests of the Python side
	python -m pytest -m "not browser" $(IN_PARALLEL) --cov --cov-report=

test-js: $(JS_PACKAGES) ## the tests of the TypeScript side
	cd js && npm test

test-browser: $(PACKAGE) $(BUILT) model browsers ## a real JupyterLab in Chromium, Firefox and WebKit
	python -m pytest -m browser $(IN_PARALLEL) tests/browser
	@# In a separate process, because Playwright's synchronous API can run only once in each.
	python -m pytest -m browser tests/test_benchmarks.py

# The saved output is from the embedded model, so that one answers even if other models are available.
notebooks: $(PACKAGE) $(BUILT) model ## run the notebooks and compare their saved output
	REASONING_WIDGET_LLM='{"model_type": "embedded", "model": "0.5b"}' \
		python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=600 notebooks

.PHONY: style style-python style-js types types-python types-js bench
style: style-python style-js ## lint and formatting, both languages

style-python: $(PACKAGE)
	ruff check
	ruff format --check
	lint-imports

style-js: $(JS_PACKAGES)
	cd js && npm run style

types: types-python types-js ## strict type checks, both languages

types-python: $(PACKAGE)
	mypy

types-js: $(JS_PACKAGES)
	cd js && npm run types

bench: $(PACKAGE) $(BUILT) model browsers ## measure speed beside its baselines
	python -m benchmarks

# Supports Debian and Ubuntu; on other systems, developers install the browsers themselves. Firefox, WebKit and the
# screen that WebKit needs are for the tests of the cards in engines other than Chromium.
.PHONY: browsers
browsers:
	@missing=""; need() { command -v "$$1" >/dev/null || missing="$$missing $$2"; }; \
	need chromium chromium; need Xvfb xvfb; need WebKitWebDriver webkit2gtk-driver; \
	command -v firefox >/dev/null || need firefox-esr firefox-esr; \
	if [ -z "$$missing" ]; then exit 0; \
	elif ! command -v apt-get >/dev/null; then \
		echo "Missing:$$missing (named as in Debian). Install what they hold, so that it is on PATH." >&2; exit 1; \
	elif [ "$$(id -u)" = 0 ]; then root=; \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then root="sudo -n"; \
	else echo "Missing. Install with: sudo apt-get install$$missing" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$root apt-get update && $$root apt-get install --yes --no-install-recommends $$missing

.PHONY: docs
docs: $(PACKAGE) ## the documentation site, in docs/_build/html; a dead link is an error
	sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . docs/_build/html
	@echo "Open docs/_build/html/index.html"

# Build ------------------------------------------------------------------------------------------------------------

.PHONY: build
build: $(PACKAGE) $(BUILT) ## wheel and sdist, in dist/
	rm -rf dist
	uv build --out-dir dist

$(WIDGET): $(JS_SOURCES) $(JS_PACKAGES)
	cd js && npm run build
	@touch $@

$(LAB): $(JS_SOURCES) $(JS_PACKAGES) $(PY_PACKAGES)
	cd js && npm run build:lab
	@touch $@

# Setup ------------------------------------------------------------------------------------------------------------

.PHONY: python-version node-version
python-version:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "Missing: Python 3.11 or newer ('$(PYTHON)' is not on PATH; name it with PYTHON=…)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Missing: Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Missing: Python's venv module (on Debian: apt-get install python3-venv)." >&2; exit 1; }

node-version:
	@command -v node >/dev/null && command -v npm >/dev/null || \
		{ echo "Missing: Node.js 20 or newer, with npm ('node' and 'npm' are not both on PATH)." >&2; exit 1; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || \
		{ echo "Missing: Node.js 20 or newer; 'node' is $$(node --version)." >&2; exit 1; }

$(PY_PACKAGES): tests/requirements.txt | python-version
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	python -m pip install --quiet "$$(grep '^uv==' tests/requirements.txt)"
	uv pip install --quiet --python $(BIN)/python --requirement tests/requirements.txt
	@touch $@

$(PACKAGE): pyproject.toml $(PY_PACKAGES)
	mkdir -p $(dir $(WIDGET)) $(dir $(LAB))  # builds are written there, now or later
	rm -rf $(LAB_LINK) $(SERVER_LINK)  # otherwise the targets of the links would be uninstalled with the package
	SKIP_JUPYTER_BUILDER=1 uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	mkdir -p $(dir $(LAB_LINK)) $(dir $(SERVER_LINK))
	rm -rf $(LAB_LINK) $(SERVER_LINK)
	ln -s $(CURDIR)/reasoning_widget/labextension $(LAB_LINK)
	ln -s $(CURDIR)/reasoning_widget/server/jupyter_server_config.json $(SERVER_LINK)
	@touch $@

$(JS_PACKAGES): js/package.json js/package-lock.json | node-version
	cd js && npm ci
	@touch $@

.PHONY: requirements clean
requirements: $(PY_PACKAGES) ## pin the newest development environment in tests/requirements.txt
	uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --upgrade \
		--no-annotate --no-emit-index-url --custom-compile-command "make requirements" --quiet \
		--output-file tests/requirements.txt

clean: ## remove what was built and set up
	rm -rf .venv js/node_modules dist docs/_build reasoning_widget/widget/static reasoning_widget/labextension
