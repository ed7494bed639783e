// A client that takes the key as its token. Yours will be larger; this is all that a key asks of it.

export class VideoGenClient {
  readonly #token: string;
  readonly #url: string;

  constructor(options: { token: string | undefined; url?: string }) {
    if (!options.token) throw new Error("no token: set VIDEOGEN_API_KEY");
    this.#token = options.token;
    this.#url = options.url ?? "https://api.example.com";
  }

  async generateImage(prompt: string): Promise<unknown> {
    const response = await fetch(`${this.#url}/v1/tools/generate-image`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      body: JSON.stringify({ prompt }),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${body.message}`);
    return body;
  }
}
