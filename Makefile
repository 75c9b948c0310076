# Every target sets up what it needs: the virtual environment, the locked packages, the command.
# `make up` and `make test` are the two to know.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
STACK  ?=

.PHONY: up preview audit destroy outputs test lint types contracts tests cluster-test proof format bench lock clean help
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

up: $(READY) ## Bring the stacks up in the sandbox (STACK="dev" for one)
	@$(BIN)/wheelhouse up $(STACK)

preview: $(READY) ## Say what `up` would change
	@$(BIN)/wheelhouse preview $(STACK)

outputs: $(READY) ## Show the stacks' outputs
	@$(BIN)/wheelhouse outputs $(STACK)

audit: $(READY) ## Say who can reach whom (STACK="hub dev" unless given)
	@$(BIN)/wheelhouse audit $(STACK)

destroy: $(READY) ## Delete what `up` made
	@$(BIN)/wheelhouse destroy $(STACK)

test: lint types contracts tests ## All checks: lint, types, import contracts, tests

lint: $(READY) ## Style and likely bugs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## Static types
	$(BIN)/mypy .

contracts: $(READY) ## Who may import whom
	$(BIN)/lint-imports

tests: $(READY) ## The tests alone, in a process more than a small machine has cores: some wait for servers
	$(BIN)/python -m pytest -n 3 --ignore=tests/cluster --dist loadfile --no-loadscope-reorder

cluster-test: $(READY) ## Apply the stacks to a real Kubernetes API server, built once; needs Go and etcd
	@$(BIN)/python -m tests.cluster.programs
	$(BIN)/python -m pytest tests/cluster

proof: $(READY) ## Audit 1,000 random systems and all mutations, simulate 10,000 graphs of calls
	PROOF=1 $(BIN)/python -m pytest \
		-n 2 --dist load -o timeout=3600 tests/audit/test_proof.py tests/audit/test_mutations.py \
		tests/unit/test_timeouts_simulated.py

format: $(READY) ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## Print timings
	$(BIN)/python -m benchmarks

lock: $(READY) ## Pin requirements.in anew (UPGRADE=--upgrade for newer versions)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options $(UPGRADE) \
		--output-file requirements.lock requirements.in

clean: ## Remove the environment and caches; the sandbox's stacks stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
