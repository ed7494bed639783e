// Stands in for a product's login (Supabase Auth, Clerk): it has one key, publishes it where OpenID discovery looks, and signs tokens.
//
//   node login.mjs serve FILE PORT ES256|RS256     makes the key, keeps it in FILE, and serves until it is ended
//   node login.mjs token FILE ISSUER CLAIMS        prints a token of these claims that ends in five minutes

import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const [command, file, ...rest] = process.argv.slice(2);
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

if (command === "serve") {
  const [port, algorithm] = rest;
  const pair =
    algorithm === "RS256" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, JSON.stringify({ algorithm, key: pair.privateKey.export({ format: "jwk" }) }), { mode: 0o600 });
  const issuer = `http://127.0.0.1:${port}/auth/v1`;
  const jwks = `${issuer}/.well-known/jwks.json`;
  const key = { ...pair.publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: algorithm };
  const answers = {
    "/auth/v1/.well-known/jwks.json": { keys: [key] },
    "/auth/v1/.well-known/openid-configuration": { issuer, jwks_uri: jwks },
  };
  createServer((request, response) => {
    const answer = answers[request.url];
    response.writeHead(answer ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(answer ?? {}));
  }).listen(Number(port), "127.0.0.1");
} else {
  const [issuer, claims] = rest;
  const { algorithm, key } = JSON.parse(readFileSync(file, "utf8"));
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: issuer, iat: now, exp: now + 300, ...JSON.parse(claims) };
  const text = `${encoded({ alg: algorithm, typ: "JWT", kid: "k1" })}.${encoded(payload)}`;
  const signature = sign("sha256", Buffer.from(text), { key: createPrivateKey({ key, format: "jwk" }), dsaEncoding: "ieee-p1363" });
  console.log(`${text}.${signature.toString("base64url")}`);
}
