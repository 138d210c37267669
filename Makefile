#   Makefile - the thin front of meson: `make run` for a database with real data in it, `make test` for the tests
#
#   Every target installs the Debian packages that it lacks (it names them first); `make install-deps` installs all.
#   BUILD=folder chooses another build folder.
BUILD ?= build
MESON ?= meson
NINJA ?= ninja
#   What `meson test` leaves out: long runs have targets of their own
TEST_ARGS ?=

.PHONY: all run test bench lint sanitize fuzz claims install-deps clean-demo configured

all: configured
	$(NINJA) -C $(BUILD)

configured:
	@.ci/install-deps build
	@test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD) -Dtests=disabled

#   Starts Kith with 341,479 words in it and leaves it running
run: configured
	@.ci/install-deps npm
	$(NINJA) -C $(BUILD) zactor tests/demo/words tests/demo/recall
	@BUILD=$(BUILD) tests/demo/run.sh

test:
	@.ci/install-deps build test
	@test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD) -Dtests=enabled
	@test -f $(BUILD)/tests.stamp || { $(MESON) setup --reconfigure $(BUILD) -Dtests=enabled && touch $(BUILD)/tests.stamp; }
	$(NINJA) -C $(BUILD)
	$(MESON) test -C $(BUILD) --no-rebuild --print-errorlogs $(TEST_ARGS)

#   The engine beside its peers, into docs/benchmarks.md, and the claims about it. BENCH: sections to run, of glove fashion texts build
#   batch exact filters calibration load updates; then only their claims
BENCH ?=
bench:
	@.ci/install-deps build test peers data
	@test -f build-bench/build.ninja || $(MESON) setup build-bench -Dtests=enabled -Doptimization=3
	@tests/bench/engine/run $(BENCH)
	$(if $(BENCH),,$(MESON) test -C build-bench --benchmark --verbose $(TEST_ARGS))
	@BUILD=$(BUILD) tests/claims/all.sh $(addprefix engine-,$(filter-out updates,$(or $(BENCH),glove fashion texts build batch exact filters calibration load)))

lint:
	@.ci/install-deps build test lint
	@.ci/lint

sanitize:
	@.ci/install-deps build test
	@test -f build-asan/build.ninja || $(MESON) setup build-asan -Dtests=enabled -Db_sanitize=address,undefined
	$(NINJA) -C build-asan
	$(MESON) test -C build-asan --no-rebuild --print-errorlogs --timeout-multiplier 4 $(TEST_ARGS)

#   FUZZ_SECONDS for each target; a finding stays in build-fuzz/
FUZZ_SECONDS ?= 60
fuzz:
	@.ci/install-deps build test fuzz
	@test -f build-fuzz/build.ninja || CC=clang $(MESON) setup build-fuzz -Dtests=enabled -Dfuzzing=true \
	    -Db_sanitize=address,undefined -Db_lundef=false
	@FUZZ_SECONDS=$(FUZZ_SECONDS) .ci/fuzz

#   Runs every tests/claims/NAME and writes the table of README.md
claims:
	@.ci/install-deps build test npm
	@test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD) -Dtests=enabled
	@BUILD=$(BUILD) tests/claims/all.sh

install-deps:
	@.ci/install-deps build test npm lint fuzz

#   Forgets the demo's database; the converted words stay in ~/.cache/kith
clean-demo:
	-$(BUILD)/zactor stop
	rm -rf data
