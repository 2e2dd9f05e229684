// Requests to the server this page came from; there is no other.

const PATIENCE = 8; // times that a full queue is asked again

export class Failed extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(method, path, body, signal) {
  for (let turn = 0; ; turn++) {
    let response;
    try {
      response = await fetch(path, { method, body, signal, headers: body instanceof Blob ? { "content-type": "image/png" } : {} });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failed("The server does not answer. Is salus serve still running?", 0);
    }
    if (response.status === 429 && turn < PATIENCE) {
      await new Promise((done) => setTimeout(done, 1000 * Math.min(10, Number(response.headers.get("retry-after")) || 1)));
      continue;
    }
    if (response.ok) return response;
    let detail = response.statusText;
    try {
      const told = (await response.json()).detail;
      detail = typeof told === "string" ? told : detail;
    } catch { /* not JSON */ }
    throw new Failed(detail, response.status);
  }
}

const json = async (...asked) => (await ask(...asked)).json();
const at = (key, number) => `/v1/cases/${key}/frames/${number}`;

export const info = () => json("GET", "/v1/info");
export const beginSession = () => ask("POST", "/v1/session");
export const session = () => json("GET", "/v1/session");
export const endSession = () => ask("DELETE", "/v1/session");
export const openCases = () => json("GET", "/v1/cases");
export const worklist = () => json("GET", "/v1/worklist");
export const openItem = (number) => json("POST", `/v1/worklist/${number}`);
export const closeCase = (key) => ask("DELETE", `/v1/cases/${key}`);
export const answer = (key, number, signal) => json("GET", at(key, number), undefined, signal);
export const picture = async (key, number, part) => (await ask("GET", `${at(key, number)}/${part}.png`)).blob();
export const atThreshold = (key, number, value, signal) => json("GET", `${at(key, number)}/at?threshold=${value}`, undefined, signal);
export const measure = (key, number, mask, signal) => json("POST", `${at(key, number)}/measure`, mask, signal);
export const save = (key, number, mask) => json("PUT", `${at(key, number)}/mask`, mask);
export const revert = (key, number) => json("DELETE", `${at(key, number)}/mask`);

export function upload(file) {
  const form = new FormData();
  form.append("file", file, "image"); // the file's own name stays here
  return json("POST", "/v1/cases", form);
}

export async function download(path) {
  return (await ask("GET", path)).blob();
}

// Every frame of a cine, told one after another as they are done.
export async function eachFrame(key, tell) {
  const response = await ask("GET", `/v1/cases/${key}/frames`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) tell(JSON.parse(line));
  }
}
