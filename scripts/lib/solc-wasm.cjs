#!/usr/bin/env node
// The part of solc's command line that forge and static analysers use, on top of the npm
// package `solc` (the WebAssembly build):
//   solc --version
//   solc [--base-path P] [--include-path P]... [--allow-paths P[,P]...] --standard-json [FILE|-]
'use strict';

const fs = require('fs');
const path = require('path');

const manifestPath = require.resolve('solc/package.json');
const { version: release } = require(manifestPath);

function fail(message) {
  fs.writeSync(2, `solc (WebAssembly): ${message}\n`);
  process.exit(1);
}

function parseArguments(argv) {
  const options = { mode: null, input: '-', basePath: process.cwd(), includePaths: [], allowPaths: [] };
  const queue = argv.flatMap((arg) => {
    const eq = arg.indexOf('=');
    return arg.startsWith('--') && eq > 0 ? [arg.slice(0, eq), arg.slice(eq + 1)] : [arg];
  });
  const valueOf = (name) => (queue.length > 0 ? queue.shift() : fail(`${name} needs a value`));
  while (queue.length > 0) {
    const arg = queue.shift();
    if (arg === '--version') options.mode = 'version';
    else if (arg === '--standard-json') options.mode = 'standard-json';
    else if (arg === '--base-path') options.basePath = valueOf(arg) || process.cwd();
    else if (arg === '--include-path') options.includePaths.push(valueOf(arg));
    else if (arg === '--allow-paths') options.allowPaths.push(...valueOf(arg).split(',').filter(Boolean));
    else if (arg.startsWith('--')) fail(`unknown option ${arg}; only --version and --standard-json are offered`);
    else options.input = arg;
  }
  return options;
}

// The Emscripten module installs exception handlers of its own, which hide our errors.
function loadCompiler() {
  const solc = require('solc');
  process.removeAllListeners('uncaughtException');
  process.removeAllListeners('unhandledRejection');
  return solc;
}

// forge asks for the version before every command and loading the module takes most of a
// second, so the answer is kept beside the package.
function versionString() {
  const cache = path.join(path.dirname(manifestPath), `.version-${release}`);
  if (fs.existsSync(cache)) {
    const text = fs.readFileSync(cache, 'utf8');
    if (text.startsWith(`${release}+`)) return text;
  }
  const text = loadCompiler().version();
  try {
    const partial = `${cache}.${process.pid}`;
    fs.writeFileSync(partial, text);
    fs.renameSync(partial, cache);
  } catch {
    // A read-only installation is merely slower.
  }
  return text;
}

function importCallback(options) {
  const searchPath = [options.basePath, ...options.includePaths];
  const roots = [...searchPath, ...options.allowPaths].filter((p) => fs.existsSync(p)).map((p) => fs.realpathSync(p));
  const inside = (file, root) => root === path.sep || file === root || file.startsWith(root + path.sep);
  return (name) => {
    const candidates = path.isAbsolute(name) ? [name] : searchPath.map((p) => path.join(p, name));
    const found = candidates.find((p) => fs.existsSync(p));
    if (found === undefined) return { error: 'File not found.' };
    const real = fs.realpathSync(found);
    if (!roots.some((root) => inside(real, root))) return { error: 'File outside of allowed directories.' };
    return { contents: fs.readFileSync(real, 'utf8') };
  };
}

// A pipe may be non-blocking: write in pieces and wait when it is full.
function writeOut(text) {
  const bytes = Buffer.from(text, 'utf8');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  let sent = 0;
  while (sent < bytes.length) {
    try {
      sent += fs.writeSync(1, bytes, sent);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(clock, 0, 0, 2);
    }
  }
}

const options = parseArguments(process.argv.slice(2));
if (options.mode === 'version') {
  writeOut(`solc, the solidity compiler commandline interface\nVersion: ${versionString()}\n`);
} else if (options.mode === 'standard-json') {
  const input = fs.readFileSync(options.input === '-' ? 0 : options.input, 'utf8');
  writeOut(`${loadCompiler().compile(input, { import: importCallback(options) })}\n`);
} else {
  fail('pass --version or --standard-json');
}
