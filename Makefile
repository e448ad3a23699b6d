# What there is to do here. `make` alone lists it; on a fresh machine `make demo` and `make test` fetch all they need.

CARGO ?= cargo
EDGE = $(CARGO) run --quiet --locked -p edge-bin --
# The second set of features: the pure half, which must never come to need the proxy.
PURE = -p edge-core --no-default-features
TARGET = $(or $(CARGO_TARGET_DIR),target)
# The stages of `make ci`, in order; the first is what the README promises.
STAGES = test fuzz-smoke lint docs deny wordpress-or-skip checkov-or-skip

.DEFAULT_GOAL := help
.PHONY: help prepare demo test pure wordpress wordpress-or-skip bench compare scale cache-tests fuzz fuzz-smoke lint docs deny checkov checkov-or-skip ci

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

prepare: ## Checks for what a build needs, and says what is missing
	@tools/prepare

# The profile of the tests: the first build takes a fraction of a release build's time, and `make test` reuses it.
demo: prepare ## A small site behind an edge, with curl lines to try; Ctrl-C ends it
	@echo "make demo: building (minutes the first time, seconds from then on)"
	$(CARGO) build --locked -p edge-bin
	$(EDGE) demo

test: prepare ## All tests that need nothing installed
	$(CARGO) test --locked $(PURE)
	$(CARGO) test --locked --workspace

pure: ## Only the decisions, in seconds: the inner loop
	$(CARGO) test --locked $(PURE)

wordpress: prepare ## A real WordPress behind the edge (installs Debian packages, as root)
	fixtures/wordpress/wordpress.py install
	$(CARGO) test --locked --workspace --test wordpress -- --ignored --nocapture
	@for form in javascript policies; do echo "before what the generator prints: $$form"; \
	EDGE_FORM=$$form $(CARGO) test --locked --workspace --test wordpress -- --ignored caching sessions uploads || exit 1; done

# In CI, where the packages are neither there nor to be installed, that is said at the end and fails nothing.
wordpress-or-skip:
	@if [ "$$(id -u)" = 0 ] || fixtures/wordpress/wordpress.py install 2>/dev/null; then $(MAKE) --no-print-directory wordpress; \
	else echo "the tests against a real WordPress: its Debian packages are missing, and only root installs them" | tee -a "$${EDGE_SKIPPED:-/dev/null}"; fi

bench: ## How long the decisions take, and what they allocate
	$(CARGO) bench --locked $(PURE)

compare: ## CPU per hit beside nginx (needs nginx, wrk and h2load)
	$(CARGO) build --locked --release -p edge-bin
	benches/compare/compare.py "$(TARGET)/release/edge-bin"

cache-tests: ## The public HTTP cache tests (CHECKOUT=… of them; benches/cache-tests/README.md)
	@test -n "$(CHECKOUT)" || { echo "say where the suite is: make cache-tests CHECKOUT=…"; exit 2; }
	$(CARGO) build --locked -p edge-bin
	benches/cache-tests/run.py "$(CHECKOUT)" --edge "$(TARGET)/debug/edge-bin" --runs 2 --write

scale: ## CPU per hit with 10,000 invalidations, and with 1,000,000 objects (needs nginx, wrk and 5 GiB)
	$(CARGO) build --locked --release -p edge-bin
	benches/compare/scale.py "$(TARGET)/release/edge-bin" --ratio-max-rules 1.05 --ratio-max-objects 1.2

fuzz: prepare ## Every fuzz target under libFuzzer, a minute each (SECONDS_EACH=60; needs a C++ compiler)
	tools/fuzz

fuzz-smoke: ## The same targets on inputs made up here, for a few seconds
	$(CARGO) test --locked --manifest-path fuzz/Cargo.toml --target-dir $(TARGET)

lint: ## Formatting and clippy, both feature sets
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked $(PURE) --all-targets -- -D warnings

docs: ## The documentation, without a broken link
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

deny: ## Licences, sources and banned crates among the dependencies
	tools/deny

checkov: prepare ## What Checkov says of generated configuration (installs it, some 290 MB)
	$(CARGO) test --locked --workspace --test generate --test stack -- --ignored checkov

# Where Checkov cannot be had, that is said at the end and fails nothing.
checkov-or-skip:
	@if tools/python-tools checkov >/dev/null; then $(MAKE) --no-print-directory checkov; \
	else echo "Checkov on generated configuration: it cannot be installed here" | tee -a "$${EDGE_SKIPPED:-/dev/null}"; fi

ci: ## Everything that must hold, stage by stage, with the time each took (what .ci/run runs)
	@tools/stages $(STAGES)
