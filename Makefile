# Everything a newcomer or CI needs. Each target sets up what it uses.
.PHONY: help demo demo-down test lint format bench clean

help:
	@echo 'make demo       three engines, one Swarm endpoint, one compose file, on this machine (root)'
	@echo 'make demo-down  remove all of it'
	@echo 'make test       all tests (root; as another user: what needs no root)'
	@echo 'make lint       ruff, mypy --strict, import-linter'
	@echo 'make bench      start latency beside dockerd (root)'

demo:
	@scripts/setup run
	@.venv/bin/python -m examples.cluster.demo up

demo-down:
	@scripts/setup run
	@.venv/bin/python -m examples.cluster.demo down

test:
	scripts/setup test
	.venv/bin/python -m pytest $(PYTEST)

lint:
	scripts/setup test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format:
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench:
	scripts/setup test
	.venv/bin/python -m tests.benchmarks.start

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
