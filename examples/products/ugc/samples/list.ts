// UGC_API_KEY=ugc_... node list.ts
import { UgcClient } from "./client.ts";

const client = new UgcClient({ apiKey: process.env.UGC_API_KEY, url: process.env.UGC_URL });
const keys = await client.org.getApiKeys();
if (keys.ok) {
  for (const key of keys.data) console.log(`${key.name} (ID: ${key.id})\n  since ${key.created_at}`);
} else {
  console.log(`no list: ${keys.status} ${keys.code}`);
  process.exitCode = 1;
}
