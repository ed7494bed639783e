"""VIDEOGEN_API_KEY=vg_key_... python3 generate_image.py"""

import json
import os

from client import VideoGenClient

client = VideoGenClient(token=os.environ["VIDEOGEN_API_KEY"], url=os.environ.get("VIDEOGEN_URL", "https://api.example.com"))
print(json.dumps(client.generate_image("a lighthouse at dusk")))
