// GEN_API_KEY=gen_pat_... node me.ts
const url = process.env.GEN_URL ?? "https://api.example.com";
const response = await fetch(`${url}/v1/me`, { headers: { "X-API-Key": process.env.GEN_API_KEY ?? "" } });
if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
console.log(JSON.stringify(await response.json()));
