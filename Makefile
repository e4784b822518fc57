# The targets of everyday work; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup images demo pipeline docs lint test status bench clean

PYTHON ?= python3
VENV := .venv/bin
DEMO := build/demo
# What podman needs in its environment on this host; `make setup` writes it.
HOST := set -a; . build/host.env; set +a;
INPUT = $(if $(SRPMS),$(SRPMS),$(if $(SPEC),-p spec="$$SPEC" $(if $(SOURCES),-p sources="$$SOURCES"),-p srpm="$$SRPM"))
RUN = $(HOST) $(VENV)/hermetic-rpm run $(INPUT) $(OPTIONS) -p target="$$TARGET" -p output="$$OUT" -p scratch="$$SCRATCH"

SRPM ?=
SRPMS ?=
SPEC ?=
SOURCES ?=
OPTIONS ?=
TARGET ?= demo-dnf5-x86_64
OUT ?= build/results
SCRATCH ?= disk
# How many test files run at a time; each worker beyond the first takes a rootless user and a GB of disk more.
WORKERS ?= 2
export SRPM SPEC SOURCES TARGET OUT SCRATCH

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## install what this host lacks (apt, as root; elsewhere say what), make .venv, try podman
	@$(PYTHON) -m setup host

images: setup ## build the base and the images of stages and signer; REFRESH=1 takes Debian's newest packages
	@$(HOST) $(PYTHON) -m setup images $(if $(REFRESH),--refresh)

.PHONY: distribution
distribution: setup
	@$(HOST) $(VENV)/python -m demo --output $(DEMO)

demo: images distribution ## make the demo distribution and turn its GNU hello into RPMs
	@SRPM=$$(echo $(DEMO)/srpms/hello-*.src.rpm); export SRPM; $(RUN)

pipeline: srpm-given images $(if $(filter demo-%,$(TARGET)),distribution) ## turn a source RPM into RPMs: SRPM=path, or SRPMS='path path', or SPEC=path [SOURCES=dir] [OPTIONS='--with x'] [TARGET=name] [OUT=dir] [SCRATCH=memory]
	@$(RUN)

.PHONY: srpm-given
srpm-given:
	@if [[ -z '$(SRPMS)' && ! -r $${SPEC:-$$SRPM} ]]; then echo "Say which source RPM or spec: make pipeline SRPM=path or SPEC=path (not '$${SPEC:-$$SRPM}')." >&2; exit 2; fi

docs: ## make the documentation as a site in build/site; a broken link ends it
	@$(PYTHON) -m setup docs

lint: setup ## check style, types and shell scripts
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/mypy --package setup
	@$(VENV)/shellcheck .ci/run bench/bare.sh

test: images distribution docs lint ## lint, then the unit, integration and end-to-end tests, [WORKERS=2] files at a time
	@$(HOST) $(VENV)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --status=build/status.md

status: test ## run all tests, and write docs/status.md from what they proved
	@cp build/status.md docs/status.md

bench: images distribution ## measure the stages against bare programs; MOCK_CALCULATE, MOCK_HERMETIC_REPO, MOCK_HERMETIC_BUILD add Mock's
	@$(HOST) $(VENV)/python -m bench resolve
	@$(HOST) $(VENV)/python -m bench fetch
	@$(HOST) $(VENV)/python -m bench build

clean: ## remove build/ and the containers and images of this project
	@$(PYTHON) -m setup clean
