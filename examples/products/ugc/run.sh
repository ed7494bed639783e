#!/usr/bin/env bash
# UGC Inc's steps, through a real Envoy: see README.md.
source "$(dirname "$0")/../stack.sh"
here=$(cd "$(dirname "$0")" && pwd)
secrets+=(UGC_API_KEY key theirs)
start "$here"
json='Content-Type: application/json'

# An organization, and its first key, which may manage the others.
organization() {
  operator 201 POST /v1/accounts "{\"name\": \"$1\"}"
  account=$(get id)
  operator 201 POST /v1/projects "{\"account_id\": \"$account\", \"name\": \"API\", \"prefixes\": {\"live\": \"ugc\", \"test\": \"ugc_test\"}}"
  project=$(get id)
  operator 201 POST /v1/keys "{\"project_id\": \"$project\", \"environment\": \"live\", \"name\": \"Organization\",
    \"scopes\": [\"keyplane:keys:write\"]}"
}

say "Two organizations, each with a key that manages its keys"
organization Globex
theirs=$(get key)
theirs_id=$(get id)
organization Acme
UGC_API_KEY=$(get key)
export UGC_API_KEY
authorization="Authorization: Bearer $UGC_API_KEY"

say "Create a key at the organization's endpoint; only this answer has the key itself"
expect 201 curl -X POST "$proxy/org/api-keys" -H "$authorization" -H "$json" \
  -d "{\"project_id\": \"$project\", \"environment\": \"live\", \"name\": \"Production API Key\"}"
key=$(get key)
id=$(get id)
expect 200 curl "$proxy/org/api-keys/$id" -H "$authorization"
like id "$(get id)" "$uuid"
is name "$(get name)" "Production API Key"
like created_at "$(get created_at)" "$time"
without "the key" "$key"
expect 200 curl "$proxy/org/api-keys" -H "$authorization"
without "the key" "$key"
body=$(readme "$here/README.md")
is "the newest key" "$(get data.0.id)" "$id"
held C2 C3 C4 C5 -- "id (a UUID), name, created_at; the key itself once"

say "Every endpoint wants a key, as Bearer token"
expect 200 curl "$proxy/videos" -H "Authorization: Bearer $key"
is "the organization that the application saw" "$(get headers.x-keyplane-account.0)" "$account"
without "the key" "$key"
for path in / /videos /org/api-keys "/org/api-keys/$id"; do
  expect 401 curl "$proxy$path"
  expect 401 curl "$proxy$path" -H "Authorization: Bearer ${key}x"
  expect 401 curl "$proxy$path" -H "X-API-Key: $key"
done
# The admin endpoints are the operator's, at the control plane. No key of an organization opens them, and no path leads there from outside.
expect 403 curl -X POST "$api/v1/accounts" -H "$authorization" -H "$json" -d '{"name": "Mine"}'
expect 403 curl "$api/v1/proxies" -H "$authorization"
expect 200 curl "$proxy/v1/accounts" -H "$authorization"
is "what answers there is the application, with the path" "$(get path)" /v1/accounts
held C6 C7 -- "Authorization: Bearer, everywhere but for the operator"

say "Another organization's keys do not exist"
expect 404 curl "$proxy/org/api-keys/$theirs_id" -H "$authorization"
expect 404 curl -X PATCH "$proxy/org/api-keys/$theirs_id" -H "$authorization" -H "$json" -d '{"name": "mine"}'
expect 404 curl -X DELETE "$proxy/org/api-keys/$theirs_id" -H "$authorization"
expect 200 curl "$proxy/videos" -H "Authorization: Bearer $theirs"
# A key that was not made for it manages nothing.
expect 403 curl "$proxy/org/api-keys" -H "Authorization: Bearer $key"
held C1 -- "an organization manages its keys, and sees no other's"

say "The same from TypeScript: list, rename, delete"
export UGC_URL=$proxy KEY_ID=$id
shown=$(sample "$here/samples/list.ts")
printf '%s\n' "$shown"
is "what it listed" "$(printf '%s\n' "$shown" | head -n 1)" "Production API Key (ID: $id)"
held C8 -- "getApiKeys"
is "what it said" "$(sample "$here/samples/rename.ts")" "renamed to Updated Production Key"
expect 200 curl "$proxy/org/api-keys/$id" -H "$authorization"
is name "$(get name)" "Updated Production Key"
held C9 -- "editApiKey"
is "what it said" "$(sample "$here/samples/delete.ts")" "deleted"
refused() { expect 401 curl "$proxy/videos" -H "Authorization: Bearer $key"; }
eventually refused
shown=$(KEY_ID=$theirs_id "$node" "$here/samples/delete.ts") && fail "another organization's key was deleted"
is "what it said of another's" "$shown" "not deleted: 404 not_found"
held C10 -- "deleteApiKey, and each result says whether it is ok"

hygiene
