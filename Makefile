# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target does its own set-up, in .venv and .build. Needed beforehand: make and a Python >= 3.10.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# More arguments for pytest, e.g. make unit PYTEST_ARGS="-k decision -x"; for ansible-test, e.g. SANITY_ARGS="--test pep8"
PYTEST_ARGS ?=
SANITY_ARGS ?=
BENCHMARK_ARGS ?=
# ... for tools/mutation.py, e.g. make mutation MUTATION_ARGS="decision pem"
MUTATION_ARGS ?=
# ... for nox, e.g. make matrix NOX_ARGS="-t ends"
NOX_ARGS ?=

bin := .venv/bin
# How many is said in tests/conftest.py.
parallel := -n auto --dist worksteal
heading = printf '\n== %s ==\n'

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## See the collection at work, on an embedded fake Atlas and three hosts
	@tools/venv demo
	@PATH="$(CURDIR)/$(bin):$$PATH" demo/run

.PHONY: test
test: ## Lint, unit tests (with coverage) and integration tests; ends with pytest's closing line
	@failed=0; \
	$(MAKE) lint || failed=1; \
	[ $$failed = 0 ] || $(heading) 'lint FAILED (above); the tests run all the same'; \
	$(heading) 'unit and integration tests'; \
	$(bin)/python -m pytest $(parallel) --cov --cov-report=term $(PYTEST_ARGS) || failed=1; \
	exit $$failed

.PHONY: lint
lint: dev ## The judges that are quick: ruff, mypy, import-linter, ansible-lint (production profile), the changelog's lint
	@collections=$$($(bin)/python tools/collection.py link); \
	failed=0; \
	$(heading) 'ruff'; \
	$(bin)/ruff check --quiet . && echo 'ruff: all good' || failed=1; \
	$(heading) 'mypy'; \
	$(bin)/mypy || failed=1; \
	$(heading) 'import-linter'; \
	PYTHONPATH="$$collections" $(bin)/lint-imports --no-logo || failed=1; \
	$(heading) 'ansible-lint'; \
	PATH="$(CURDIR)/$(bin):$$PATH" ANSIBLE_COLLECTIONS_PATH="$$collections" $(bin)/ansible-lint -q $$([ -t 1 ] || echo --nocolor) || failed=1; \
	$(heading) 'antsibull-changelog lint'; \
	$(bin)/antsibull-changelog lint || failed=1; \
	[ $$failed = 0 ] && echo 'lint: all good'

.PHONY: unit
unit: dev ## The unit tests
	@$(heading) 'unit tests'
	@$(bin)/python -m pytest $(PYTEST_ARGS) tests/unit

.PHONY: integration
integration: dev ## The integration targets and the artefact, over HTTP against the fake Atlas
	@$(heading) 'integration tests'
	@$(bin)/python -m pytest $(parallel) $(PYTEST_ARGS) tests/integration

.PHONY: rare
rare: dev ## What make test leaves to the matrix, on this one pair: the role, the report and more in rarer situations (ten minutes)
	@$(heading) 'what is rare'
	@$(bin)/python -m pytest $(parallel) -m rare $(PYTEST_ARGS) tests/integration

.PHONY: faults
faults: dev ## Every fault, kill and full disk, at every step, also of the run that heals (ten minutes to half an hour)
	@$(heading) 'faults'
	@$(bin)/python -m pytest $(parallel) -m 'heavy or not heavy' $(PYTEST_ARGS) tests/faults tests/integration/test_role_killed.py

.PHONY: leaks
leaks: dev ## Search everything that Ansible prints, writes and passes around for keys and credentials; prints the numbers (twenty minutes)
	@$(heading) 'leaks'
	@$(bin)/python -m pytest $(parallel) -m 'heavy or not heavy' $(PYTEST_ARGS) tests/leaks

.PHONY: awx
awx: dev ## All that AWX does: its jobs, its set-up from a file, a secret store (fetches 130 MB once)
	@$(heading) 'AWX'
	@$(bin)/python tools/awx.py
	@$(bin)/python -m pytest -m "heavy or not heavy" $(PYTEST_ARGS) tests/integration/test_awx_jobs.py tests/integration/test_awx_setup.py \
		tests/integration/test_awx_vault.py tests/integration/test_execution_environment.py

.PHONY: examples
examples: dev ## Every example of the README, the guides, the modules and the roles, run against the fake Atlas (a quarter of an hour)
	@$(heading) 'examples'
	@$(bin)/python -m pytest $(parallel) -m 'heavy or not heavy' $(PYTEST_ARGS) tests/integration/test_examples.py

.PHONY: site
site: dev ## The documents as an HTML site in .build/site, with the reference of every module and role; its links are checked
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --no-input -r tools/requirements-site.txt </dev/null
	@$(bin)/python tools/docsite/build.py
	@$(bin)/python tools/docsite/links.py .build/site

.PHONY: pictures
pictures: dev ## Draw the picture of the terminal again, from what the demonstration prints (needs script, of util-linux)
	@PATH="$(CURDIR)/$(bin):$$PATH" script -qec demo/run /dev/null </dev/null | $(bin)/python tools/terminal_picture.py >docs/terminal.svg.new
	@mv docs/terminal.svg.new docs/terminal.svg

.PHONY: report
report: dev ## The report in a real browser, its alerting rules in promtool (installs them on Debian, as root), an audit of 10,000 users
	@tools/report-tools
	@$(heading) 'report'
	@$(bin)/python -m pytest -m heavy $(PYTEST_ARGS) tests/report tests/integration/test_expiry_report.py tests/integration/test_audit_at_scale.py

.PHONY: fleet
fleet: dev ## The role on up to 50 hosts over SSH, with hosts that come, go and fail (half an hour)
	@$(heading) 'fleet'
	@$(bin)/python -m pytest -m 'heavy or not heavy' $(PYTEST_ARGS) tests/integration/fleet

.PHONY: adhoc
adhoc: dev ## One line in a shell and one login per play, sixty applications of the role included (ten minutes; fetches 130 MB once)
	@$(heading) 'ad hoc, and one login per play'
	@$(bin)/python tools/awx.py
	@$(bin)/python -m pytest -m "heavy or not heavy" $(PYTEST_ARGS) tests/integration/test_adhoc.py

.PHONY: coverage
coverage: dev ## What the unit tests do not reach, by line and branch
	@$(heading) 'unit tests with coverage'
	@$(bin)/python -m pytest --cov --cov-report=term-missing $(PYTEST_ARGS) tests/unit

.PHONY: mutation
mutation: dev ## Change one thing at a time in what decides, issues and stores, and see whether a test notices (takes long)
	@$(bin)/python -m pip install --quiet --disable-pip-version-check -r tools/requirements-mutation.txt
	@$(bin)/python tools/mutation.py $(MUTATION_ARGS)

.PHONY: benchmark-audit
benchmark-audit: dev ## What an audit costs beside a loop over uri; minutes, on an idle machine (BENCHMARK_ARGS="--help")
	@PYTHONPATH=tests $(bin)/python -m benchmark audit $(BENCHMARK_ARGS)

.PHONY: benchmark-role
benchmark-role: dev ## What the role costs beside the playbook of uri and copy; half an hour and more, on an idle machine (BENCHMARK_ARGS="--help")
	@PYTHONPATH=tests $(bin)/python -m benchmark role $(BENCHMARK_ARGS)

.PHONY: sanity
sanity: dev ## ansible-test sanity (downloads get-pip, unless its cache in ~/.ansible/test holds it)
	@$(heading) 'ansible-test sanity'
	@tools/sanity $(SANITY_ARGS)

.PHONY: matrix
matrix: dev ## The tests on every supported pair of ansible-core and Python, and with the lowest versions (an hour or two)
	@HYPOTHESIS_PROFILE=thorough $(bin)/nox $(NOX_ARGS)

.PHONY: judges
judges: dev ## What judges the collection and takes minutes: sanity on each ansible-core, documentation, Galaxy, licences
	@$(bin)/nox -t judges

.PHONY: build
build: dev ## Build dist/atlas-x509-VERSION.tar.gz, the same bytes for the same files, and print its SHA-256
	@$(bin)/python tools/build.py

.PHONY: release-check
release-check: dev ## All that must hold before a release is tagged: a clean tree, lint, judges, matrix; then the artefact
	@[ -z "$$(git status --porcelain)" ] || { git status --short; echo 'release-check: commit first'; exit 1; }
	@$(MAKE) lint
	@$(MAKE) judges
	@$(MAKE) matrix
	@$(MAKE) build

.PHONY: clean
clean: ## Remove everything that the other targets made
	@rm -rf .ansible .build .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .nox .pytest_cache .ruff_cache .venv .venv.lock .venv.log \
		changelogs/.plugin-cache.yaml collections dist htmlcov tests/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: dev
dev:
	@tools/venv dev
