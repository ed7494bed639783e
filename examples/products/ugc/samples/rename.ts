// UGC_API_KEY=ugc_... KEY_ID=... node rename.ts
import { UgcClient } from "./client.ts";

const client = new UgcClient({ apiKey: process.env.UGC_API_KEY, url: process.env.UGC_URL });
const result = await client.org.editApiKey({ apiKeyId: process.env.KEY_ID ?? "", name: "Updated Production Key" });
console.log(result.ok ? `renamed to ${result.data.name}` : `not renamed: ${result.status} ${result.code}`);
process.exitCode = result.ok ? 0 : 1;
