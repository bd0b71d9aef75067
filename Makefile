# The commands of this project. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# bytewax has wheels for Python 3.10 to 3.12: the first of these that is one of them is taken.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
FOR ?=
RATE ?=
PROCESSES ?=
FORM ?= flattened
WORKERS ?= 3
ROOMS := dataflows messages monitoring operators records settings sinks sources web

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: .venv/demo ## the main job on an embedded Kafka with generated data; FOR=seconds RATE=ratings/s PROCESSES=n
	@$(BIN)/python -m demo $(if $(FOR),--for $(FOR)) $(if $(RATE),--rate $(RATE)) $(if $(PROCESSES),--processes $(PROCESSES))

# Files stay whole, and the order is kept: the longest come early, and the workers end together.
test: .venv/dev ## all tests, WORKERS=3 side by side, or TESTS="FILES OPTIONS"; real servers need Java, Maven and Go
	@# Go builds for minutes, on a machine that has not built yet, and no test is to wait for it.
	$(if $(TESTS),,$(BIN)/python -m servers.go)
	$(BIN)/python -m pytest $(if $(TESTS),$(TESTS),-n $(WORKERS) --dist loadfile --no-loadscope-reorder)

coverage: .venv/dev ## the share of each room that the tests without servers run
	$(BIN)/coverage run -m pytest -m "not (kafka or elasticsearch or s3 or mariadb or registry or connect or prometheus)" $(ROOMS:%=tests/%)
	@for room in $(ROOMS); do echo "$$room: $$($(BIN)/coverage report --include "$$room/*" --format total) %"; done

# The random events come alone: they are to be over within seconds that hold for a machine that does nothing else.
soak: WORKERS = 2
soak: .venv/dev ## the tests of kills and outages at full length, two side by side; two hours
	EVENTS=20 EVENTS_SUSPENDED=90 EVENTS_FLOWS_SECONDS=15 \
		$(BIN)/python -m pytest -v -rP --show-capture stdout --timeout 3000 tests/k8s/test_events.py
	WORLD_RATINGS=200000 KILLS=100 SERVER_KILLS=5 KILLS_RATINGS=300000 OUTAGE_SECONDS=60 \
		ARCHIVE_KILLS=50 ARCHIVE_RATINGS=500000 NOTIFY_ALERTS=2000 NOTIFY_KILLS=20 NOTIFY_LIMIT=30 \
		CDC_CHANGES=10000 CDC_SNAPSHOT_ROWS=1000000 \
		$(BIN)/python -m pytest -v -rP --show-capture stdout -n $(WORKERS) --dist worksteal --timeout 3000 tests/dataflows \
		-k "outputs_equal or kills or told_once or alerts_go_on or joins_table or snapshot_is_read"

alerts: .venv/dev ## cause eight faults for real, and see the alerts fire and end; FAULTS="'broker killed'"; five minutes
	@$(BIN)/python -m demo.drill $(FAULTS)

kubernetes: .venv/dev ## the chart on a real API server; the first time Go builds it for ten minutes
	$(BIN)/python -m pytest -v tests/k8s/on_api_server.py

lint: .venv/dev ## ruff, codespell and mypy --strict
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy

format: .venv/dev ## put the code in its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

servers: .venv/dev ## real servers for a person: writes .servers/env to source; Ctrl-C stops them
	@$(BIN)/python -m servers

servers-cdc: .venv/dev ## the customers of make servers into Kafka, FORM=flattened-avro, envelope, ...; again: in another form
	@$(BIN)/python -m servers.cdc --form $(FORM)

bench: .venv/dev ## side by side with a plain loop, on a real Kafka; takes minutes
	$(BIN)/python -m benchmarks

docs: .venv/runtime ## write docs/settings.md, docs/metrics.md, the schema of the chart's values and Grafana's dashboard
	$(BIN)/python -m settings docs/settings.md
	$(BIN)/python -m dataflows.metrics docs/metrics.md
	$(BIN)/python -m settings.schema k8s/chart/values.schema.json
	$(BIN)/python -m monitoring.grafana

manifest: .venv/dev ## write k8s/ratings.yaml from the chart; the first time Go builds helm for minutes
	helm=$$($(BIN)/python -m servers.go helm) && { echo "# Written by \`make manifest\`: the chart with its default values. k8s/README.md says how to use it."; \
		$$helm template ratings k8s/chart --no-hooks; } > k8s/ratings.yaml

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes
lock: .venv/dev ## resolve all dependencies anew into requirements/, those of the benchmarks' rivals, too
	$(BIN)/pip install --quiet uv==0.13.9
	$(COMPILE) --upgrade --extra notify --extra web pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --upgrade --extra notify --extra web --extra demo -c requirements/runtime.txt pyproject.toml -o requirements/demo.txt
	$(COMPILE) --extra notify --extra web --extra demo --extra dev -c requirements/demo.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) --upgrade requirements/quix.in -o requirements/quix.txt
	$(COMPILE) --upgrade requirements/quix-s3.in -o requirements/quix-s3.txt

.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null || { \
		echo "Python 3.10, 3.11 or 3.12 is needed (bytewax has no wheels for 3.13): install one, then make PYTHON=python3.12 run"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime: requirements/runtime.txt | .venv/bin/python
	@echo "installing into .venv (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/demo: requirements/demo.txt | .venv/bin/python
	@echo "installing into .venv (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ .venv/runtime

.venv/dev: requirements/dev.txt | .venv/bin/python
	@echo "installing the development tools into .venv (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ .venv/runtime .venv/demo

.PHONY: help run test coverage soak alerts kubernetes lint format servers servers-cdc bench docs manifest lock
