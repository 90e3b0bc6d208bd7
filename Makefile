# make demo         swap two pictures that come with the package; results in ./demo
# make test         what CI runs: style, types, tests, the wheel, the site
# make lint         style and types alone
# make check        the tests alone
# make coverage     the same, and which lines they do not reach; takes almost twice as long
# make wheel        build what people install in ./dist, and use it from an environment that holds nothing else
# make site         the documentation as a web site, in ./site
# make javascript   bring the JavaScript libraries of package.json into the package (needs npm)
# make bench        how fast it is here
# make faults       break every command in every way that we know; takes minutes (see docs/reliability.md)
# make lock         write requirements.lock anew: the packages of constraints.txt with their hashes (needs uv)
# make audit        look for known vulnerabilities in what requirements.lock names (needs the network)
# make sbom         list what is shipped, from both locks, as CycloneDX in ./sbom (needs npm)
#
# The first call installs everything in .venv, with another Python if told so: make test PYTHON=python3.12
# To begin anew, remove .venv.

PYTHON ?= python3
ifeq ($(OS),Windows_NT)
IN_VENV := .venv/Scripts
else
IN_VENV := .venv/bin
endif

# Tests start many processes, and each would compile the package anew if these were told to keep nothing.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint check coverage wheel site javascript bench faults lock audit sbom venv
.DEFAULT_GOAL := demo

demo: venv
	$(IN_VENV)/graft demo

test: lint coverage wheel site

check: venv
	$(IN_VENV)/python -m pytest -n 2 --dist worksteal

coverage: venv
	$(IN_VENV)/python -m pytest --cov -n 2 --dist worksteal

lint: venv
	$(IN_VENV)/python -m ruff check .
	$(IN_VENV)/python -m ruff format --check .
	$(IN_VENV)/python -m mypy

wheel: venv
	$(IN_VENV)/python tools/build_wheel.py

site: venv
	$(IN_VENV)/python tools/build_site.py

bench: venv
	$(IN_VENV)/python -m benchmarks

faults: venv
	$(IN_VENV)/python tests/faults.py

javascript:
	"$(PYTHON)" tools/bring_javascript.py

lock:
	sed -n '/^#/p; /^[^#]/q' requirements.lock > requirements.part && echo >> requirements.part
	uv pip compile pyproject.toml --extra all --extra test --extra site -c constraints.txt --universal \
		--python-version 3.11.9 --generate-hashes --no-strip-extras --no-annotate --no-header --quiet >> requirements.part
	mv requirements.part requirements.lock

# Strict: a package of which nothing can be learned counts as a fault, not as a clean one.
audit: venv
	$(IN_VENV)/python -m pip install --disable-pip-version-check --quiet pip-audit
	$(IN_VENV)/python -m pip_audit --strict --requirement requirements.lock --require-hashes --disable-pip

sbom: venv
	$(IN_VENV)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt cyclonedx-bom
	mkdir -p sbom
	$(IN_VENV)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		-o sbom/graftlab-python.cdx.json requirements.lock
	npm sbom --package-lock-only --omit dev --sbom-format cyclonedx > sbom/graftlab-javascript.cdx.json

# Without npm all but the pages of 'graft sheet', 'graft studio' and 'graft export web' works.
venv: .venv/ready
	@"$(PYTHON)" tools/bring_javascript.py || true

# All paths are relative, so that the checkout may lie anywhere. Without the stamp the installation is not whole.
.venv/ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || \
		{ echo "graftlab needs Python 3.11, 3.12, 3.13 or 3.14, and '$(PYTHON)' is none of them: name one, as in 'make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12'." >&2; exit 1; }
	$(IN_VENV)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	$(IN_VENV)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test,site]'
	@touch $@
