# Everything builds its own environment in .venv from requirements.lock; nothing needs to be installed by hand.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO_OUT := demo_output

.PHONY: help install demo test check bench bench-decode versions lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED)  ## build the environment (the other targets do it by themselves)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Python 3.11 is needed (bpy 4.5 is built for it), found " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED)  ## de-render a picture that no training saw and say where the result is
	$(BIN)/igllm derender docs/pictures/demo.png --out $(DEMO_OUT)

test: $(INSTALLED)  ## run every test that this machine can run
	$(BIN)/python -m pytest

check: $(INSTALLED)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

zip: $(INSTALLED)  ## build and validate the Blender extension (dist/igllm_addon-VERSION.zip)
	$(BIN)/python packaging/make_zip.py

test-window: $(INSTALLED)  ## try the extension in a real Blender window (root; WINDOW_OPTIONS="--suite sid" for 5.2)
	$(BIN)/python tests/window/run_window.py $(WINDOW_OPTIONS)

bench: $(INSTALLED)  ## measure rendering against the classic procedure (half an hour)
	$(BIN)/python benchmarks/generate.py

bench-decode: $(INSTALLED)  ## measure decoding against generate of transformers (a minute)
	$(BIN)/python benchmarks/decode.py

versions: $(INSTALLED)  ## try `igllm generate` in every supported Blender (an environment each in build/versions, 5 GB)
	$(BIN)/python tests/versions/run_versions.py

lock: $(INSTALLED)  ## write the versions of the environment into requirements.lock
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip | sed -E 's/\+cpu$$//' > requirements.lock

clean:  ## remove the environment and build folders
	rm -rf $(VENV) build dist $(DEMO_OUT) *.egg-info
