# The user's two commands are `make demo` and `make test`; each sets itself up.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.installed

.PHONY: demo test lint format wheel docs audit clean
.DEFAULT_GOAL := test

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit(f"roborew needs Python 3.11 to 3.13, this is {sys.version.split()[0]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	@touch $@

demo: $(SETUP)  ## train an agent from a sentence, evaluate it against the truth, record it
	$(BIN)/roborew demo

test: lint  ## everything that must hold before a change lands
	$(BIN)/python -m pytest --numprocesses auto --dist loadscope

lint: $(SETUP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --project pyproject.toml

format: $(SETUP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(SETUP)  ## build the wheel and use it where the checkout is out of sight
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist .
	$(BIN)/python .ci/wheel_smoke.py dist/*.whl

docs: $(SETUP)  ## build the site into site/, every warning an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]" -c constraints.txt
	$(BIN)/python -m mkdocs build --strict --clean

audit:  ## before a release: known holes of the pinned versions; needs the network
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	build/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

clean:  ## what this file made, and nothing that a user made
	rm -rf .venv dist build site .pytest_cache .ruff_cache .hypothesis .coverage
