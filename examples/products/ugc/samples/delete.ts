// UGC_API_KEY=ugc_... KEY_ID=... node delete.ts
import { UgcClient } from "./client.ts";

const client = new UgcClient({ apiKey: process.env.UGC_API_KEY, url: process.env.UGC_URL });
const result = await client.org.deleteApiKey({ apiKeyId: process.env.KEY_ID ?? "" });
console.log(result.ok ? "deleted" : `not deleted: ${result.status} ${result.code}`);
process.exitCode = result.ok ? 0 : 1;
