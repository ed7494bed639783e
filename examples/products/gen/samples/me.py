"""GEN_API_KEY=gen_pat_... python3 me.py"""

import os
import urllib.request

url = os.environ.get("GEN_URL", "https://api.example.com")
request = urllib.request.Request(f"{url}/v1/me", headers={"X-API-Key": os.environ["GEN_API_KEY"]})
with urllib.request.urlopen(request, timeout=30) as response:
    print(response.read().decode())
