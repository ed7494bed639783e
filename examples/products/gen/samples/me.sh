# GEN_API_KEY=gen_pat_... sh me.sh
curl --fail-with-body --silent --show-error "${GEN_URL:-https://api.example.com}/v1/me" -H "X-API-Key: $GEN_API_KEY"
