# Tests, demo and benches install what they need (lab/install) and start and stop their own servers (lab/with).
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help build test fuzz demo bench figures lint clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

build: ## Build the program: target/release/shipit
	cargo build --release

test: ## Run every test, also those that need servers, Maven or root (cargo test alone: those that need only Rust)
	lab/install
	lab/jar hello
	lab/with cargo test --workspace --no-fail-fast -- --include-ignored

fuzz: ## Give each reader of foreign input strange input for FUZZ_SECONDS (20) seconds; needs a nightly toolchain
	fuzz/run

demo: ## Ship a Spring Boot application to a service, roll it, break it: all on this machine, with explanations
	demo/run

bench: ## Measure shipit beside Jib, crane, oras, skopeo and umoci, and print a table of ratios
	lab/install --peers
	cargo build --release
	lab/with python3 benches/run.py

figures: ## The same, and write the tables into docs/performance.md
	lab/install --peers
	cargo build --release
	lab/with python3 benches/run.py --write-docs

lint: ## Check format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

clean: ## Remove everything that was built or downloaded into this checkout
	cargo clean
	rm -rf .lab
