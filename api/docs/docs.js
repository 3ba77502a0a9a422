// Shows /openapi.json. Everything is put in as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEPTH = 6; // of nested schemas: deeper ones are named only

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

function resolve(spec, schema) {
  const prefix = "#/components/schemas/";
  return schema?.$ref?.startsWith(prefix) ? spec.components.schemas[schema.$ref.slice(prefix.length)] : schema;
}

function typeName(schema) {
  if (!schema) return "any";
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type ?? "any";
  const format = schema.format ? ` (${schema.format})` : "";
  return schema.enum ? schema.enum.map((v) => JSON.stringify(v)).join(" | ") : type + format;
}

// An outline of a schema as lines of text: name, type, what it is.
function outline(spec, schema, indent = "", depth = 0) {
  const s = resolve(spec, schema);
  if (s?.type === "array") {
    return [`${indent}[`, ...outline(spec, s.items, indent + "  ", depth + 1), `${indent}]`];
  }
  if (!s?.properties || depth >= DEPTH) return [indent + typeName(s)];
  const required = new Set(s.required ?? []);
  return Object.entries(s.properties).flatMap(([name, property]) => {
    const p = resolve(spec, property);
    const mark = required.has(name) ? "" : "?";
    const doc = property.description ?? p?.description;
    const note = doc ? `  -- ${doc}` : "";
    if (p?.properties || p?.type === "array") {
      return [`${indent}${name}${mark}:${note}`, ...outline(spec, property, indent + "  ", depth + 1)];
    }
    return [`${indent}${name}${mark}: ${typeName(p)}${note}`];
  });
}

function schemaBlock(spec, content) {
  return Object.entries(content ?? {}).map(([type, media]) =>
    el("div", {}, el("div", { class: "dim" }, type), el("pre", { tabindex: "0" }, outline(spec, media.schema).join("\n"))));
}

function access(operation) {
  if (operation["x-reelvault-open"]) return `Open: ${operation["x-reelvault-open"]}.`;
  const scopes = operation["x-reelvault-scopes"] ?? [];
  const tickets = operation["x-reelvault-tickets"] ?? [];
  const who = scopes.length ? `Needs the scope ${scopes.join(" or ")}.` : "Needs any valid credential.";
  return tickets.length ? `${who} Takes tickets to ${tickets.join(", ")}.` : who;
}

function parameterTable(parameters) {
  const rows = parameters.map((p) => el("tr", {},
    el("td", {}, el("code", {}, p.name)), el("td", {}, p.in + (p.required ? ", required" : "")),
    el("td", {}, typeName(p.schema)), el("td", {}, p.description ?? "")));
  const head = el("tr", {}, ...["Name", "In", "Type", "What"].map((t) => el("th", { scope: "col" }, t)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function article(spec, path, method, operation) {
  const parts = [
    el("h3", {}, el("span", { class: "method" }, method.toUpperCase()), el("code", {}, path)),
    el("p", {}, operation.summary ?? ""),
    operation.description ? el("p", {}, operation.description) : null,
    el("p", { class: "dim" }, access(operation)),
  ];
  if (operation.parameters?.length) parts.push(el("h4", {}, "Parameters"), parameterTable(operation.parameters));
  if (operation.requestBody) parts.push(el("h4", {}, "Body"), ...schemaBlock(spec, operation.requestBody.content));
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    if (status === "default") continue;
    parts.push(el("h4", {}, `${status} ${response.description ?? ""}`), ...schemaBlock(spec, response.content));
  }
  return el("article", { id: operation.operationId }, ...parts);
}

function show(spec) {
  document.getElementById("about").textContent = `Version ${spec.info.version}. ${spec.info.description}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "Other";
      groups.set(tag, [...(groups.get(tag) ?? []), { path, method, operation }]);
    }
  }
  for (const [tag, entries] of [...groups].sort(([a], [b]) => a.localeCompare(b))) {
    const links = entries.map(({ operation }) =>
      el("li", {}, el("a", { href: `#${operation.operationId}` }, operation.summary ?? operation.operationId)));
    document.getElementById("index").append(el("strong", {}, tag), el("ul", {}, ...links));
    document.getElementById("operations").append(el("h2", {}, tag),
      ...entries.map(({ path, method, operation }) => article(spec, path, method, operation)));
  }
  const problem = spec.components.schemas.Problem;
  document.getElementById("operations").append(el("h2", {}, "Problems"),
    el("pre", { tabindex: "0" }, outline(spec, problem).join("\n")));
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  show(await answer.json());
} catch (error) {
  document.getElementById("about").textContent = `The OpenAPI document can't be shown: ${error.message}`;
}
