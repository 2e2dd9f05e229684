// Show the description of the HTTP interface (openapi.json) as a page, without anything from elsewhere.

import { byId, createElement } from "./dom.js";
import { initTheme } from "./theme.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const text = (textContent) => createElement("p", { textContent });
const anchor = (method, path) => `${method}${path.replace(/[^\w]+/g, "-")}`;
const code = (textContent) => createElement("code", { textContent });

initTheme();
try {
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  show(await response.json());
} catch (error) {
  byId("about").textContent = `The description could not be loaded: ${error.message}.`;
}
document.documentElement.dataset.ready = "yes";

function show({ info, paths, components }) {
  byId("about").textContent = `${info.title} ${info.version}. ${info.description ?? ""}`;
  const groups = new Map(); // tag -> [[method, path, operation], ...]
  for (const [path, operations] of Object.entries(paths)) {
    for (const method of METHODS) {
      const operation = operations[method];
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), [method, path, operation]]);
    }
  }
  for (const [tag, requests] of groups) {
    byId("requests").append(createElement("h2", { textContent: tag[0].toUpperCase() + tag.slice(1) }), ...requests.map(requestSection));
    byId("contents").append(...requests.map(([method, path]) => createElement("li", {}, createElement("a", { href: `#${anchor(method, path)}` }, method.toUpperCase(), " ", path))));
  }
  byId("schemas").append(...Object.entries(components?.schemas ?? {}).map(schemaSection));
}

function requestSection([method, path, operation]) {
  const { parameters = [], requestBody, responses = {} } = operation;
  const section = createElement("section", { id: anchor(method, path) },
    createElement("h3", {}, createElement("b", { className: method, textContent: method.toUpperCase() }), " ", code(path)),
    ...paragraphs(operation.description ?? operation.summary));
  if (parameters.length) section.append(table(["Parameter", "Where", "Type", "Meaning"], parameters.map((p) => [code(p.name + (p.required ? "" : "?")), p.in, typeOf(p.schema), p.description ?? ""])));
  for (const [kind, { schema }] of Object.entries(requestBody?.content ?? {})) section.append(createElement("p", {}, "Body: ", code(kind), " ", typeOf(schema)));
  section.append(table(["Status", "Answer", "Meaning"], Object.entries(responses).map(([status, { description, content }]) => [
    code(status), createElement("span", {}, ...Object.entries(content ?? {}).flatMap(([kind, { schema }]) => [code(kind), " ", typeOf(schema), " "])), description ?? ""])));
  section.append(createElement("pre", { tabIndex: 0 }, example(method, path, requestBody)));
  return section;
}

// A call by curl, with the address of this page.
function example(method, path, requestBody) {
  const kinds = Object.keys(requestBody?.content ?? {});
  const body = kinds.includes("multipart/form-data") ? " -F file=@scan.png"
    : kinds.includes("image/png") ? " -H 'content-type: image/png' --data-binary @mask.png"
      : kinds.includes("application/json") ? " -H 'content-type: application/json' -d '{...}'" : "";
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  return `curl${method === "get" || (method === "post" && body) ? "" : ` -X ${method.toUpperCase()}`}${body} '${base}${path}'`;
}

function schemaSection([name, { description, properties = {}, required = [] }]) {
  const rows = Object.entries(properties).map(([field, schema]) => [code(field + (required.includes(field) ? "" : "?")), typeOf(schema), schema.description ?? ""]);
  return createElement("section", { id: `schema-${name}` }, createElement("h3", { textContent: name }), ...paragraphs(description), rows.length ? table(["Field", "Type", "Meaning"], rows) : "");
}

// A type in words, with a link where it is described below.
function typeOf(schema = {}) {
  const node = createElement("span");
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    node.append(createElement("a", { href: `#schema-${name}`, textContent: name }));
  } else if (schema.anyOf ?? schema.oneOf) {
    (schema.anyOf ?? schema.oneOf).forEach((part, i) => node.append(i ? " or " : "", typeOf(part)));
  } else if (schema.prefixItems) {
    schema.prefixItems.forEach((part, i) => node.append(i ? ", " : "(", typeOf(part)));
    node.append(")");
  } else if (schema.type === "array") node.append("list of ", typeOf(schema.items));
  else if (schema.enum) node.append(schema.enum.map((value) => JSON.stringify(value)).join(", "));
  else node.append([schema.type, schema.format].filter(Boolean).join(", ") || "any");
  if (schema.default !== undefined && schema.default !== null) node.append(` = ${JSON.stringify(schema.default)}`);
  return node;
}

// The paragraphs of a docstring; its list of attributes is kept as it is written.
function paragraphs(description = "") {
  return description.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => (part.includes("\n    ") ? createElement("pre", { tabIndex: 0, textContent: part }) : text(part)));
}

function table(heads, rows) {
  return createElement("div", { className: "wide", tabIndex: 0 }, createElement("table", {},
    createElement("thead", {}, createElement("tr", {}, ...heads.map((head) => createElement("th", { scope: "col", textContent: head })))),
    createElement("tbody", {}, ...rows.map((row) => createElement("tr", {}, ...row.map((cell) => createElement("td", {}, cell)))))));
}
