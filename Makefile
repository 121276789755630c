# Every target installs what it needs and is quick when that is there already. `make help` lists them.
#
#   PYTHON   the interpreter to build on (default: the first of python3, python3.13, 3.12, 3.11 that will do)
#   ARGS     more arguments for pytest, as in: make test ARGS="tests/hooks -x"
#   DAG      the example of `make run`, and CONF its params: make run DAG=example_failure CONF='{"fails": "load"}'

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo "$$python" && break; done)
VENV := .venv
IN_VENV := $(VENV)/bin/python

# Images of containers often set it; then each process of the tests compiles all of this checkout anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo up run down test cluster check bench matrix constraints docs ui wheel \
	chromium postgresql mariadb redis iproute2 npm python clean
.SILENT:

help: ## Show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: python ## Run the first example in a real Airflow against a local Amazon Connect, and show what it created
	$(PYTHON) .ci/install.py $(VENV) --extra examples
	$(IN_VENV) -m tools.demo demo

up: python ## Start Airflow's UI, a local Amazon Connect and its desk, and leave them running
	$(PYTHON) .ci/install.py $(VENV) --extra examples
	$(IN_VENV) -m tools.demo up

run: python ## Run an example there, as in: make run DAG=example_approval
	$(PYTHON) .ci/install.py $(VENV) --extra examples
	$(IN_VENV) -m tools.demo run --dag '$(DAG)' $(if $(CONF),--conf '$(CONF)')

down: python ## End what `make up` started
	$(PYTHON) -m tools.demo down

venv: python ## Install the newest Airflow, this checkout and the tools of a developer into .venv
	$(PYTHON) .ci/install.py $(VENV)

test: venv chromium postgresql mariadb iproute2 npm ## Run all tests on the newest Airflow, in three processes: one mostly waits for its Airflow
	$(IN_VENV) -m pytest -n 3 $(ARGS)

cluster: python postgresql redis iproute2 ## Run Airflow on two workers that share no disk, and break it
	$(PYTHON) .ci/install.py $(VENV) --extra cluster
	$(IN_VENV) -m pytest tests/cluster $(ARGS)

check: venv ## Lint, check the format, the types and the spelling
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m mypy
	$(IN_VENV) -m codespell_lib

bench: venv ## Run the benchmarks; each prints its table
	set -e; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(IN_VENV) "$$file"; done

wheel: venv ## Install the wheel into clean environments, on the oldest and the newest Airflow
	$(IN_VENV) .ci/wheel.py

matrix: python chromium ## Run the tests in a real Airflow on every version that is supported, and print a table
	$(PYTHON) .ci/matrix.py -- $(ARGS)

matrix-%: python chromium
	$(PYTHON) .ci/matrix.py $* -- $(ARGS)

constraints: python ## Write .ci/constraints anew; UPGRADE=--upgrade takes the newest versions
	$(PYTHON) .ci/constraints.py $(UPGRADE)

docs: python ## Rewrite what the pages take from the code, and build the site into build/docs
	$(PYTHON) .ci/install.py $(VENV) --extra docs
	$(IN_VENV) -m tools.draw_pace
	$(IN_VENV) -m tools.draw_sequences
	$(IN_VENV) -m tools.generate_docs
	$(IN_VENV) -m sphinx --fail-on-warning --keep-going --quiet --fresh-env docs build/docs
	$(IN_VENV) -m tools.check_site build/docs

ui: npm ## Build the bundle of the Contacts tab from tools/ui/; for those who change it
	cd tools/ui && npm install --ignore-scripts && npm run --silent check && npm run --silent build

clean: down ## Remove everything that the other targets created
	rm -rf $(VENV) .demo .matrix .sdks tools/ui/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 found. Install one, or name it: make PYTHON=/path/to/python …"; exit 1; \
	fi

# $(call needed,whether it is there,its name,its packages,what needs it): install a program of the system.
define needed
	if $(1); then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing $(2) for $(4) …"; \
		log=$$(mktemp); { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
			$(3); } >"$$log" 2>&1 || { tail -20 "$$log"; echo "$(2) could not be installed."; exit 1; }; \
	else \
		echo "There is no $(2) here: $(4) are skipped. Install it to run them."; \
	fi
endef

chromium:
	$(call needed,command -v chromium >/dev/null || command -v chromium-browser >/dev/null,Chromium,chromium fonts-dejavu-core,the tests of pages)

postgresql:
	$(call needed,command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1,PostgreSQL,postgresql,its tests in tests/bulk)

mariadb:
	$(call needed,command -v mariadbd >/dev/null || ls /usr/sbin/mariadbd >/dev/null 2>&1,MariaDB,mariadb-server-core,its tests in tests/bulk)

redis:
	$(call needed,command -v redis-server >/dev/null,Redis,redis-server,the tests in tests/cluster)

iproute2:
	$(call needed,command -v ip >/dev/null,ip,iproute2,the tests in tests/cluster and of tools/machines.py)

npm:
	$(call needed,command -v npm >/dev/null,npm,npm,the build of tools/ui/ and the tests with the AWS SDK for JavaScript)
