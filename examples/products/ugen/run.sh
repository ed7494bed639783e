#!/usr/bin/env bash
# U-Gen's steps, from the first key to its end, through a real Envoy: see README.md.
source "$(dirname "$0")/../stack.sh"
here=$(cd "$(dirname "$0")" && pwd)
secrets+=(jwt forged UGEN_API_KEY old other)
start "$here"
json='Content-Type: application/json'

say "Once for each customer, by the operator: an account, a project with the product's prefix, and the person who signs in"
operator 201 POST /v1/accounts '{"name": "Studio", "plan": "pro"}'
account=$(get id)
operator 201 POST /v1/projects "{\"account_id\": \"$account\", \"name\": \"API\", \"prefixes\": {\"live\": \"ugen_sk\", \"test\": \"ugen_test_sk\"}}"
project=$(get id)
operator 201 POST /v1/users "{\"account_id\": \"$account\", \"email\": \"ada@example.com\", \"name\": \"Ada\", \"role\": \"owner\",
  \"identity\": {\"issuer\": \"$issuer\", \"subject\": \"ada\"}}"
# What the login gives the web application when she signs in. From here on she acts, not the operator.
jwt=$(token "{\"sub\": \"ada\", \"aud\": \"authenticated\", \"email\": \"ada@example.com\", \"app_metadata\": {\"account_id\": \"$account\"}}")

# create NAME ENVIRONMENT [EXPIRES_AT]: what the dashboard's button does
create() {
  expect 201 curl -X POST "$api/v1/keys" -H "Authorization: Bearer $jwt" -H "$json" \
    -d "{\"project_id\": \"$project\", \"environment\": \"$2\", \"name\": \"$1\", \"expires_at\": ${3:-null}}"
}
list() { expect 200 curl "$api/v1/keys?project_id=$project" -H "Authorization: Bearer $jwt"; }

say "Create a key with a name that says what it is for; take it from the one answer that has it"
create "Production Backend" live
id=$(get id)
UGEN_API_KEY=$(get key)
export UGEN_API_KEY
is name "$(get name)" "Production Backend"
like "the key" "$UGEN_API_KEY" 'ugen_sk_[0-9A-Za-z]{38}'
expect 200 curl "$api/v1/keys/$id" -H "Authorization: Bearer $jwt"
without "the key" "$UGEN_API_KEY"
list
without "the key" "$UGEN_API_KEY"
held G6 G7 G8 -- "a named key, shown once, kept in UGEN_API_KEY"

say "Test the key"
# The page's own command, with the proxy for its address.
expect 200 curl -X GET "$proxy/api/v1/credits/balance" \
  -H "X-API-Key: $UGEN_API_KEY"
is "the path that the application saw" "$(get path)" /api/v1/credits/balance
is "the account that the application saw" "$(get headers.x-keyplane-account.0)" "$account"
without "the key" "$UGEN_API_KEY"
expect 401 curl -X GET "$proxy/api/v1/credits/balance"
expect 401 curl -X GET "$proxy/api/v1/credits/balance" -H "Authorization: Bearer $UGEN_API_KEY"
expect 401 curl -X GET "$proxy/api/v1/credits/balance" -H "X-API-Key: ${UGEN_API_KEY}x"
body=$(readme "$here/README.md")
is "the account that the application saw" "$(get headers.x-keyplane-account.0)" "$account"
held G4 -- "the key goes in X-API-Key, and nowhere else"
not_yet G5 -- "the command reaches the application with the right account, but Keyplane keeps no balance to answer with"
not_yet G1 -- "no credit balance that all keys of an account share"

say "Two ways in"
expect 200 curl -X GET "$proxy/api/v1/credits/balance" -H "Authorization: Bearer $jwt"
is "the account behind the JWT" "$(get headers.x-keyplane-account.0)" "$account"
forged=${jwt%?????}AAAAA
expect 401 curl -X GET "$proxy/api/v1/credits/balance" -H "Authorization: Bearer $forged"
held G3 -- "the login's JWT opens what the key opens, for the same account"

say "The list: name, mask, creation, last use, end"
create "Staging Test" live '"2099-01-15T10:30:00.000Z"'
other=$(get key)
is_used() {
  list
  like "last_used_at of the used key" "$(get data.1.last_used_at)" "$time"
}
# Proxies report use every second or so.
eventually is_used
is names "$(get data.0.name), $(get data.1.name)" "Staging Test, Production Backend"
like "the mask" "$(get data.1.key_prefix)" 'ugen_sk_[0-9A-Za-z]{4}\.\.\.[0-9A-Za-z]{4}'
is "the mask's end" "$(get data.1.key_prefix | tail -c 5)" "$(printf %s "$UGEN_API_KEY" | tail -c 4)"
like created_at "$(get data.1.created_at)" "$time"
is "last_used_at of the other" "$(get data.0.last_used_at)" null
is "expires_at of a key without end" "$(get data.1.expires_at)" null
is "expires_at of the other" "$(get data.0.expires_at)" 2099-01-15T10:30:00.000Z
held G9 G10 G11 G12 G13 G14 -- "name, key_prefix, last_used_at, expires_at (null: never), created_at"

say "Rotate: create, switch, revoke"
old=$UGEN_API_KEY
create "Production Backend, new" live
UGEN_API_KEY=$(get key)
expect 200 curl "$proxy/api/v1/credits/balance" -H "X-API-Key: $old"
expect 200 curl "$proxy/api/v1/credits/balance" -H "X-API-Key: $UGEN_API_KEY"
held G16 -- "both keys work until the old one is revoked"

say "Revoke"
# With wait=10s the answer comes when every proxy refuses the key, and says so.
expect 200 curl -X DELETE "$api/v1/keys/$id?wait=10s" -H "Authorization: Bearer $jwt"
is status "$(get status)" revoked
is "proxies that refuse it, of all" "$(get receipt.applied) of $(get receipt.proxies)" "1 of 1"
expect 401 curl "$proxy/api/v1/credits/balance" -H "X-API-Key: $old"
expect 409 curl -X PATCH "$api/v1/keys/$id" -H "Authorization: Bearer $jwt" -H "$json" -d '{"enabled": true}'
expect 200 curl "$proxy/api/v1/credits/balance" -H "X-API-Key: $UGEN_API_KEY"
held G15 -- "at once, for good, and for this key alone"

say "A key for each environment"
create "CI" test
other=$(get key)
like "the key" "$other" 'ugen_test_sk_[0-9A-Za-z]{38}'
expect 200 curl "$proxy/api/v1/credits/balance" -H "X-API-Key: $other"
is "what the application saw" "$(get headers.x-keyplane-environment.0)" test
use() {
  expect 200 curl "$api/v1/usage?group_by=environment" -H "Authorization: Bearer $jwt"
  is "use by environment" "$(printf '%s' "$body" | python3 -c '
import json, sys
print(*sorted("%s %s" % (row["environment"], row["allowed"]) for row in json.load(sys.stdin)["data"]))')" "live 5 test 1"
}
# Proxies report use every second or so.
eventually use
held G18 -- "usage is told by environment"
not_yet G17 -- "no limits on jobs at once or by day, so no 429 with retry_after for them"

hygiene
