# Short names for what the scripts do (https://just.systems).

venv := "target/test-venv"

[private]
default:
    @just --list

# All that a change has to pass; --long adds the rounds that take long
check *options:
    .ci/run {{ options }}

# The tests whose names contain NAME, or all
test *name:
    cargo test --locked --workspace {{ name }}

# The micro-benchmarks whose names contain NAME, or all
bench *name:
    cargo bench --locked {{ name }}

# Fuzz for a time, all targets or those that are named
fuzz amount="30s" *targets:
    fuzz/run {{ amount }} {{ targets }}

# Build the container image from nothing, and check it
image:
    .ci/tools {{ venv }}
    .ci/image {{ venv }}

# Build the packages twice, and check them: lintian, a fresh Debian, one hash
package:
    .ci/tools {{ venv }}
    .ci/package
