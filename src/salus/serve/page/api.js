// Requests to the server this page came from; there is no other.

const MAX_RETRIES = 8; // of a request that a full queue refused

export class RequestFailed extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// Send a request, again where the queue is full; give its response, or throw an error with the server's message.
async function request(method, path, body, signal) {
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(path, { method, body, signal, headers: body instanceof Blob ? { "content-type": "image/png" } : {} });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new RequestFailed("The server does not answer. Is salus serve still running?", 0);
    }
    if (response.status === 429 && attempt < MAX_RETRIES) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(10, Number(response.headers.get("retry-after")) || 1)));
      continue;
    }
    if (response.ok) return response;
    let detail = response.statusText;
    try {
      const content = await response.json();
      if (typeof content.detail === "string") detail = content.detail;
    } catch { /* not JSON */ }
    throw new RequestFailed(detail, response.status);
  }
}

const requestJson = async (...args) => (await request(...args)).json();
const framePath = (key, number) => `/v1/cases/${key}/frames/${number}`;

export const info = () => requestJson("GET", "/v1/info");
export const beginSession = () => request("POST", "/v1/session");
export const session = () => requestJson("GET", "/v1/session");
export const endSession = () => request("DELETE", "/v1/session");
export const openCases = () => requestJson("GET", "/v1/cases");
export const worklist = () => requestJson("GET", "/v1/worklist");
export const openItem = (number) => requestJson("POST", `/v1/worklist/${number}`);
export const closeCase = (key) => request("DELETE", `/v1/cases/${key}`);
export const answer = (key, number, signal) => requestJson("GET", framePath(key, number), undefined, signal);
export const picture = async (key, number, part) => (await request("GET", `${framePath(key, number)}/${part}.png`)).blob();
export const atThreshold = (key, number, value, signal) => requestJson("GET", `${framePath(key, number)}/at?threshold=${value}`, undefined, signal);
export const measure = (key, number, mask, signal) => requestJson("POST", `${framePath(key, number)}/measure`, mask, signal);
export const save = (key, number, mask) => requestJson("PUT", `${framePath(key, number)}/mask`, mask);
export const revert = (key, number) => requestJson("DELETE", `${framePath(key, number)}/mask`);

export function upload(file) {
  const form = new FormData();
  form.append("file", file, "image"); // the file's own name stays here
  return requestJson("POST", "/v1/cases", form);
}

export async function download(path) {
  return (await request("GET", path)).blob();
}

// Have every frame of a cine segmented; `onLine` is called with the line of each as soon as it is done.
export async function eachFrame(key, onLine) {
  const response = await request("GET", `/v1/cases/${key}/frames`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) onLine(JSON.parse(line));
  }
}
