// Requests to the server this page came from; there is no other.

export const NO_ANSWER = "The server does not answer. Is salus serve still running?";
const MAX_RETRIES = 8; // of a request that a full queue refused

let changing = Promise.resolve(); // the last change of the session, such as the reader's name, which stands in what is sent after it
let recoverCase = null; // finds the new key of a case that the server forgot, or null

export class RequestFailed extends Error {
  constructor(message, status, content = null) {
    super(message);
    this.status = status;
    this.content = content; // of the server's answer, where it is JSON
  }
}

// The server cannot have the image again, so that nothing can be saved of it.
export class ImageGone extends RequestFailed {
  constructor(message) {
    super(message, 404);
  }
}

// Set what is done where the server forgot a case: called with its key, gives the new one or null, or throws ImageGone.
export const onForgotten = (recover) => (recoverCase = recover);

const SESSION = "/v1/session";
const FORGOTTEN = /no such case|no session/; // of the server's messages

// Send a request, again where the queue is full; give its response, or throw an error with the server's message.
async function request(method, path, body, signal, headers = {}) {
  if (path !== SESSION) await changing;
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      const type = body instanceof Blob ? { "content-type": "image/png" } : typeof body === "string" ? { "content-type": "application/json" } : {};
      response = await fetch(path.replace(/^\//, ""), { method, body, signal, headers: { ...type, ...headers } }); // below the page, behind a proxy as well
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new RequestFailed(NO_ANSWER, 0);
    }
    if (response.status === 429 && attempt < MAX_RETRIES) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(10, Number(response.headers.get("retry-after")) || 1)));
      continue;
    }
    if (response.ok) return response;
    let detail = response.statusText, content = null;
    try {
      content = await response.json();
      if (typeof content.detail === "string") detail = content.detail;
    } catch { /* not JSON */ }
    const [, key] = path.match(/^\/v1\/cases\/([^/]+)/) ?? [];
    if (response.status === 404 && FORGOTTEN.test(detail) && key && method !== "DELETE" && attempt < MAX_RETRIES) {
      const newKey = await recoverCase?.(key);
      if (newKey && newKey !== key) {
        path = path.replace(key, newKey);
        continue;
      }
    }
    throw new RequestFailed(detail, response.status, content);
  }
}

const requestJson = async (...args) => (await request(...args)).json();
const framePath = (key, number) => `/v1/cases/${key}/frames/${number}`;

export const info = () => requestJson("GET", "/v1/info");
export const beginSession = () => request("POST", SESSION);
export const session = () => requestJson("GET", SESSION);
export const endSession = () => request("DELETE", SESSION);
export const openCases = () => requestJson("GET", "/v1/cases");
export const worklist = () => requestJson("GET", "/v1/worklist");
// Open an image of the worklist by its name; it has another number where files came or went before the server was started again.
export async function openItem({ number, name }) {
  const open = (item) => requestJson("POST", `/v1/worklist/${item}?name=${encodeURIComponent(name)}`);
  try {
    return await open(number);
  } catch (error) {
    if (error.status !== 404) throw error;
    const item = (await worklist()).items.find((other) => other.name === name);
    if (!item) throw new ImageGone(`the worklist no longer has ${name}`);
    return open(item.number);
  }
}
export const closeCase = (key) => request("DELETE", `/v1/cases/${key}`);
export const answer = (key, number, signal) => requestJson("GET", framePath(key, number), undefined, signal);
export const picture = async (key, number, part) => (await request("GET", `${framePath(key, number)}/${part}.png`)).blob();
export const atThreshold = (key, number, value, signal) => requestJson("GET", `${framePath(key, number)}/at?threshold=${value}`, undefined, signal);
// The outline of a frame for prompts, see prompt_outline.js; the threshold is the network's own where it is null.
export const outlinePrompts = (key, number, prompts, threshold) => requestJson(
  "POST", `${framePath(key, number)}/prompt${threshold === null ? "" : `?threshold=${threshold}`}`, JSON.stringify({ prompts }));
export const measure = (key, number, mask, signal) => requestJson("POST", `${framePath(key, number)}/measure`, mask, signal);

// Save an outline in place of the one with a version ("" for none); `prompts` are what the reader pointed at,
// `derivedFrom` is the frame whose outline was propagated to this one.
export function save(key, number, mask, version, threshold, prompts = [], derivedFrom = null) {
  const query = new URLSearchParams({ threshold: threshold.toFixed(4), ...(prompts.length ? { prompts: JSON.stringify(prompts) } : {}) });
  if (derivedFrom) query.set("derived_from", derivedFrom);
  return requestJson("PUT", `${framePath(key, number)}/mask?${query}`, mask, undefined, { "if-match": etag(version) });
}
export const versions = (key, number) => requestJson("GET", `${framePath(key, number)}/versions`);
export const versionMask = async (key, number, version) => (await request("GET", `${framePath(key, number)}/versions/${version}.png`)).blob();
export const revert = (key, number, version) => requestJson("DELETE", `${framePath(key, number)}/mask`, undefined, undefined, { "if-match": etag(version) });
// The size of a pixel by hand: { mm_per_pixel, length_mm, line, replaced }.
export const calibrate = (key, calibration) => requestJson("PUT", `/v1/cases/${key}/calibration`, JSON.stringify(calibration));
// The ticks of a burned-in ruler, { line, count, spacing, edge }, or null.
export const ruler = (key, number) => requestJson("GET", `${framePath(key, number)}/ruler`);
export const uncalibrate = (key) => request("DELETE", `/v1/cases/${key}/calibration`);
export const formats = () => requestJson("GET", "/v1/formats");
export const lexicon = () => requestJson("GET", "/v1/lexicon");
export const setNotes = (key, number, notes) => requestJson("PUT", `${framePath(key, number)}/notes`, JSON.stringify(notes));
// Which patient a pattern reads in each file name; null asks for the pattern in force.
export const patients = (pattern) => requestJson("GET", `/v1/patients${pattern === null ? "" : `?pattern=${encodeURIComponent(pattern)}`}`);
export function changeSession(changes) {
  const changed = requestJson("PUT", SESSION, JSON.stringify(changes));
  changing = changed.catch(() => {});
  return changed;
}

const etag = (version) => `"${version || "none"}"`;

export function upload(file, id) {
  const form = new FormData();
  form.append("file", file, "image");
  form.append("label", file.name); // goes to the server on purpose, and stays with the case
  form.append("upload", id); // sent twice, as after a reload, it gives the same image
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
