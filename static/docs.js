"use strict";
// Reads the API's document and shows its operations; texts are set as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
let spec = null;

function element(name, options, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(options || {})) {
    if (key === "class") node.className = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function resolve(thing) {
  let current = thing;
  for (let depth = 0; current && current.$ref && depth < 10; depth += 1) {
    current = current.$ref.slice(2).split("/").reduce((at, part) => (at ? at[part] : undefined), spec);
  }
  return current || {};
}

function alternatives(schema) {
  const options = schema.oneOf || schema.anyOf || [];
  return options.filter((option) => resolve(option).type !== "null");
}

function typeName(raw) {
  const schema = resolve(raw);
  if (schema.enum) return schema.enum.map(String).join(" | ");
  if (schema.oneOf || schema.anyOf) return alternatives(schema).map(typeName).join(" or ");
  const types = [].concat(schema.type || "any").filter((type) => type !== "null");
  if (types[0] === "array") return "array of " + typeName(schema.items || {});
  return types.join(" or ") + (schema.format ? " (" + schema.format + ")" : "");
}

function example(raw, depth) {
  const schema = resolve(raw);
  if (depth > 6) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.examples && schema.examples.length) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => example(part, depth + 1)));
  const options = alternatives(schema);
  if (options.length) return example(options[0], depth + 1);
  const type = [].concat(schema.type || []).find((name) => name !== "null");
  if (schema.properties) {
    const out = {};
    for (const [name, property] of Object.entries(schema.properties)) out[name] = example(property, depth + 1);
    return out;
  }
  if (type === "array") return [example(schema.items || {}, depth + 1)];
  if (type === "string") return "text";
  if (type === "integer" || type === "number") return 1;
  if (type === "boolean") return true;
  return type === "object" ? {} : null;
}

function fieldTable(raw) {
  let schema = resolve(raw);
  let prefix = "";
  if ([].concat(schema.type || []).includes("array")) {
    schema = resolve(schema.items);
    prefix = "[].";
  }
  const properties = Object.entries(schema.properties || {});
  if (!properties.length) return element("p", {}, typeName(raw));
  const rows = properties.map(([name, property]) => {
    const required = (schema.required || []).includes(name) ? " (required)" : "";
    const text = property.description || resolve(property).description || "";
    return element("tr", {}, element("td", {}, element("code", {}, prefix + name)), element("td", {}, typeName(property) + required), element("td", {}, text));
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function jsonOf(content) {
  const media = Object.keys(content || {}).find((type) => type.includes("json"));
  return media ? content[media].schema : null;
}

function responses(operation) {
  const rows = [];
  for (const [status, raw] of Object.entries(operation.responses || {})) {
    const response = resolve(raw);
    rows.push(element("h3", {}, status + " "), element("p", { class: "text" }, response.description || ""));
    const schema = jsonOf(response.content);
    if (schema && status.startsWith("2")) rows.push(fieldTable(schema));
  }
  return element("div", {}, ...rows);
}

function tryIt(method, path, operation, parameters) {
  const form = element("form", { autocomplete: "off" });
  const inputs = [];
  for (const parameter of parameters.filter((one) => one.in !== "header")) {
    const input = element("input", { spellcheck: "false", "data-in": parameter.in, name: parameter.name });
    inputs.push(input);
    form.append(element("label", {}, parameter.name + (parameter.required ? " (required)" : ""), input));
  }
  const schema = operation.requestBody ? jsonOf(resolve(operation.requestBody).content) : null;
  const body = element("textarea", { spellcheck: "false", "aria-label": "Body" });
  if (schema) {
    body.value = JSON.stringify(example(schema, 0), null, 2);
    form.append(element("label", {}, "Body", body));
  }
  const output = element("pre", { role: "status" });
  output.hidden = true;
  form.append(element("button", { type: "submit" }, "Send"), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = "…";
    output.textContent = await send(method, path, inputs, schema ? body.value : null);
  });
  return form;
}

async function send(method, path, inputs, body) {
  let url = path;
  const query = new URLSearchParams();
  for (const input of inputs) {
    if (input.dataset.in === "path") url = url.replace("{" + input.name + "}", encodeURIComponent(input.value));
    else if (input.value !== "") query.append(input.name, input.value);
  }
  const headers = {};
  const token = document.getElementById("token").value.trim();
  const organization = document.getElementById("organization").value.trim();
  if (token) headers.Authorization = "Bearer " + token;
  if (organization) headers["Tollbook-Organization"] = organization;
  if (body !== null) headers["Content-Type"] = "application/json";
  const text = query.toString();
  try {
    const answer = await fetch(url + (text ? "?" + text : ""), { method: method.toUpperCase(), headers, body, credentials: "omit" });
    const raw = await answer.text();
    // shown as it came: parsing would pass the amounts through a float
    return answer.status + " " + answer.statusText + "\n\n" + raw;
  } catch (error) {
    return "The request could not be sent: " + error.message;
  }
}

function operationBlock(method, path, operation) {
  const parameters = (operation.parameters || []).map(resolve);
  const summary = element("summary", {}, element("span", { class: "method " + method }, method.toUpperCase()), element("span", { class: "path" }, path), element("span", { class: "summary" }, operation.summary || ""));
  const block = element("details", { class: "operation", id: operation.operationId || "", "data-path": path }, summary);
  // filled when opened: the whole document at once would be slow
  block.addEventListener("toggle", () => {
    if (!block.open || block.childElementCount > 1) return;
    const inside = element("div", {}, element("p", { class: "text" }, operation.description || ""));
    if (parameters.length) {
      const rows = parameters.map((one) => element("tr", {}, element("td", {}, element("code", {}, one.name)), element("td", {}, one.in + (one.required ? ", required" : "")), element("td", {}, typeName(one.schema || {})), element("td", {}, one.description || "")));
      inside.append(element("h3", {}, "Parameters"), element("table", {}, element("tbody", {}, ...rows)));
    }
    const schema = operation.requestBody ? jsonOf(resolve(operation.requestBody).content) : null;
    if (schema) inside.append(element("h3", {}, "Body"), fieldTable(schema));
    inside.append(element("h3", {}, "Try it"), tryIt(method, path, operation, parameters), responses(operation));
    block.append(inside);
  });
  return block;
}

function show() {
  const wanted = document.getElementById("find").value.trim().toLowerCase();
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      const haystack = [method, path, operation.summary, operation.description].join(" ").toLowerCase();
      if (wanted && !haystack.includes(wanted)) continue;
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationBlock(method, path, operation));
    }
  }
  // most who read this write for a customer or a platform; what only operators need comes after it
  const late = ([, blocks]) => Number(blocks.some((block) => block.dataset.path.startsWith("/api/v1/admin/")));
  const sections = [...groups].sort((one, other) => late(one) - late(other)).map(([tag, blocks]) => element("section", {}, element("h2", {}, tag), ...blocks));
  document.getElementById("operations").replaceChildren(...(sections.length ? sections : [element("p", {}, "Nothing found.")]));
}

async function start() {
  const main = document.getElementById("operations");
  try {
    spec = await (await fetch("/openapi.json", { credentials: "omit" })).json();
  } catch (error) {
    main.textContent = "The document could not be loaded: " + error.message;
    return;
  }
  document.getElementById("find").addEventListener("input", show);
  document.getElementById("credentials").addEventListener("submit", (event) => event.preventDefault());
  show();
}

start();
