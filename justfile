# Lanes for contributors. `just` lists them; CONTRIBUTING.md explains when to use which.

set shell := ["bash", "-euo", "pipefail", "-c"]

# List the lanes.
default:
    @just --list --unsorted

# Format, the tests on the tree itself, and the quick libraries: under 3 minutes once built.
fast:
    cargo fmt --all -- --check
    cargo test --workspace --lib --test it --exclude trainer --exclude evaluator --exclude slm-model --exclude slm-sandbox --exclude slm-hub --exclude slm-scoring

# What a reviewer wants to see green: format, lints, documentation, all tests.
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    just test

# All tests, with the 20 slowest listed if cargo-nextest is installed.
test *words:
    if cargo nextest --version >/dev/null 2>&1; then \
        code=0; cargo nextest run --workspace --locked {{ words }} || code=$?; \
        .ci/slowest || true; \
        cargo test --workspace --locked --doc || code=$?; \
        exit "$code"; \
    else \
        cargo test --workspace --locked {{ words }}; \
    fi

# What CI runs: everything, on a clean clone.
full:
    .ci/run

# Write the generated documents again: docs/reference/recipe.md, docs/reference/cli.md, docs/recipe.schema.json.
docs:
    UPDATE_DOCS=1 cargo test -p trainer -p evaluator --test it documents::

# Licences, advisories and duplicate versions of dependencies (needs cargo-deny).
deny:
    cargo deny check
