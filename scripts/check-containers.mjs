#!/usr/bin/env node
// Compares Dockerfile, compose.yaml and the files of containers/ with each other, with the program and with its metrics:
// every command, option and variable is one of `assay`, every file that is mounted is there, every metric that an alert or
// a panel asks for is one that the relayer has. No container is started.
//
//   scripts/check-containers.mjs [ASSAY]
//
// ASSAY is the program, target/release/assay by default. Needs Node.js 20 and scripts/install-tools.sh; takes a second.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { YAMLParseError, parse } from "yaml";

const program = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, "../target/release/assay"));
process.chdir(path.join(import.meta.dirname, ".."));
if (!fs.existsSync(program)) {
  console.error(`${program} is not there; build it (cargo build --release --workspace), or name it`);
  process.exit(2);
}

const faults = [];
const fault = (file, problem) => faults.push(`${file}: ${problem}`);
const read = (file) => fs.readFileSync(file, "utf8");

/** What a file of YAML holds; an empty object where it cannot be read. */
function yaml(file) {
  try {
    // Scalars stay strings, as the comparisons below take them.
    return parse(read(file), { schema: "failsafe" });
  } catch (error) {
    if (!(error instanceof YAMLParseError) && error.code !== "ENOENT") throw error;
    fault(file, error.message);
    return {};
  }
}

const helps = new Map();
/** The help of a command, or null where there is none of this name. */
function help(words) {
  const name = words.join(" ");
  if (!helps.has(name)) {
    let text = null;
    try {
      text = execFileSync(program, [...words, "--help"], { stdio: "pipe", encoding: "utf8" });
    } catch {
      // Said where it is missed.
    }
    helps.set(name, text);
  }
  return helps.get(name);
}
const hasOption = (text, option) => new RegExp(`(^|[\\s,])${option}(?![\\w-])`, "m").test(text);
const takesValue = (text, option) => new RegExp(`(^|[\\s,])${option} <`, "m").test(text);
const hasVariable = (text, name) => new RegExp(`\\b${name}\\b`).test(text);

// Images: a tag that says a version, which is not moved as "latest" is.
function checkImage(file, image) {
  if (!/^[a-z0-9./-]+:v?\d[\w.-]*$/.test(image)) fault(file, `image ${image}: not pinned by the tag of a version`);
}

/** A command of the program with its options, those of a file that --config names included. */
function checkCommand(service, words, mounted) {
  const file = `compose.yaml, ${service}`;
  const first = words.findIndex((word) => word.startsWith("-"));
  const command = first < 0 ? words : words.slice(0, first);
  const text = help(command);
  if (command.length === 0 || text === null) {
    fault(file, `\`assay ${command.join(" ")}\` is no command`);
    return "";
  }
  for (let at = command.length; at < words.length; at += 1) {
    const [option, joined] = words[at].split(/=(.*)/s);
    if (!option.startsWith("--") || !hasOption(text, option)) {
      fault(file, `\`${words[at]}\` is no option of \`assay ${command.join(" ")}\``);
      continue;
    }
    if (!takesValue(text, option)) continue;
    const value = joined ?? words[(at += 1)];
    if (value === undefined || value.startsWith("--")) fault(file, `${option} lacks its value`);
    if (option === "--config") checkOptions(mounted.get(value), value, text);
  }
  return text;
}

/** Keys of a file of options. */
function checkOptions(file, place, text) {
  if (file === undefined) {
    fault("compose.yaml", `nothing is mounted at ${place}, which --config names`);
    return;
  }
  if (!fs.existsSync(file)) return; // Said where it is mounted.
  for (const line of read(file).split("\n")) {
    const key = line.match(/^\s*([\w-]+)\s*=/)?.[1];
    if (key !== undefined && !hasOption(text, `--${key}`)) fault(file, `\`${key}\` is no option`);
  }
}

// The user's own files, which docs/containers.md says how to make.
const OWN = ["./seller", "./seller.key"];

const compose = yaml("compose.yaml");
const services = compose.services ?? {};
for (const [name, service] of Object.entries(services)) {
  const file = `compose.yaml, ${name}`;
  const isOurs = service.image === "assay";
  if (!isOurs) checkImage(file, service.image ?? "");
  const mounted = new Map();
  for (const volume of service.volumes ?? []) {
    const [from, to] = volume.split(":");
    mounted.set(to, from);
    const isNamed = !from.startsWith(".");
    if (isNamed && !(from in (compose.volumes ?? {}))) fault(file, `volume ${from} is not declared`);
    if (!isNamed && !OWN.includes(from) && !fs.existsSync(from)) fault(file, `${from} is not there`);
  }
  for (const secret of service.secrets ?? []) {
    if (!(secret in (compose.secrets ?? {}))) fault(file, `secret ${secret} is not declared`);
  }
  for (const [other, { condition } = {}] of Object.entries(service.depends_on ?? {})) {
    if (!(other in services)) fault(file, `depends on ${other}, which is no service`);
    if (condition === "service_healthy" && !services[other]?.healthcheck) fault(file, `${other} has no health check`);
  }
  for (const port of service.ports ?? []) {
    if (!port.startsWith("127.0.0.1:")) fault(file, `port ${port} is published to other machines`);
  }
  if (!isOurs) continue;
  const text = checkCommand(name, service.command ?? [], mounted);
  for (const variable of Object.keys(service.environment ?? {})) {
    if (!hasVariable(text, variable)) fault(file, `${variable} is no variable of this command`);
  }
  const tests = service.healthcheck?.test ?? [];
  const port = tests.join(" ").match(/\/dev\/tcp\/127\.0\.0\.1\/(\d+)/)?.[1];
  if (tests.length > 0 && port !== statusPort(mounted)) fault(file, `the health check asks port ${port}`);
}
for (const [name, secret] of Object.entries(compose.secrets ?? {})) {
  if (!OWN.includes(secret.file)) fault("compose.yaml", `secret ${name}: ${secret.file} is not described`);
}
if (Object.values(services).filter((service) => service.image === "assay" && service.secrets).length !== 1) {
  fault("compose.yaml", "one service, and no worker, has the key that signs");
}

/** The port at which the node of a file of options answers. */
function statusPort(mounted) {
  const file = mounted.get("/etc/assay/relayer.toml");
  return file && fs.existsSync(file) ? read(file).match(/^status-address = ".*:(\d+)"/m)?.[1] : undefined;
}

// The Dockerfile.
const dockerfile = read("Dockerfile").replace(/\\\n/g, " ").split("\n");
const stages = [];
let user = null;
for (const line of dockerfile) {
  const [, word, rest = ""] = line.match(/^([A-Z]+)\s+(.*)$/) ?? [];
  if (word === "FROM") {
    const [image, , stage] = rest.split(/\s+/);
    checkImage("Dockerfile", image);
    stages.push({ image, stage });
    user = null;
  } else if (word === "USER") {
    user = rest.trim();
  } else if (word === "COPY") {
    const from = rest.match(/--from=(\S+)/)?.[1];
    if (from && !stages.some(({ stage }) => stage === from)) fault("Dockerfile", `no stage ${from}`);
  }
}
if (!/^[1-9]\d*:[1-9]\d*$/.test(user ?? "")) fault("Dockerfile", `its last user is ${user}, not a number other than 0`);
const toolchain = read("rust-toolchain.toml").match(/channel = "([^"]+)"/)[1];
if (!stages[0]?.image.startsWith(`rust:${toolchain}-`)) fault("Dockerfile", `not built with Rust ${toolchain}`);
const solc = JSON.parse(read("package.json")).devDependencies.solc;
if (!stages.some(({ image }) => image.endsWith(`/solc:${solc}`))) fault("Dockerfile", `no Solidity compiler ${solc}`);
const ignored = read(".dockerignore").split("\n");
for (const secret of [".git", ".env", "/seller", "**/*.key", "**/*.bundle"]) {
  if (!ignored.includes(secret)) fault(".dockerignore", `${secret} would come into the image's layers`);
}

// What Prometheus and the dashboard ask for.
const source = read("relayer/src/metrics.rs").split("#[cfg(test)]")[0];
const metrics = new Set();
for (const [, name] of source.matchAll(/page\.(?:gauge|value)\(\s*"([a-z_]+)"/g)) metrics.add(`assay_relayer_${name}`);
function checkMetrics(file, query) {
  for (const [name] of query.matchAll(/\bassay_\w+/g)) {
    if (!metrics.has(name)) fault(file, `the relayer has no metric ${name}`);
  }
}
const rules = yaml("containers/alerts.yml").groups ?? [];
for (const { rules: alerts } of rules) for (const { expr } of alerts) checkMetrics("containers/alerts.yml", expr);
const dashboard = "containers/grafana/dashboard.json";
let panels = [];
try {
  ({ panels } = JSON.parse(read(dashboard)));
} catch (error) {
  fault(dashboard, error.message);
}
for (const { targets } of panels) for (const { expr } of targets) checkMetrics(dashboard, expr);

const prometheus = yaml("containers/prometheus.yml");
const targets = (prometheus.scrape_configs ?? []).flatMap(({ static_configs }) => static_configs).flatMap(({ targets }) => targets);
for (const target of targets) {
  const [host, port] = target.split(":");
  const volumes = (services[host]?.volumes ?? []).map((volume) => volume.split(":"));
  const found = statusPort(new Map(volumes.map(([from, to]) => [to, from])));
  if (port !== found) fault("containers/prometheus.yml", `${target}: ${host} answers at port ${found}`);
}
for (const file of prometheus.rule_files ?? []) {
  const volumes = services.prometheus?.volumes ?? [];
  if (!volumes.some((volume) => volume.split(":")[1] === file)) fault("containers/prometheus.yml", `${file} is not mounted`);
}
yaml("containers/grafana/datasources.yml");
yaml("containers/grafana/dashboards.yml");

for (const one of faults) console.error(one);
const asked = [...helps.keys()].map((name) => `\`${name}\``).join(", ");
console.log(
  `${Object.keys(services).length} services, ${stages.length} stages, ${metrics.size} metrics, ${panels.length} panels; commands ${asked}: ${faults.length} faults`,
);
process.exit(faults.length === 0 ? 0 : 1);
