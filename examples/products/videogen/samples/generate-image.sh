# VIDEOGEN_API_KEY=vg_key_... sh generate-image.sh
curl --fail-with-body --silent --show-error -X POST "${VIDEOGEN_URL:-https://api.example.com}/v1/tools/generate-image" \
  -H "Authorization: Bearer $VIDEOGEN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"prompt": "a lighthouse at dusk"}'
