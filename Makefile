# The two commands of the README: `make demo` and `make test`. Everything they need is set up in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo demo-ranking demo-online test lint audit bench clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/sharewise demo

demo-ranking: $(VENV)/.installed
	$(BIN)/sharewise rank simulate --out runs/ranking/world
	$(BIN)/sharewise rank train examples/ranking.toml --out runs/ranking/ranker
	$(BIN)/sharewise rank evaluate runs/ranking/ranker --truth runs/ranking/world/truth
	$(BIN)/sharewise rank report runs/ranking/ranker --truth runs/ranking/world/truth --out runs/ranking/report.html

demo-online: $(VENV)/.installed
	rm -rf runs/online
	$(BIN)/python examples/online.py --out runs/online --users 3000 --hours 72

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: $(VENV)/.installed
	$(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.audit/bin/pip-audit --skip-editable --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/many_tasks.py --json

clean:
	rm -rf $(VENV) .audit runs
