#!/usr/bin/env bash
# UploadKit's steps, through a real Envoy: see README.md.
source "$(dirname "$0")/../stack.sh"
here=$(cd "$(dirname "$0")" && pwd)
secrets+=(live test other held_key)
start "$here"

# project PLAN: an account on a plan, with a project
project() {
  operator 201 POST /v1/accounts "{\"name\": \"On $1\", \"plan\": \"$1\"}"
  account=$(get id)
  operator 201 POST /v1/projects "{\"account_id\": \"$account\", \"name\": \"Uploads\", \"prefixes\": {\"live\": \"uk_live\", \"test\": \"uk_test\"}}"
  project=$(get id)
}
# create STATUS NAME ENVIRONMENT: what the dashboard's dialog does
create() { operator "$1" POST /v1/keys "{\"project_id\": \"$project\", \"name\": \"$2\", \"environment\": \"$3\"}"; }

# fill NUMBER: so many keys, in one go
fill() {
  local urls=() number
  for number in $(seq "$1"); do urls+=("$api/v1/keys"); done
  curl --silent --fail --fail-early --max-time 60 "${urls[@]}" -H "Authorization: Bearer $admin" -H 'Content-Type: application/json' \
    -d "{\"project_id\": \"$project\", \"name\": \"One of many\", \"environment\": \"live\"}" >/dev/null || fail "a key within the cap was refused"
}

say "A project, and in it a live and a test key"
project pro
create 201 "Production Server" live
live=$(get key)
live_id=$(get id)
create 201 "GitHub Actions CI" test
test=$(get key)
test_id=$(get id)
like "the live key" "$live" 'uk_live_[0-9A-Za-z]{38}'
like "the test key" "$test" 'uk_test_[0-9A-Za-z]{38}'
create 422 "" live
create 422 "No such environment" dev

say "The dialog is closed: only masks are left"
for id in "$live_id" "$test_id"; do
  operator 200 GET "/v1/keys/$id"
  without "the live key" "$live"
  without "the test key" "$test"
done
operator 200 GET "/v1/keys?project_id=$project"
without "the live key" "$live"
without "the test key" "$test"
held K4 K5 -- "a name, Live or Test, and afterwards the mask"
is names "$(get data.0.name), $(get data.1.name)" "GitHub Actions CI, Production Server"
like "the mask" "$(get data.1.key_prefix)" 'uk_live_[0-9A-Za-z]{4}\.\.\.[0-9A-Za-z]{4}'

say "Which key does my server have?"
printf 'UPLOADKIT_API_KEY=%s\n' "$live" >"$work/.env.local"
held_key=$(. "$work/.env.local" && printf %s "$UPLOADKIT_API_KEY")
found=$(printf '%s' "$body" | KEY=$held_key python3 -c '
import json, os, sys
held = os.environ["KEY"]
masks = [(key["key_prefix"].split("..."), key["name"]) for key in json.load(sys.stdin)["data"]]
print(*[name for (first, last), name in masks if held.startswith(first) and held.endswith(last)])')
is "the key with this mask" "$found" "Production Server"
held K6 K7 -- "the mask's ends are enough to find a key that somebody has"
held K8 K9 -- "kept in UPLOADKIT_API_KEY, compared with the masks"

say "Two environments"
expect 200 curl "$proxy/api/v1/files" -H "Authorization: Bearer $live"
is "what the application saw" "$(get headers.x-keyplane-environment.0)" live
body=$(UPLOADKIT_API_KEY=$live readme "$here/README.md")
is "the project that it saw" "$(get headers.x-keyplane-project.0)" "$project"
expect 200 curl "$proxy/api/v1/files" -H "Authorization: Bearer $test"
is "what the application saw" "$(get headers.x-keyplane-environment.0)" test
expect 403 curl "$proxy/api/v1/billing/plan" -H "Authorization: Bearer $test"
expect 200 curl "$proxy/api/v1/billing/plan" -H "Authorization: Bearer $live"
counted() {
  operator 200 GET "/v1/usage?project_id=$project&group_by=environment"
  is "use by environment" "$(printf '%s' "$body" | python3 -c '
import json, sys
print(*sorted("%s %s" % (row["environment"], row["allowed"]) for row in json.load(sys.stdin)["data"]))')" "live 3 test 1"
}
# Proxies report use every second or so.
eventually counted
held K2 K3 -- "live and test are told apart by prefix, in headers, rules and usage, so that only live counts"

say "Another project has its own keys"
mine=$project
operator 201 POST /v1/projects "{\"account_id\": \"$account\", \"name\": \"Site\", \"prefixes\": {\"live\": \"uk_live\", \"test\": \"uk_test\"}}"
project=$(get id)
create 201 "Site server" live
other=$(get key)
expect 200 curl "$proxy/api/v1/files" -H "Authorization: Bearer $other"
is "the project that the application saw" "$(get headers.x-keyplane-project.0)" "$project"
operator 200 GET "/v1/keys?project_id=$mine"
without "the other project's key" "Site server"
held K1 -- "a project lists its own keys alone"

say "Revoke"
operator 200 DELETE "/v1/keys/$live_id?wait=10s&reason=committed+to+a+public+repository"
is status "$(get status)" revoked
is "proxies that refuse it, of all" "$(get receipt.applied) of $(get receipt.proxies)" "1 of 1"
expect 401 curl "$proxy/api/v1/files" -H "Authorization: Bearer $live"
expect 200 curl "$proxy/api/v1/files" -H "Authorization: Bearer $test"
held K10 K11 -- "401 at once, for this key alone"

say "As many keys as the plan has"
for plan in "free 2" "pro 10" "team 50"; do
  read -r name cap <<<"$plan"
  project "$name"
  fill "$cap"
  printf '  %s keys on the plan %s, and one more:\n' "$cap" "$name"
  create 409 "One more" test
  is code "$(get code)" key_limit_reached
  like "what it says to do" "$(get detail)" ".*$name.*$cap.*[Rr]evoke.*upgrade.*|.*$cap.*$name.*[Rr]evoke.*upgrade.*"
done
project enterprise
fill 55
create 201 "One more" live
printf '  56 keys on the plan enterprise, and no end\n'
held K12 -- "2, 10, 50, any number"

say "At the cap: revoke what is not used, or upgrade"
project free
create 201 Old live
id=$(get id)
create 201 Current live
create 409 New live
operator 200 DELETE "/v1/keys/$id"
create 201 New live
create 409 Newer live
operator 200 PATCH "/v1/accounts/$account" '{"plan": "pro"}'
create 201 Newer live
held K13 -- "both make room"

hygiene
