# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
TORCH_OPTIONS ?=
WORKERS ?= 2
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# Modules and tests are compiled once, not by every process that tests start, also where this is switched off.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo demo-train studies test test-slow kills fuzz mutations bases quality style wheel clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY)  ## both methods at work on drawn scenes in two minutes, ending in one HTML page (runs/demo)
	$(RUN) -m promvil_hf demo --out runs/demo

demo-train: $(READY)  ## the same with adapters trained from nothing, about ten minutes more (runs/demo_train)
	$(RUN) -m promvil_hf demo --train --out runs/demo_train

studies: $(READY)  ## every study of studies/, resumed where it stopped; writes its result, plot and numbers
	$(RUN) -m studies all --workers 2

test: $(READY)  ## the default suite, in WORKERS processes
	$(RUN) -m pytest --numprocesses $(WORKERS) --dist loadfile

test-slow: $(READY)  ## the tests marked slow
	$(RUN) -m pytest -m slow --timeout=3600

kills: $(READY)  ## every long command killed 30 times at random, resumed and compared
	$(RUN) -m pytest -m kills --timeout=3600

fuzz: $(READY)  ## a million hostile inputs for every parser, 1,000 examples instead of 30 of every law that draws them
	$(RUN) -m pytest -m "fuzz or hypothesis" --hypothesis-profile=many --timeout=3600

mutations: $(READY)  ## 100,000 damaged files and 20,000 damaged answers of every kind
	$(RUN) -m tests.mutations

bases: $(READY)  ## accuracies of the shipped toy bases, with intervals
	$(RUN) -m pytest -m bases -s

quality: $(READY)  ## lint, and lines of code by folder
	$(RUN) -m ruff check .
	$(RUN) tests/lines_of_code.py

style: $(READY)  ## lint and mend
	$(RUN) -m ruff check --fix .

wheel: $(READY)  ## dist/promvil_hf-*.whl
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## what runs wrote; the virtual environment stays
	rm -rf build dist runs *.egg-info .pytest_cache .ruff_cache .hypothesis

# torch first: left to the resolver it would bring the newest CUDA build, several GB. TORCH= names another
# build, TORCH_OPTIONS= where pip finds it, such as --index-url URL.
$(READY): setup.py constraints.txt
	@echo "Installing into $(VENV): about 2 GB on disk, a few minutes. Not counted in the times that follow."
	@began=$$(date +%s); set -e; \
	say() { echo "  $$1 ($$(( $$(date +%s) - began )) s so far)"; }; \
	test -x $(RUN) || { say "1 of 3: a virtual environment with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }; \
	say "2 of 3: $(TORCH), the largest part: about 200 MB to download for CPUs, several GB for GPUs"; \
	$(RUN) -m pip install --quiet --disable-pip-version-check $(TORCH_OPTIONS) "$(TORCH)"; \
	say "3 of 3: transformers, datasets, peft, trl and what the tests need: about 400 MB to download"; \
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"; \
	echo "Installed in $$(( $$(date +%s) - began )) s. The next call begins at once."
	@touch $@
