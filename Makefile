# Everything runs in a virtual environment, which is created here if it does not exist.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
# Keep compiled files; otherwise each worker and process of the tests compiles them again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-postgres pythons sweep chaos soak check bench bench-s3 lint types imports format docs man screenshots lock wheel deb clean

help:
	@echo "make demo    run the daemon against the simulated provider"
	@echo "make test    run every test"
	@echo "make test-postgres  run the tests of the services on PostgreSQL, and the same ones on SQLite"
	@echo "make pythons run every test on every installed Python from 3.11 to 3.14; name the missing ones"
	@echo "make sweep   run EXAMPLES=400 random failures and restarts, and crashes and power cuts at every call; long"
	@echo "make chaos   kill and stop four daemons at random, for SEEDS=10 seeds, and one daemon on SQLite; about 40 minutes"
	@echo "make soak    run thirty days of an account in about fifteen minutes; fail if memory or log grow"
	@echo "make check   run tests, lint, types and import rules"
	@echo "make bench   measure cost and speed of polling, downloads, viewers, many files and the catalog; about 40 minutes"
	@echo "make bench-s3  compare deliveries into S3 with aws s3 cp, in BENCH_AWS; about 10 minutes"
	@echo "make format  format the code"
	@echo "make docs    generate docs/configuration.md and config.schema.json from the settings and config.example.toml"
	@echo "make man     generate man/orderwatch.1 from the commands"
	@echo "make screenshots  generate the pictures of docs/; needs Debian's chromium"
	@echo "make lock    renew the exact versions of all dependencies; needs uv"
	@echo "make wheel   build the installable package into dist/"
	@echo "make deb     build a Debian package for this host's Python into dist/"

PIP := $(BIN)/python -m pip --disable-pip-version-check

# What the product needs, without tools for tests; the lock is complete. Python compiles what is used when it is used.
$(RUNS): requirements-run.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "orderwatch needs Python 3.11 or newer")'
	@echo "1/3 creating the virtual environment $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "2/3 installing what orderwatch needs"
	@rm -f $@
	@{ $(PIP) install --no-compile --no-deps --progress-bar off --require-hashes -r requirements-run.lock && touch $@; } \
	  | sed -n 's/^Collecting \([^ ]*\).*/    \1/p'
	@test -e $@ # a pipe ends with what its last command returns
	@echo "3/3 installing orderwatch"
	@echo '$(CURDIR)/daemon' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/orderwatch.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m orderwatch "$$@"\n' > $(BIN)/orderwatch
	@chmod +x $(BIN)/orderwatch

$(READY): $(RUNS) requirements.lock
	@echo "installing tools for tests into $(VENV) …"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(RUNS)
	@$(BIN)/orderwatch demo

test: $(READY)
	$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "not long"

# The counts are the same: what is about the file of SQLite is left out of both.
test-postgres: $(READY)
	for engine in sqlite postgresql; do \
	  TEST_ENGINE=$$engine $(BIN)/python -m pytest -q -n 4 --dist worksteal -m "not sqlite and not long" tests/service || exit 1; \
	done

# Each has a separate virtual environment beside this one.
PYTHONS ?= 3.11 3.12 3.13 3.14
pythons:
	@failed=; for version in $(PYTHONS); do \
	  python=$$(sh tests/interpreter.sh $$version) || { echo "skipped: there is no Python $$version here"; continue; }; \
	  echo "Python $$version: $$python"; \
	  $(MAKE) --no-print-directory test VENV=$(VENV)-$$version PYTHON="$$python" || failed="$$failed $$version"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

# The values differ each time; a failure prints the command that repeats it. FUZZ is in seconds.
EXAMPLES ?= 400
FUZZ ?= 600
sweep: $(READY)
	SWEEP_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q \
	  --hypothesis-profile=default tests/core tests/service/test_service_interleavings.py \
	  tests/db/test_db_model.py tests/db/test_db_roundtrip.py \
	  tests/provider/test_provider_mutations.py tests/provider/test_provider_sockets.py
	FUZZ_SECONDS=$(FUZZ) $(BIN)/python -m pytest -q -n 3 --dist worksteal -m long

SEEDS ?= 10
chaos: $(READY)
	SEEDS=$(SEEDS) $(BIN)/python -m pytest -q -s -m long tests/app/cluster/test_app_chaos.py

# Memory, descriptors and log over DAYS simulated days; three days take a minute and a half.
DAYS ?= 30
soak: $(READY)
	$(BIN)/python -m tests.soak.month $(DAYS)

check: lint types imports test

bench: $(READY)
	$(BIN)/python benchmarks/listing.py
	$(BIN)/python benchmarks/cadence.py
	$(BIN)/python -m benchmarks.files
	$(BIN)/python -m benchmarks.pages 10000 1
	$(BIN)/python -m benchmarks.pages 10000 10
	$(BIN)/python benchmarks/transfer.py
	$(BIN)/python benchmarks/catalogue.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python -m benchmarks.cluster_idle
	$(BIN)/python -m benchmarks.cluster

bench-s3: $(READY)
	$(BIN)/python -m benchmarks.s3

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

man: $(READY)
	$(BIN)/python docs/manual.py

screenshots: $(READY)
	$(BIN)/python -m tests.browser.pictures

COMPILE := uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
lock:
	$(COMPILE) --group dev --upgrade --quiet --output-file requirements.lock
	$(COMPILE) --group build --constraint requirements.lock --quiet --output-file requirements-run.lock

wheel: $(RUNS)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

deb: $(RUNS)
	@sh deploy/debian/build.sh $(BIN)/python dist

clean:
	rm -rf $(VENV) $(VENV)-3.* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
