#!/usr/bin/env bash
# The test command: everything that has to hold before a change is good.
#
# It installs what is missing (Debian packages, cargo-deny, Python packages in .venv), so a machine with Rust and a C
# compiler is enough. Nothing is skipped silently: what cannot be checked is an error, or said at the end.
set -euo pipefail
cd "$(dirname "$0")"

notes=()
step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

# --- what the tests need -------------------------------------------------------------------------------------------

install_packages() {
    local missing=()
    command -v chromium >/dev/null || missing+=(chromium)
    command -v chromedriver >/dev/null || missing+=(chromium-driver)
    command -v pdftotext >/dev/null && command -v pdffonts >/dev/null || missing+=(poppler-utils)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    ((${#missing[@]})) || return 0
    step "installing ${missing[*]}"
    command -v apt-get >/dev/null || fail "needs ${missing[*]}; this is no Debian, so install them by hand"
    local root=()
    [[ $(id -u) == 0 ]] || root=(sudo)
    "${root[@]}" apt-get update -q
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -qy --no-install-recommends "${missing[@]}"
}

install_cargo_deny() {
    command -v cargo-deny >/dev/null && return 0
    step "installing cargo-deny (some minutes, once)"
    cargo install --locked --quiet cargo-deny
}

install_python_tools() {
    local wanted=tests/tools/requirements.txt installed=.venv/installed.txt
    cmp -s "$wanted" "$installed" && return 0
    step "installing Python packages in .venv"
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r "$wanted"
    cp "$wanted" "$installed"
}

# --- the checks ----------------------------------------------------------------------------------------------------

check_dependencies() {
    step "licences, sources and duplicates of dependencies"
    cargo deny --log-level error check licenses bans sources
    step "known vulnerabilities of dependencies"
    if [[ ${TOLLBOOK_OFFLINE:-} == 1 ]] || ! git ls-remote --exit-code \
        https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
        notes+=("the advisory database could not be reached: known vulnerabilities were NOT checked")
        printf '%s\n' "${notes[-1]}"
        return 0
    fi
    cargo deny --log-level error check advisories
}

install_packages
install_cargo_deny
install_python_tools

step "format"
cargo fmt --check
step "lints"
cargo clippy --locked --all-targets -- -D warnings
check_dependencies
step "tests"
cargo test --locked
step "the API against its own document"
tests/tools/api.sh

step "all checks passed"
for note in "${notes[@]+"${notes[@]}"}"; do printf 'but: %s\n' "$note"; done
