# make demo    swap two photographs that come with the package; pictures in ./demo
# make test    what CI runs: style, types, tests with coverage
# make lint    style and types alone
# make bench   how fast it is here
#
# The first call installs everything in .venv, with another Python if told so: make test PYTHON=python3.12
# To begin anew, remove .venv.

PYTHON ?= python3
IN_VENV := .venv/bin

.PHONY: demo test lint bench venv
.DEFAULT_GOAL := demo

demo: venv
	$(IN_VENV)/graft demo

test: lint
	$(IN_VENV)/python -m pytest --cov

lint: venv
	$(IN_VENV)/python -m ruff check .
	$(IN_VENV)/python -m ruff format --check .
	$(IN_VENV)/python -m mypy

bench: venv
	$(IN_VENV)/python -m benchmarks

venv: .venv/ready

# All paths are relative, so that the checkout may lie anywhere. Without the stamp the installation is not whole.
.venv/ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
		{ echo "graftlab needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is none of them: name one, as in 'make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12'." >&2; exit 1; }
	$(IN_VENV)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	$(IN_VENV)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
