# Two commands do everything: `make demo` and `make test`. Both install what they need.
PYTHON ?= python3
BIN := .venv/bin
FOR ?=
SEED ?=
FAULTS ?=

.PHONY: help .venv dev demo check test test-networks test-program test-rest test-all chaos clean
help:            ## list the targets
	@grep -E '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

.venv: .venv/.demo-installed    ## the virtual environment with what the demo needs
dev: .venv/.dev-installed       ## and what checks and tests need

.venv/.demo-installed: pyproject.toml scripts/debian-packages.sh
	scripts/debian-packages.sh venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

.venv/.dev-installed: .venv/.demo-installed
	scripts/debian-packages.sh test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev]'
	@# A foreign ONVIF camera for tests; its own opencv-python would overwrite the headless build that is here.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'ipycam==1.3.0'
	@touch $@

demo: .venv      ## the main job on embedded defaults; FOR=60 stops after 60 s with a summary
	$(BIN)/gridwatch demo $(if $(FOR),--for $(FOR))

check: dev       ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: dev        ## everything under 15 minutes on two cores: three parts at a time, as most tests wait for servers
	$(MAKE) --no-print-directory --jobs 3 --keep-going test-networks test-program test-rest

test-networks test-program test-rest: dev
test-networks:
	$(BIN)/python -m pytest -m 'not slow' tests/integration --ignore tests/integration/app
test-program:
	$(BIN)/python -m pytest -m 'not slow' tests/integration/app
test-rest:
	$(BIN)/python -m pytest -m 'not slow' tests/acceptance tests/unit

chaos: dev       ## 200 faults on real processes, then what was promised is looked for; SEED=n repeats a run
	$(BIN)/python -m tests.acceptance.chaos --faults $(or $(FAULTS),200) $(if $(SEED),--seed $(SEED))

test-all: dev    ## what is slower than that
	$(BIN)/python -m pytest -m slow

clean:           ## remove what make made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
