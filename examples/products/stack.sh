# What the five run.sh share: a control plane, an application and an Envoy on free ports of loopback, and words to write steps with.
#
# To be sourced. `start` says what it starts; all of it ends with the script. Programs come from the environment if they are named there
# (KEYPLANE_BINARIES, KEYPLANE_WASM, KEYPLANE_ENVOY, KEYPLANE_NODE), else they are built or fetched, which takes minutes the first time.

set -euo pipefail

products=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$products/../.." && pwd)
work=$(mktemp -d)
children=()

# Samples and curl speak to loopback; a proxy of the environment has no part in it.
export NO_PROXY='*' no_proxy='*'

# --- words for steps -------------------------------------------------------------------------------------------------------------------------

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  [ ! -s "$work/body" ] || printf 'the answer was: %s\n' "$(sed -E 's/"key":"[^"]*"/"key":"(secret)"/g' "$work/body" | hide)" >&2
  exit 1
}

# Variables whose values are secrets, in `secrets`: what is printed shows their names instead.
secrets=(admin)
hide() {
  local text name value
  text=$(cat)
  for name in "${secrets[@]}"; do
    value=${!name:-}
    [ -z "$value" ] || text=${text//"$value"/"\${$name}"}
  done
  printf '%s' "$text"
}

# `expect STATUS curl ...`: shows the command, runs it, and fails unless the answer has this status. The answer's body is then in $body.
expect() {
  local wanted=$1 words='' word shown got
  shift
  for word in "$@"; do
    shown=$(printf '%s' "$word" | hide)
    if [ "$shown" != "$word" ]; then
      shown="\"$shown\""
    else
      case $word in *[!A-Za-z0-9_./:@=-]*) shown="'$word'" ;; esac
    fi
    words="$words $shown"
  done
  printf '  $%s\n' "$words"
  got=$("$@" --silent --show-error --max-time 30 --dump-header "$work/head" --output "$work/body" --write-out '%{http_code}')
  body=$(cat "$work/body")
  [ "$got" = "$wanted" ] || fail "status $got instead of $wanted"
  printf '    %s\n' "$got"
}

# `eventually COMMAND`: tries steps that come true a moment later, for ten seconds at most, and shows the last try.
eventually() {
  local try
  for try in $(seq 100); do
    ! ("$@") >"$work/tried" 2>&1 || break
    sleep 0.1
  done
  "$@"
}

# `get PLACE`: what is at a place of $body, such as `id`, `data.0.name`; texts as they are, all else as JSON.
get() {
  printf '%s' "$body" | python3 -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    value = value[int(name)] if isinstance(value, list) else value[name]
print(value if isinstance(value, str) else json.dumps(value))' "$1" || fail "nothing at $1"
}

# `is WHAT ACTUAL EXPECTED`
is() { [ "$2" = "$3" ] || fail "$1 is \"$(printf '%s' "$2" | hide)\" instead of \"$(printf '%s' "$3" | hide)\""; }

# `like WHAT ACTUAL PATTERN`, an extended regular expression for the whole
like() { printf '%s' "$2" | grep -Eqx -- "$3" || fail "$1 is \"$(printf '%s' "$2" | hide)\", not of the form $3"; }

# `without WHAT TEXT`: $body must not hold it.
without() { case $body in *"$2"*) fail "$1 stands in the answer" ;; esac; }

uuid='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z'

# Rows of docs/rows.md: `held G1 G2 -- what was shown just now`, `not_yet G3 -- why`.
held() { report 'ok     ' "$@"; }
not_yet() { report 'not yet' "$@"; }
report() {
  local word=$1 rows=()
  shift
  while [ "$1" != -- ]; do
    rows+=("$1")
    shift
  done
  shift
  printf '%s %s: %s\n' "$word" "${rows[*]}" "$*"
}

# The last step of each product: what was said about keys holds for the parts too. Every variable in `secrets` was used.
hygiene() {
  local name
  say "Nothing that was secret is written anywhere"
  : >"$work/body"
  for name in "${secrets[@]}"; do
    [ -n "${!name:-}" ] || fail "\$$name was never set"
    ! grep -rlF -f <(printf '%s' "${!name}") "$work/data" "$work"/*.log "$work"/*.yaml "$work"/*.toml || fail "\$$name is in that file"
  done
  held all -- "no key, token or JWT in a log, a configuration or the database"
}

# `readme FILE`: runs the commands in it as they stand there, but for the address, and prints what they print.
readme() {
  awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$1" | sed "s#https://api.example.com#$proxy#g" | bash -eu 2>/dev/null ||
    fail "the commands in $1"
}

# What the operator does, with the admin key that `keyplane init` has made: `operator STATUS METHOD PATH [BODY]`
operator() {
  local data=()
  [ $# -lt 4 ] || data=(-H 'Content-Type: application/json' -d "$4")
  expect "$1" curl -X "$2" "$api$3" -H "Authorization: Bearer $admin" ${data[@]+"${data[@]}"}
}

# `sample FILE`: runs one of a page's samples as a reader would, and prints what it printed. Its exit status counts.
sample() {
  case $1 in
    *.ts) "$node" "$1" ;;
    *.py) python3 "$1" ;;
    *.sh) bash -eu "$1" ;;
  esac || fail "sample $1"
}

# `token CLAIMS`: a JWT as the product's login would make it.
token() { "$node" "$products/login.mjs" token "$work/login.json" "$issuer" "$1"; }

# --- the parts -------------------------------------------------------------------------------------------------------------------------------

# A block of ports that is free, in a range that neither outgoing connections nor Keyplane's other tests use.
free_ports() {
  python3 - "$$" <<'PYTHON'
import socket, sys

def is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

for number in range(800):
    first = 15000 + (int(sys.argv[1]) + number) % 800 * 6
    if all(is_free(port) for port in range(first, first + 6)):
        sys.exit(print(*range(first, first + 6)))
sys.exit("no free ports between 15000 and 19800")
PYTHON
}

# `begin WHAT COMMAND...`: starts a part in the background, with a log in $work.
begin() {
  local what=$1
  shift
  printf '  starting %s: %s\n' "$what" "$*"
  "$@" >"$work/$what.log" 2>&1 &
  children+=("$!")
}

# `ready WHAT URL`: waits until it answers.
ready() {
  local try
  for try in $(seq 600); do
    ! curl --silent --fail --max-time 5 --output /dev/null "$2" || return 0
    kill -0 "${children[${#children[@]} - 1]}" 2>/dev/null || break
    sleep 0.05
  done
  cat "$work/$1.log" >&2
  fail "$1 did not start"
}

stop() {
  local child
  for child in ${children[@]+"${children[@]}"}; do kill "$child" 2>/dev/null || true; done
  for child in ${children[@]+"${children[@]}"}; do wait "$child" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT

programs() {
  cd "$root"
  node=${KEYPLANE_NODE:-$(cargo xtask node)}
  envoy=${KEYPLANE_ENVOY:-$(cargo xtask envoy)}
  wasm=${KEYPLANE_WASM:-$(cargo xtask wasm)}
  if [ -z "${KEYPLANE_BINARIES:-}" ]; then
    cargo build --quiet --package keyplane --package keyplane-example-echo
    KEYPLANE_BINARIES=$(cargo metadata --format-version 1 --no-deps |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/debug
  fi
  cd - >/dev/null
}

# `start FOLDER`: everything, as the product's keyplane.toml and envoy.yaml say. Where they name a port of README.md's, a free one is put.
start() {
  local product=$1 port_api port_sync port_app port_proxy port_envoy port_login
  say "The parts, with the configuration in examples/products/$(basename "$product")"
  programs
  read -r port_api port_sync port_app port_proxy port_envoy port_login <<<"$(free_ports)"
  api=http://127.0.0.1:$port_api
  proxy=http://127.0.0.1:$port_proxy
  issuer=http://127.0.0.1:$port_login/auth/v1
  here() {
    sed -e "s/port_value: 8080 /port_value: $port_api /" -e "s/port_value: 8081 /port_value: $port_sync /" \
      -e "s/port_value: 9000 /port_value: $port_app /" -e "s/port_value: 10000 /port_value: $port_proxy /" \
      -e "s/port_value: 9901 /port_value: $port_envoy /" -e "s/port_value: 9100 /port_value: $port_login /" \
      -e "s#http://127.0.0.1:9100#http://127.0.0.1:$port_login#g" -e "s#target/keyplane.wasm#$wasm#" "$1"
  }
  here "$product/keyplane.toml" >"$work/keyplane.toml"
  here "$product/envoy.yaml" >"$work/envoy.yaml"

  printf '  keyplane init\n'
  "$KEYPLANE_BINARIES/keyplane" init --data-dir "$work/data" --json >"$work/init.json"
  body=$(cat "$work/init.json")
  rm "$work/init.json"
  admin=$(get admin_key)
  KEYPLANE_PROXY_TOKEN=$(get proxy_token)
  body=''

  if grep -q 9100 "$product/keyplane.toml"; then
    begin login "$node" "$products/login.mjs" serve "$work/login.json" "$port_login" "$(grep -q RS256 "$product/keyplane.toml" && echo RS256 || echo ES256)"
    ready login "$issuer/.well-known/jwks.json"
  fi
  begin control-plane "$KEYPLANE_BINARIES/keyplane" serve --data-dir "$work/data" --config "$work/keyplane.toml" \
    --listen "127.0.0.1:$port_api" --sync-listen "127.0.0.1:$port_sync"
  ready control-plane "$api/readyz"
  begin application "$KEYPLANE_BINARIES/keyplane-example-echo" --listen "127.0.0.1:$port_app"
  ready application "http://127.0.0.1:$port_app/"
  export KEYPLANE_PROXY_TOKEN
  begin envoy "$envoy" --config-path "$work/envoy.yaml" --concurrency 2 --disable-hot-restart --log-level warn
  export -n KEYPLANE_PROXY_TOKEN
  ready envoy "http://127.0.0.1:$port_envoy/ready"
}
