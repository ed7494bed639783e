// A client for an organization's keys. Each call says whether it went well, and throws only if no answer came.

export type ApiKey = { id: string; name: string; created_at: string };
export type Result<T> = { ok: true; data: T } | { ok: false; status: number; code: string };

export class UgcClient {
  readonly #key: string;
  readonly #url: string;

  constructor(options: { apiKey: string | undefined; url?: string }) {
    if (!options.apiKey) throw new Error("no key: set UGC_API_KEY");
    this.#key = options.apiKey;
    this.#url = options.url ?? "https://api.example.com";
  }

  readonly org = {
    // The first 200, newest first; `next_cursor` of the answer leads on to older ones.
    getApiKeys: async (): Promise<Result<ApiKey[]>> => {
      const result = await this.#call<{ data: ApiKey[] }>("GET", "?limit=200");
      return result.ok ? { ok: true, data: result.data.data } : result;
    },
    editApiKey: (options: { apiKeyId: string; name: string }): Promise<Result<ApiKey>> =>
      this.#call("PATCH", `/${options.apiKeyId}`, { name: options.name }),
    deleteApiKey: (options: { apiKeyId: string }): Promise<Result<ApiKey>> => this.#call("DELETE", `/${options.apiKeyId}`),
  };

  async #call<T>(method: string, path: string, body?: object): Promise<Result<T>> {
    const response = await fetch(`${this.#url}/org/api-keys${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    return response.ok ? { ok: true, data: answer } : { ok: false, status: response.status, code: answer.code };
  }
}
