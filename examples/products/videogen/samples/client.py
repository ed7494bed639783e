"""A client that takes the key as its token. Yours will be larger; this is all that a key asks of it."""

import json
import urllib.error
import urllib.request


class VideoGenClient:
    def __init__(self, token: str, url: str = "https://api.example.com"):
        self._token = token
        self._url = url

    def generate_image(self, prompt: str) -> dict:
        request = urllib.request.Request(
            f"{self._url}/v1/tools/generate-image",
            method="POST",
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            data=json.dumps({"prompt": prompt}).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{error.code} {json.load(error)['message']}") from None
