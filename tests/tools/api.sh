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

status=0
.venv/bin/schemathesis --config-file tests/tools/schemathesis.toml run "$url/openapi.json" \
    -H "Authorization: Bearer $key" -H "Tollbook-Organization: ext:brightline" \
    --max-examples "$examples" --seed "$seed" --continue-on-failure "$@" || status=$?

if grep -E 'ERROR|panicked' "$dir/log" | head -20 | grep .; then
    echo "api.sh: the server logged errors" >&2
    status=1
fi
"$bin" verify --data "$dir/data" || status=1
exit $status
