# Every target sets up what it needs; nothing is done twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEPENDENCIES := $(VENV)/.dependencies
READY := $(VENV)/.ready
TRIAL := $(VENV)/.trial
BENCH := .bench
PROBOT := $(BENCH)/.tried
AGENTS := .agents
CLIS := $(AGENTS)/.installed
# Without @latest npm takes an older Claude Code for an older Node, which it does not need.
NPM_AGENTS := @anthropic-ai/claude-code@latest @openai/codex opencode-ai
PIN := uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header
LAMBDA_PIN := --python-platform aarch64-manylinux_2_28 --python-version 3.12 --only-binary :all:
SAM := .sam
LAMBDA := build/lambda
# What the functions run on, whatever machine this is.
LAMBDA_PLATFORM := --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 --implementation cp --python-version 3.12
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/pytest -n 4 --dist worksteal

.PHONY: help demo check test test-fast test-agents kill sweep bench format requirements sam lambda deploy clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

define environment
	@command -v git >/dev/null || { echo "git is missing: install it first (Debian: apt-get install git)"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo "venv is missing (Debian: apt-get install python3-venv)"; exit 2; }
	$(PIP) --require-hashes $(1)
endef

$(DEPENDENCIES): requirements/dev.txt
	$(call environment,-r requirements/dev.txt)
	@touch $@

$(READY): $(DEPENDENCIES) pyproject.toml
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# Who only tries it need not wait for what tests need.
$(TRIAL): requirements/base.txt requirements/build.txt pyproject.toml
	$(call environment,-r requirements/base.txt -r requirements/build.txt)
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

demo: $(if $(wildcard $(READY)),$(READY),$(TRIAL))  ## watch a labelled issue become a merged pull request, on this machine
	$(BIN)/orch demo

check: $(READY)  ## format, lint, types, import layers, dependencies, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy app handlers runner infra tests
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/hadolint Dockerfile

test: check  ## every check and every test
	$(PYTEST)

test-fast: $(READY)  ## every test but the kill harness and the wheel
	$(PYTEST) -m 'not kill and not packaging'

$(CLIS):
	@command -v npm >/dev/null || { echo "npm is missing: it installs the agents (Debian: apt-get install npm)"; exit 2; }
	@mkdir -p $(AGENTS)
	npm install --no-audit --no-fund --loglevel=error --prefix $(AGENTS) $(NPM_AGENTS)
	@touch $@

test-agents: $(READY) $(CLIS)  ## whole runs with real agent CLIs, which it installs (1.1 GB)
	$(BIN)/pytest -n 2 --dist worksteal -m agents tests/agents

kill: $(READY)  ## the kill harness alone, with its report
	KILL_EVERY=1 KILL_MOMENTS=50 KILL_TOGETHER_EVERY=5 $(BIN)/pytest -m kill -s

sweep: $(READY)  ## 20 tasks with half of all webhooks gone; SWEEP_SEED says which
	SWEEP_TASKS=20 $(BIN)/pytest -s tests/e2e/test_sweep.py

$(PROBOT):
	@mkdir -p $(BENCH)
	@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(BENCH) probot@14 @probot/adapter-aws-lambda-serverless@4 && touch $@; \
		npm install --silent --no-audit --no-fund --prefix $(BENCH) better-sqlite3@12; \
	fi; true

bench: $(READY) $(PROBOT)  ## what Orch costs, beside others; BENCH_ARGS='--help' lists its parts
	$(BIN)/python -m tests.bench.run $(BENCH_ARGS)

format: $(READY)  ## rewrite the code as `check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: $(READY)  ## pin every dependency anew (needs uv on PATH)
	$(PIN) -o requirements/base.txt pyproject.toml
	$(PIN) --group dev --all-extras -o requirements/dev.txt pyproject.toml
	echo 'aws-sam-cli==1.170.0' | $(subst --no-strip-extras,,$(PIN)) -o requirements/sam.txt -
	$(subst --universal,$(LAMBDA_PIN),$(PIN)) --extra aws --extra notify --extra otel -o requirements/lambda.txt pyproject.toml
	$(PIN) -c requirements/dev.txt --extra aws --extra metrics --extra notify --extra otel --extra router -o requirements/image.txt pyproject.toml
	printf 'editables\nhatchling\n' | $(PIN) -c requirements/dev.txt -o requirements/build.txt -

$(SAM)/.ready: requirements/sam.txt
	@$(PYTHON) -m venv --clear $(SAM)
	$(SAM)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/sam.txt
	$(SAM)/bin/python -m pip check
	@touch $@

sam: $(SAM)/.ready  ## have SAM's own tools check template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} $(SAM)/bin/sam validate --lint

lambda: $(SAM)/.ready  ## build the package of the functions on AWS, with orch.yml if it is there
	rm -rf $(LAMBDA) && mkdir -p $(LAMBDA)
	$(SAM)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile \
		--only-binary :all: $(LAMBDA_PLATFORM) --target $(LAMBDA) -r requirements/lambda.txt
	cp -R app handlers infra runner $(LAMBDA)
	if [ -f orch.yml ]; then cp orch.yml $(LAMBDA); fi
	find $(LAMBDA) -name __pycache__ -prune -exec rm -r {} +
	if python3.12 -c pass 2>/dev/null; then python3.12 -m compileall -q --invalidation-mode unchecked-hash $(LAMBDA); fi

deploy: lambda  ## put Orch on AWS; the first time with DEPLOY_ARGS=--guided
	SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam deploy --resolve-s3 --capabilities CAPABILITY_IAM $(DEPLOY_ARGS)

clean:  ## remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage dist $(BENCH) $(AGENTS) $(SAM) build .aws-sam
