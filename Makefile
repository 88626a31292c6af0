# Everything runs in a virtual environment that is made here when there is none.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What is compiled is kept, or each of the tests' workers and processes compiles it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test pythons sweep soak check bench lint types imports format docs screenshots lock wheel clean

help:
	@echo "make demo    run the main job against the simulated provider"
	@echo "make test    every test"
	@echo "make pythons every test on every Python from 3.11 to 3.14 that is here; those that are not are named"
	@echo "make sweep   random failures and restarts, EXAMPLES=400 of them; crashes and power cuts at every call; long"
	@echo "make soak    thirty days of a working account in some fifteen minutes: does anything grow?"
	@echo "make check   tests, lint, types and import rules"
	@echo "make bench   what polling, downloads and viewers cost, and how quick they are; prints, some twenty-five minutes"
	@echo "make format  put the code in its usual form"
	@echo "make docs    write docs/configuration.md anew from the settings and config.example.toml"
	@echo "make screenshots  draw the pictures of docs/ anew; needs Debian's chromium"
	@echo "make lock    renew the exact versions of all dependencies"
	@echo "make wheel   build the installable package into dist/"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "orderwatch needs Python 3.11 or newer")'
	@echo "setting up $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/orderwatch demo

test: $(READY)
	$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "not long"

# Each in a virtual environment of its own, beside this one.
PYTHONS ?= 3.11 3.12 3.13 3.14
pythons:
	@failed=; for version in $(PYTHONS); do \
	  python=$$(sh tests/interpreter.sh $$version) || { echo "skipped: there is no Python $$version here"; continue; }; \
	  echo "Python $$version: $$python"; \
	  $(MAKE) --no-print-directory test VENV=$(VENV)-$$version PYTHON="$$python" || failed="$$failed $$version"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

# Others each time; what fails prints the line that plays it again. FUZZ is in seconds.
EXAMPLES ?= 400
FUZZ ?= 600
sweep: $(READY)
	SWEEP_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q \
	  --hypothesis-profile=default tests/core tests/service/test_service_interleavings.py \
	  tests/db/test_db_model.py tests/db/test_db_roundtrip.py \
	  tests/provider/test_provider_mutations.py tests/provider/test_provider_sockets.py
	FUZZ_SECONDS=$(FUZZ) $(BIN)/python -m pytest -q -n 3 --dist worksteal -m long

# Memory, descriptors and log over so many simulated days; a minute and a half for three of them.
DAYS ?= 30
soak: $(READY)
	$(BIN)/python -m tests.soak.month $(DAYS)

check: lint types imports test

bench: $(READY)
	$(BIN)/python benchmarks/listing.py
	$(BIN)/python benchmarks/cadence.py
	$(BIN)/python -m benchmarks.pages 10000 1
	$(BIN)/python -m benchmarks.pages 10000 10
	$(BIN)/python benchmarks/transfer.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python docs/configuration.py

screenshots: $(READY)
	$(BIN)/python -m tests.browser.pictures

lock:
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --upgrade --quiet --output-file requirements.lock

wheel: $(READY)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf $(VENV) $(VENV)-3.* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
