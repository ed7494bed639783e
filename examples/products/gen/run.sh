#!/usr/bin/env bash
# GEN's steps, through a real Envoy: see README.md.
source "$(dirname "$0")/../stack.sh"
here=$(cd "$(dirname "$0")" && pwd)
secrets+=(jwt GEN_API_KEY second theirs)
start "$here"
json='Content-Type: application/json'

# person NAME: an organization, the person in it, and the JWT that the login gives them
person() {
  operator 201 POST /v1/accounts "{\"name\": \"$1\", \"external_id\": \"org_$1\"}"
  operator 201 POST /v1/users "{\"account_id\": \"$(get id)\", \"email\": \"$1@example.com\", \"name\": \"$1\",
    \"identity\": {\"issuer\": \"$issuer\", \"subject\": \"user_$1\"}}"
  user=$(get id)
  jwt=$(token "{\"sub\": \"user_$1\", \"org_id\": \"org_$1\", \"azp\": \"https://app.example.com\"}")
}
# create NAME: what the dashboard's button does, with the JWT of who is signed in
create() {
  expect 201 curl -X POST "$proxy/v1/personal_access_tokens" -H "Authorization: Bearer $jwt" -H "$json" -d "{\"name\": \"$1\"}"
}

say "Once for each customer, by the operator: an organization and a person, as the login knows them"
person eve
create theirs
theirs=$(get key)
theirs_id=$(get id)
person ada

say "Create a personal access token, and take it from the one answer that has it"
create n8n-production
GEN_API_KEY=$(get key)
export GEN_API_KEY
first_id=$(get id)
like "the token" "$GEN_API_KEY" 'gen_pat_[0-9A-Za-z]{38}'
is "whose it is" "$(get user_id)" "$user"
expect 200 curl "$proxy/v1/personal_access_tokens" -H "Authorization: Bearer $jwt"
without "the token" "$GEN_API_KEY"
like "the mask" "$(get data.0.key_prefix)" 'gen_pat_[0-9A-Za-z]{4}\.\.\.[0-9A-Za-z]{4}'
expect 200 curl "$proxy/v1/agents" -H "X-API-Key: $GEN_API_KEY"
is "the person that the application saw" "$(get headers.x-keyplane-user.0)" "$user"
without "the token" "$GEN_API_KEY"
held N3 N4 N5 N6 -- "a gen_pat_ token of one person, shown once, sent with every request"

say "Who am I"
# The page's own command, with the proxy for its address.
expect 200 curl "$proxy/v1/me" -H "X-API-Key: $GEN_API_KEY"
is id "$(get id)" "$user"
is email "$(get email)" ada@example.com
is name "$(get name)" ada
me=$body
export GEN_URL=$proxy
for file in me.ts me.py me.sh; do
  printf '  %s\n' "$file"
  body=$(sample "$here/samples/$file")
  is "id, from $file" "$(get id)" "$user"
  is "email, from $file" "$(get email)" ada@example.com
done
held N7 -- "id, email, name; from cURL, TypeScript and Python"

say "A token, or a JWT of the login"
expect 200 curl "$proxy/v1/me" -H "Authorization: Bearer $jwt"
is "who that is" "$body" "$me"
expect 200 curl "$proxy/v1/agents" -H "Authorization: Bearer $jwt"
without "the JWT" "$jwt"
expect 401 curl "$proxy/v1/me"
expect 401 curl "$proxy/v1/me" -H "X-API-Key: ${GEN_API_KEY}x"
expect 400 curl "$proxy/v1/me" -H "X-API-Key: $GEN_API_KEY" -H "Authorization: Bearer $jwt"
held N1 N2 -- "either is the same person; both at once are refused"

say "Manage tokens with a token"
create nightly
second=$(get key)
token_id=$(get id)
expect 200 curl "$proxy/v1/personal_access_tokens" -H "X-API-Key: $GEN_API_KEY"
is names "$(get data.0.name), $(get data.1.name)" "nightly, n8n-production"
held N8 -- "list"
expect 200 curl -X PATCH "$proxy/v1/personal_access_tokens/$token_id" -H "X-API-Key: $GEN_API_KEY" -H "$json" -d '{"name": "new-name"}'
is name "$(get name)" new-name
held N9 -- "rename"
expect 200 curl "$proxy/v1/me" -H "X-API-Key: $second"
expect 200 curl -X DELETE "$proxy/v1/personal_access_tokens/$token_id" -H "X-API-Key: $GEN_API_KEY"
is status "$(get status)" revoked
refused() { expect 401 curl "$proxy/v1/agents" -H "X-API-Key: $second"; }
eventually refused
expect 401 curl "$proxy/v1/me" -H "X-API-Key: $second"
expect 200 curl "$proxy/v1/me" -H "X-API-Key: $GEN_API_KEY"
held N10 -- "revoke"
# All four, one after the other.
create by-the-readme
token_id=$(get id)
export token_id
shown=$(readme "$here/README.md")
case $shown in
  *'"email":"ada@example.com"'*'"name":"by-the-readme"'*"\"id\":\"$token_id\",\"name\":\"new-name\""*'"status":"revoked"'*) ;;
  *) fail "the commands of README.md printed $shown" ;;
esac
for method in GET PATCH DELETE; do
  data=()
  [ $method != PATCH ] || data=(-H "$json" -d '{"name": "mine"}')
  expect 404 curl -X $method "$proxy/v1/personal_access_tokens/$theirs_id" -H "X-API-Key: $GEN_API_KEY" ${data[@]+"${data[@]}"}
done
expect 200 curl "$proxy/v1/me" -H "X-API-Key: $theirs"
# Its last deed may be its own end.
expect 200 curl -X DELETE "$proxy/v1/personal_access_tokens/$first_id" -H "X-API-Key: $GEN_API_KEY"
refused() { expect 401 curl "$proxy/v1/agents" -H "X-API-Key: $GEN_API_KEY"; }
eventually refused
held N11 -- "their own alone"
not_yet N12 -- "no credit that calls need"

hygiene
