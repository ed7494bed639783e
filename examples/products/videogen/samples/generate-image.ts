// VIDEOGEN_API_KEY=vg_key_... node generate-image.ts
import { VideoGenClient } from "./client.ts";

const client = new VideoGenClient({ token: process.env.VIDEOGEN_API_KEY, url: process.env.VIDEOGEN_URL });
console.log(JSON.stringify(await client.generateImage("a lighthouse at dusk")));
