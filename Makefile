# make train, make test, make docs: everything from a clean clone, in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test slow lint docs audit mutants

# pip leaves packages uncompiled, since most modules are never imported; Python keeps those that are.
unexport PYTHONDONTWRITEBYTECODE

train: .venv
	$(BIN)/infovae train model=infovae divergence=mmd

test: .venv
	$(BIN)/pytest

slow: .venv
	$(BIN)/pytest -m slow

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files -z | xargs -0 $(BIN)/codespell
	$(BIN)/python .ci/markdown_lines

# Hours on one core; resumable. Prints each change of the mathematics that no test notices, and the score.
mutants: .venv
	$(BIN)/python .ci/mutants

docs: .venv
	$(BIN)/python docs/generate/stage.py
	rm -rf site
	$(BIN)/zensical build --strict --clean

audit: .venv
	.ci/audit

# The versions in constraints.txt are those that CI runs; requirements.txt alone admits more.
.venv: requirements.txt requirements-dev.txt requirements-docs.txt constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -r requirements-dev.txt
	touch .venv
