# The two commands that do everything on a fresh Debian 12: make demo, make test

BIN := .venv/bin
READY := .venv/ready
SERVERS := .venv-servers/ready
SOURCES := benchmarks examples oslo_image tests tools

# Mounting filesystems needs root: ask for the password now, if at all.
ASK_SUDO := test "$$(id -u)" -eq 0 || sudo -v || true

.DEFAULT_GOAL := help
.PHONY: help demo bench test lint types unit functional docs clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*##/  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

# Set-up runs again only when what it reads has changed.
$(READY): setup.cfg pyproject.toml requirements.txt bindep.txt tools/bootstrap.sh
	@tools/bootstrap.sh
	@touch $@

$(SERVERS): tests/servers/requirements.txt tools/bootstrap.sh
	@tools/bootstrap.sh servers
	@touch $@

demo: $(READY)  ## copy real disk images, and show plan, result and time
	@$(ASK_SUDO)
	@$(BIN)/python tools/demo.py

bench: $(READY) $(SERVERS)  ## compare copy paths with each other, peers and the limit
	@tools/bootstrap.sh bench
	@$(ASK_SUDO)
	@$(BIN)/python -m benchmarks

test: lint types docs unit functional  ## run everything

lint: $(READY)  ## check style and release notes
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/flake8 $(SOURCES)
	$(BIN)/reno --quiet lint

types: $(READY)  ## check types
	$(BIN)/mypy

docs: $(READY)  ## build the documentation; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -E -b html doc/source doc/build/html

unit: $(READY)  ## run the tests that need nothing
	$(BIN)/python -m pytest -n auto tests/unit

functional: $(READY) $(SERVERS)  ## run the tests on real servers and filesystems
	@$(ASK_SUDO)
	OSLO_IMAGE_SERVERS=required $(BIN)/python -m pytest -n 2 --dist loadgroup tests/functional

clean:  ## remove all that was made here, the environment included
	rm -rf .venv .venv-servers build dist cover doc/build doc/source/_static releasenotes/build
	rm -rf .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
