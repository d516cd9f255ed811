# `make` lists the targets. What runs Python runs in .venv, which `make setup` fills from the hashed lock.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,\
  $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
READY := $(VENV)/.ready

# Commands get the settings of .env, except those that are set already. They are not included as a makefile would be: make would
# expand a $ in a password, and take what follows a # for a comment.
# As docker compose does, make takes `export NAME = value` too.
ENV_LINE = ^[[:space:]]*(export[[:space:]]+)?($1)[[:space:]]*=[[:space:]]*(.*)$$
PLAIN_ENV := sed -e "1s/^$$(printf '\357\273\277')//" -e "s/$$(printf '\r')$$//" .env 2>/dev/null
STRANGE := $(shell $(PLAIN_ENV) | grep -nvE '^[[:space:]]*(\#|$$)|$(call ENV_LINE,[A-Za-z_][A-Za-z0-9_]*)' | head -n 1 | cut -d: -f1)
$(if $(STRANGE),$(error .env should hold lines such as NAME=value, and comments; line $(STRANGE) is neither. Correct it))
IN_ENV := $(shell $(PLAIN_ENV) | sed -nE 's/$(call ENV_LINE,[A-Za-z_][A-Za-z0-9_]*)/\2/p')
$(foreach name,$(IN_ENV),$(if $(filter undefined,$(origin $(name))),\
  $(eval export $(name) := $$(shell $$(PLAIN_ENV) | sed -nE 's/$$(call ENV_LINE,$(name))/\3/p' | tail -n 1))))
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# These settings of a person's shell would make uv and pip install elsewhere than in .venv.
unexport UV_SYSTEM_PYTHON UV_BREAK_SYSTEM_PACKAGES UV_PYTHON UV_TARGET UV_PREFIX PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PYTHONHOME

# With this one Python and pytest would compile everything anew in each process.
unexport PYTHONDONTWRITEBYTECODE

# Commands get these as they were typed: neither make nor the shell expands a $ in them.
override export AT := $(value AT)
override export BASE := $(value BASE)
override export FILE := $(value FILE)
override export OUTPUT := $(value OUTPUT)
override export JSON := $(value JSON)
override export AGAINST := $(value AGAINST)
override export TABLE := $(value TABLE)
override export BECAUSE := $(value BECAUSE)
override export REV := $(value REV)

SOURCES := $(wildcard src serving db monitoring tests notebooks)
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
DASHBOARDS := PYTHONPATH=monitoring/grafana python -m ontime_dashboards
STRIP := nbstripout --extra-keys "metadata.kernelspec metadata.language_info"
TYPED := src/pipeline $(wildcard src/column_types src/service_kit serving/prediction_api serving/board db/data_api monitoring/kuma/kuma_provisioner monitoring/grafana/ontime_dashboards)

## Start here
.PHONY: help setup repro test test-long
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^## / { printf "\n%s\n", substr($$0, 4) } /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv from the hashed lock (targets that need it do so by themselves)

repro: setup ## Reproduce data, model, metrics and report: dvc repro, after checking params.yaml
	@python -m pipeline.params.compose --check
	@dvc repro $(STAGES)
	@test -z "$${PIPELINE_HEARTBEAT_URL:-}" || python -m pipeline.operations.heartbeat

# Files are shared between processes in the order of tests/conftest.py: the longest first, so that all end together.
# One process more than processors, because tests also wait.
IN_PROCESSES := --numprocesses $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4))) --dist loadfile --no-loadscope-reorder
test: setup ## Run the tests but the long ones (TESTS='tests/db -x': what pytest is given instead)
	@$(if $(TESTS),,echo "Running the tests, about 9 minutes on two processors, without containers. For less, type for example" \
	  "make test TESTS='tests/db -x'. Left to make test-long:" && python tests/repository/long_tests.py)
	@python -m pytest $(or $(TESTS),$(IN_PROCESSES) -m "not long")

test-long: setup ## Run all tests, also containers and hundreds of kills
	@echo "Running all tests; trials of kills and of containers take a quarter of an hour each. Those of containers start some and need a Docker engine; where there" \
	  "is none they are skipped and named at the end. Beyond make test:"
	@python tests/repository/long_tests.py
	@python -m pytest $(IN_PROCESSES)

## Serve
.PHONY: serve demo events score
serve: setup ## Serve predictions on 127.0.0.1:8000, data on :8001 and the board on :8002; makes the model first if there is none
	@test -n "$${MODEL_URI:-}" -o -f data/model/metadata.json || dvc checkout --quiet data/model 2>/dev/null || $(MAKE) repro
	@python -m pipeline.operations.serve

demo: setup ## Replay the test months against the running services, compare live with offline (DAYS=1: one day; SPEED=60: an hour a minute; SECRETS=)
	@test -d data/processed/test -a -d data/raw/flights || dvc checkout --quiet data/processed data/raw 2>/dev/null || true
	@python -m pipeline.replay $(if $(DAYS),--days $(DAYS)) $(if $(SPEED),--speed $(SPEED)) $(REPLAY)

events: setup ## Send the rows of FILE, with a column known_at, as events of TABLE to the data service (FOLLOW=1: and lines that are added)
	@python -m pipeline.send_events "$$FILE" --table "$$TABLE" $(if $(FOLLOW),--follow)

score: setup ## Predict the rows of FILE, a Parquet file or a folder of them, into OUTPUT, partition by partition (DASK_WORKERS=2: two at a time)
	@test -n "$$FILE" && test -n "$$OUTPUT" || \
	  { echo "error: name FILE and OUTPUT, for example make score FILE=data/processed/test OUTPUT=scores" >&2; exit 1; }
	@python -m pipeline.score "$$FILE" "$$OUTPUT"

## Run the whole system in containers
.PHONY: up down logs smoke secrets rotate
up: setup ## Build and start all containers, and wait until they are healthy (CORE=1: without the monitoring)
	@python -m pipeline.operations.up $(if $(CORE),--core)

down: ## Stop and remove the containers; the volumes with the data stay
	@docker compose --profile monitoring --profile dask down --remove-orphans

logs: ## Follow the logs of the containers (SERVICE=prediction-api: of one of them)
	@docker compose $(if $(CORE),--profile core,--profile monitoring) logs --follow --tail 100 $(SERVICE)

smoke: setup ## Follow one prediction through the running containers: answered, stored, counted, all monitors up (CORE=1: no monitoring)
	@python -m pipeline.operations.smoke $(if $(CORE),--core)

secrets: setup ## Write strong secrets for the containers into .secrets/own, and name them in .env; those that exist stay
	@python -m pipeline.operations.secrets

rotate: setup ## Give running containers the secrets that .env names: change their passwords, then start them anew
	@python -m pipeline.operations.rotate

## Promote
.PHONY: promote rollback history
promote: setup ## Make data/model the champion if it beats the present one (BECAUSE='why': without comparing them)
	@python -m pipeline.registry.promote $${BECAUSE:+--because="$$BECAUSE"}

rollback: setup ## Make the previous champion the champion again (BECAUSE='why')
	@python -m pipeline.registry.rollback $${BECAUSE:+--because="$$BECAUSE"}

history: setup ## Show which model was champion when, and why (AT='2026-11-23 14:05', in UTC: which model answered then)
	@python -m pipeline.registry.history $${AT:+--at="$$AT"}

## Experiment
RESULTS := params.yaml dvc.lock data/report
.PHONY: params reset experiment sweep experiments backtest diff notebooks verify test-pythons bench bench-pipeline bench-scale bench-serving bench-database bench-board
params: setup ## Compose conf/ into params.yaml
	@python -m pipeline.params.compose

reset: setup ## Put params.yaml, dvc.lock and all results back as committed, after an experiment or a killed stage; conf/ stays
	@git ls-tree -r -z --name-only HEAD -- $(RESULTS) | xargs -0 rm -f # what is missing git writes, whatever its index believes
	@git restore --source=HEAD --staged --worktree -- $(RESULTS)
	@commit=$$(git rev-parse --short HEAD); dvc checkout --quiet --force dvc.yaml 2>/dev/null && \
	  echo "$(RESULTS) and the outputs of the stages are those of commit $$commit again." || \
	  echo "$(RESULTS) are those of commit $$commit again. DVC's cache lacks outputs of the stages: type make repro, or dvc pull."

experiment: setup ## Run one experiment with other settings: SET='model=logistic model.C=0.1' (NAME=: what to call it)
	@python -m pipeline.experiments.run $(if $(filter command line,$(origin NAME)),--name='$(NAME)') $(foreach word,$(SET),'$(word)')

sweep: setup ## Search over conf/ with queued experiments (conf/sweep.yaml, or SWEEP="model.max_leaf_nodes=choice(15,31)"), apply the best
	@python -m pipeline.experiments.sweep $(foreach word,$(SWEEP),'$(word)')

experiments: setup ## List the experiments of this commit, the best in validation first, with the MLflow run of each
	@python -m pipeline.experiments.sweep --list="$${REV:-HEAD}"

backtest: setup ## Predict each month of the training table by a model of those before (SET='model=logistic', PERIOD=week; INITIAL=3 periods only train; TEST=1 adds the test months, for a look after the choice)
	@GOMP_SPINCOUNT=1000 python -m pipeline.backtest $(if $(PERIOD),--period=$(PERIOD)) $(if $(INITIAL),--initial=$(INITIAL)) \
	  $(if $(filter-out 0,$(TEST)),--test) $${JSON:+--json="$$JSON"} $${AGAINST:+--against="$$AGAINST"} $(foreach word,$(SET),'$(word)')

diff: setup ## Show in Markdown what changed since BASE (main); fails if a metric is worse than conf/gate.yaml tolerates
	@python -m pipeline.diff -- "$${BASE:-main}"

notebooks: setup ## Run the notebooks; copies with their figures go to notebooks/executed
	@mkdir -p notebooks/executed
	@jupyter execute --output='executed/{notebook_name}' $(NOTEBOOKS)

verify: setup ## Show that this commit gives the same bytes in fresh clones, with other threads, seeds, processors (HERE=1: two)
	@python tests/repository/verify.py $(if $(HERE),--here)

test-pythons: setup ## Reproduce and test this commit in a clone with each of Python 3.11, 3.12, 3.13 that is here (RUN='make check': instead)
	@python tests/repository/pythons.py $(RUN)

bench: bench-pipeline bench-serving bench-database bench-board ## Time everything beside its peers

bench-pipeline: setup ## Time the cold pipeline, one, three and ten copies of the table, and an idle dvc repro
	@python tests/bench/run.py

bench-scale: setup ## Time the pipeline on 1, 10, 30 and 100 copies of the table, and two Dask workers beside one process (about an hour)
	@PYTHONPATH=src python tests/bench/scale.py

bench-serving: setup ## Time the prediction service beside LitServe, BentoML, MLServer, MLflow's server, ONNX Runtime, and others
	@test -f data/model/metadata.json || $(MAKE) repro
	@python tests/bench/serving.py
	@PYTHONPATH=src:serving python tests/bench/peers.py
	@PYTHONPATH=src:serving python tests/bench/outbox.py

bench-database: setup ## Time the data service and its event log beside bare inserts, and with 100,000 and 10 million stored predictions
	@PYTHONPATH=tests:src:db python tests/bench/database.py
	@PYTHONPATH=tests:src:db python tests/bench/events.py

bench-board: setup ## Time one flight's features, questions, start, replay and pages of the board, and POST /events beside a bare insert
	@test -f data/model/metadata.json || $(MAKE) repro
	@PYTHONPATH=src:serving:tests python tests/bench/board_service.py
	@PYTHONPATH=src:serving:tests python tests/bench/board_pages.py
	@PYTHONPATH=tests:src:db python tests/bench/events.py

## Maintain
.PHONY: check format dashboards pictures lock audit clean
check: setup ## Check format, lint, types, that notebooks hold no outputs, and that params.yaml and dashboards match their sources
	@ruff format --check $(SOURCES) && ruff check $(SOURCES)
	@mypy $(TYPED)
	@$(STRIP) --verify $(NOTEBOOKS) || { echo "error: these notebooks hold outputs or a kernel's name; make format strips them." >&2; exit 1; }
	@python -m pipeline.params.compose --check
	@$(DASHBOARDS) --check

format: setup ## Format the code, fix what lint can fix, and strip the notebooks of their outputs
	@$(STRIP) $(NOTEBOOKS)
	@ruff format $(SOURCES)
	@ruff check --fix $(SOURCES)

dashboards: setup ## Write Grafana's dashboards from their source in monitoring/grafana and the model's committed scores
	@$(DASHBOARDS)

pictures: setup ## Take the pictures of the pages anew, in Chromium: the board over a week of 2013, the report, and the monitoring that runs
	@test -f data/model/metadata.json || $(MAKE) repro
	@PYTHONPATH=src:serving:tests python tests/repository/pictures.py

COMPILE = uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: setup ## Update the hashed locks of requirements/ to what pyproject.toml asks for (UPGRADE=1: the newest of everything)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra dev pyproject.toml -o requirements/dev.txt
	@for extra in pipeline compute serving board registry db kuma; do \
	  $(COMPILE) --extra $$extra -c requirements/dev.txt pyproject.toml -o requirements/$$extra.txt; done
	@awk '/^[a-z]/ { is_uv = /^uv==/ } is_uv' requirements/dev.txt > requirements/uv.txt

audit: setup ## Look for known vulnerabilities in the locked packages; fails if there is one, or if nobody could be asked
	@python tests/repository/audit.py

clean: ## Remove .venv and what tools leave behind; data/ and DVC's cache stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

NO_PYTHON = $(error Ontime needs Python 3.11 or newer; none is on the PATH. Install one, or type make PYTHON=/path/to/python3)
INTO_VENV := --prefix=$(CURDIR)/$(VENV) --target= --root=/ --no-user # whatever a configuration file of pip says
# pip installs uv, whose hash is locked, and uv installs the rest. While no lock changes, the stamp saves doing it again.
$(READY): requirements/uv.txt requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) with $$($(or $(PYTHON),$(NO_PYTHON)) --version)" >&2
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check $(INTO_VENV) --require-hashes -r requirements/uv.txt
	@uv pip sync --python $(VENV)/bin/python --quiet --require-hashes --compile-bytecode requirements/dev.txt
	@uv pip install --python $(VENV)/bin/python --quiet --no-deps --no-build-isolation --editable .
	@$(VENV)/bin/python -I -c "import pipeline" && touch $@
