# make help lists the targets. Each does its own set-up: scripts/prepare.py.
#
#   PYTHON=python3.12   the interpreter that makes .venv
#   VENV=.venv          where it is made
#   ARGS=...            passed on to the job, for example ARGS="-k swap -x" to make test

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)
VENV ?= .venv
ARGS ?=
RUN = $(VENV)/bin/python
prepare = @$(PYTHON) scripts/prepare.py --venv $(VENV)

SOURCES_CC = $(wildcard csrc/*/*.cc csrc/*/*.h csrc/*/*/*.cc csrc/*/*/*.h)

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-smoke test-asan wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: ## train, pack, serve, score and hot-swap a real model
	$(prepare) cpu demo
	@$(RUN) -m penstock demo $(ARGS)

test: ## every test
	$(prepare) cpu test
	@$(RUN) -m pytest $(ARGS)

lint: ## ruff, mypy, cython-lint, clang-format
	$(prepare) cpu test lint
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@PATH="$(abspath $(VENV))/bin:$$PATH" cython-lint src
	@$(VENV)/bin/clang-format --dry-run -Werror $(SOURCES_CC)

bench: ## every benchmark: kernels, policies, serving beside empty servers, memory
	$(prepare) cpu bench
	@$(RUN) -m benchmarks $(ARGS)

bench-smoke: ## the same, short: does it still run
	@$(MAKE) --no-print-directory bench ARGS="--quick $(ARGS)"

wheel: ## a wheel in dist/
	$(prepare) cpu
	@rm -rf build/wheel
	@$(RUN) -m pip --disable-pip-version-check wheel -q --no-deps --no-build-isolation -w dist .
	@ls dist/*.whl

clean: ## remove what was built; the virtual environment stays
	rm -rf build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find src \( -name '*.so' -o -name 'descriptors.binpb' \) -delete
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Sanitizers: the package in build/asan/lib, and each csrc/tests/*.cc as a program in build/asan.

ASAN = build/asan
ASAN_FLAGS = -std=c++17 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
ASAN_LIBRARIES = -lnghttp2 -lssl -lcrypto -lz -lpthread
ASAN_TESTS ?= $(wildcard tests/unit/batching tests/unit/engine tests/unit/forest tests/unit/load tests/unit/transform tests/unit/monitor tests/adversity \
	tests/integration)
ASAN_OBJECTS = $(patsubst csrc/%.cc,$(ASAN)/%.o,$(wildcard csrc/wire/*.cc csrc/queue/*.cc \
	csrc/front/*.cc csrc/columns/*.cc csrc/transform/*.cc))
ASAN_PROGRAMS = $(patsubst csrc/tests/%.cc,$(ASAN)/bin/%,$(wildcard csrc/tests/*.cc))

test-asan: ## C++ fuzz targets and extension tests under the address and UB sanitizers
	$(prepare) cpu test
	@$(MAKE) --no-print-directory -j2 $(ASAN_PROGRAMS)
	@for program in $(ASAN_PROGRAMS); do echo "==> $$program"; $$program || exit 1; done
	@echo "==> building the extensions with sanitizers"
	@PENSTOCK_SANITIZE=1 $(RUN) setup.py -q build --build-lib $(ASAN)/lib --build-temp $(ASAN)/temp
	@LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libubsan.so) \
	$$(c++ -print-file-name=libstdc++.so.6)" \
	ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	PYTHONPATH=$(abspath $(ASAN)/lib) PYTHONMALLOC=malloc \
	$(RUN) -m pytest -m "not slow" --timeout 600 $(ASAN_TESTS) $(ARGS)

$(ASAN)/%.o: csrc/%.cc
	@mkdir -p $(@D)
	@echo "  c++ $<"
	@c++ $(ASAN_FLAGS) -Icsrc -MMD -c $< -o $@

$(ASAN)/libpenstock.a: $(ASAN_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(ASAN)/bin/%: csrc/tests/%.cc $(ASAN)/libpenstock.a
	@mkdir -p $(@D)
	@echo "  c++ $<"
	@c++ $(ASAN_FLAGS) -Icsrc -MMD -MF $(ASAN)/$*.d $< $(ASAN)/libpenstock.a $(ASAN_LIBRARIES) -o $@

-include $(wildcard $(ASAN)/*.d $(ASAN)/*/*.d)
