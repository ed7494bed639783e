#!/usr/bin/env bash
# VideoGen's steps, through a real Envoy: see README.md.
source "$(dirname "$0")/../stack.sh"
here=$(cd "$(dirname "$0")" && pwd)
secrets+=(VIDEOGEN_API_KEY revoked)
start "$here"

say "An account and a project with the product's prefix"
operator 201 POST /v1/accounts '{"name": "Studio"}'
account=$(get id)
operator 201 POST /v1/projects "{\"account_id\": \"$account\", \"name\": \"Developers\", \"prefixes\": {\"live\": \"vg_key\", \"test\": \"vg_test\"}}"
project=$(get id)

say "Create a key, and take it from the one answer that has it"
operator 201 POST /v1/keys "{\"project_id\": \"$project\", \"environment\": \"live\", \"name\": \"Editor\"}"
id=$(get id)
VIDEOGEN_API_KEY=$(get key)
export VIDEOGEN_API_KEY
like "the key" "$VIDEOGEN_API_KEY" 'vg_key_[0-9A-Za-z]{38}'
operator 200 GET "/v1/keys/$id"
without "the key" "$VIDEOGEN_API_KEY"
like "the mask" "$(get key_prefix)" 'vg_key_[0-9A-Za-z]{4}\.\.\.[0-9A-Za-z]{4}'

say "Send it as Bearer token"
expect 200 curl -X POST "$proxy/v1/tools/generate-image" -H "Authorization: Bearer $VIDEOGEN_API_KEY" -d '{}'
is "the key that the application saw" "$(get headers.x-keyplane-key-id.0)" "$id"
without "the key" "$VIDEOGEN_API_KEY"
expect 401 curl -X POST "$proxy/v1/tools/generate-image" -H "X-API-Key: $VIDEOGEN_API_KEY" -d '{}'
body=$(readme "$here/README.md")
is "the key that the application saw" "$(get headers.x-keyplane-key-id.0)" "$id"
held V1 V2 V3 V4 V5 -- "a vg_key_ key, shown once, kept in VIDEOGEN_API_KEY, sent as Bearer token"

say "The same from TypeScript, Python and cURL"
export VIDEOGEN_URL=$proxy
for file in generate-image.ts generate_image.py generate-image.sh; do
  printf '  %s\n' "$file"
  body=$(sample "$here/samples/$file")
  is "method and path" "$(get method) $(get path)" "POST /v1/tools/generate-image"
  is "the key that the application saw" "$(get headers.x-keyplane-key-id.0)" "$id"
done
held V6 V7 -- "a client takes the key as its token; samples in TypeScript, Python and cURL"

say "A missing and a wrong key, alike"
operator 201 POST /v1/keys "{\"project_id\": \"$project\", \"environment\": \"live\", \"name\": \"Short-lived\"}"
revoked=$(get key)
operator 200 DELETE "/v1/keys/$(get id)?wait=10s"
for header in "X-Nothing: here" "Authorization: Bearer $revoked" "Authorization: Bearer ${VIDEOGEN_API_KEY}x" \
  "Authorization: Bearer vg_key_0123456789abcdefghijABCDEFGHIJ01abcdef" "Authorization: Bearer hello"; do
  expect 401 curl "$proxy/v1/files" -H "$header"
  is "the answer" "$body" '{"message":"Unauthorized"}'
  grep -qi '^content-type: application/json' "$work/head" || fail "the answer is no JSON"
done
for file in generate-image.ts generate_image.py; do
  printf '  %s without a valid key\n' "$file"
  shown=$(VIDEOGEN_API_KEY=wrong sample "$here/samples/$file" 2>&1) && fail "$file went on"
  case $shown in *"401 Unauthorized"*) ;; *) fail "$file said: $shown" ;; esac
done
held V8 -- '401 and {"message":"Unauthorized"}, byte for byte'

say "Documentation for agents"
for path in /llms.txt /llms-full.txt /docs/errors.md; do
  expect 200 curl "$proxy$path"
  like "the first line" "$(printf '%s\n' "$body" | head -n 1)" '# .+'
done
held V9 -- "an index, all pages in one, and each page as Markdown, without a key"
not_yet V10 V11 -- "no guide on rate limits that Keyplane sets, because it sets none, and no webhooks to list, create and delete"

hygiene
