#!/usr/bin/env bash
# Sends thousands of good and bad requests, made from the API's own document, to a server with demo data, and checks
# that every answer is one that the document promises. Afterwards the book still has to add up.
#
#   tests/tools/api.sh [more arguments for schemathesis]
set -euo pipefail
cd "$(dirname "$0")/../.."

examples=${TOLLBOOK_API_EXAMPLES:-25}
seed=${TOLLBOOK_API_SEED:-1}
cargo build --locked --quiet
bin=${CARGO_TARGET_DIR:-target}/debug/tollbook
dir=$(mktemp -d)
# what is tested is the document, not how much of it one caller may read a second
export TOLLBOOK_LIMITS_ANONYMOUS_PER_SECOND=0 TOLLBOOK_LIMITS_SESSION_PER_SECOND=0
export TOLLBOOK_LIMITS_ORGANIZATION_KEY_PER_SECOND=0
# moving the clock waits for webhooks to made-up addresses
export TOLLBOOK_WEBHOOKS_TIMEOUT_SECONDS=1
"$bin" demo --data "$dir/data" --listen 127.0.0.1:0 >"$dir/out" 2>"$dir/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT

for _ in $(seq 600); do
    grep -q '^listening on' "$dir/out" && break
    kill -0 $server 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$dir/out")
key=$(sed -n "s/^An operator's key: //p" "$dir/out")
[[ -n $url && -n $key ]] || { echo "api.sh: the demo did not start" >&2; exit 1; }

# A request that fits the document may still name a meter that does not exist, or two fields that exclude each other: it
# is refused with 422, as documented, so that valid data is always taken cannot be asked for.
check() {
    local key=$1
    shift
    SCHEMATHESIS_HOOKS=tests.tools.hooks .venv/bin/schemathesis --config-file tests/tools/schemathesis.toml run "$url/openapi.json" \
        -H "Authorization: Bearer $key" -H "Tollbook-Organization: ext:brightline" \
        --exclude-checks positive_data_acceptance --warnings off \
        --max-examples "$examples" --seed "$seed" --continue-on-failure "$@"
}

status=0
# what can take the caller's own key away comes last, with a key of its own
of_one_key='^/api/v1/admin/keys/\{id\}'
check "$key" --exclude-path-regex "$of_one_key" "$@" || status=$?
other=$("$bin" admin create-key --operator --scopes admin --mode test --data "$dir/data")
check "$other" --include-path-regex "$of_one_key" --phases examples,coverage,fuzzing "$@" || status=$?

if grep -E 'ERROR|panicked' "$dir/log" | head -20 | grep .; then
    echo "api.sh: the server logged errors" >&2
    status=1
fi
"$bin" verify --data "$dir/data" || status=1
exit $status
