// Says what Amplify's own configuration parser makes of files: paths as arguments, or `{"path": …}` a
// line on standard input; a JSON object a line on standard output. `aws-amplify/utils` exports this very
// parser from the core package.

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const vm = require("node:vm");
const {
  isAmplifyOutputs,
  parseAmplifyConfig,
} = require("@aws-amplify/core/internals/utils");

// Makes a script of a module whose types, if any, are those that configuration files have.
function script(text) {
  return text
    .replace(/^\s*import\s[^;\n]*;?/gm, "")
    .replace(/^(\s*(?:export\s+)?(?:const|let|var)\s+[\w$]+)\s*:[^=\n]*=/gm, "$1 =")
    .replace(/(^|;)(\s*export\s+default\s*)<[^>\n]*>/gm, "$1$2")
    .replace(/([\w$\]})])[^\S\n]+(?:as|satisfies)\s+[^;{}"'`\n]+(?=;|\n|$)/g, "$1")
    .replace(/(^|;)\s*export\s+default\b/gm, "$1module.exports =")
    .replace(/^\s*export\s+(?=const|let|var)/gm, "");
}

function evaluate(text, file) {
  const module = { exports: {} };
  const context = { module, exports: module.exports };
  vm.runInNewContext(script(text), context, { filename: file, timeout: 5000 });
  const value = module.exports.default ?? module.exports;
  // Arrays and objects of this realm, without what JSON does not have.
  return JSON.parse(JSON.stringify(value));
}

function dart(text) {
  const literal = /=\s*r?('''|""")([^]*?)\1/.exec(text);
  if (!literal) {
    throw new Error("no triple-quoted text");
  }
  return JSON.parse(literal[2]);
}

function load(file) {
  const text = fs.readFileSync(file, "utf8");
  switch (path.extname(file)) {
    case ".json":
      return JSON.parse(text);
    case ".dart":
      return dart(text);
    default:
      return evaluate(text, file);
  }
}

// What the parser says about the kind of the file, by its own two questions.
function kind(loaded) {
  if (Object.keys(loaded).some((key) => key.startsWith("aws_"))) {
    return "legacy";
  }
  return isAmplifyOutputs(loaded) ? "outputs" : "unknown";
}

function parse(loaded) {
  const config = parseAmplifyConfig(loaded);
  const rest = loaded.custom?.API;
  // REST APIs of this generation are no business of the parser: the application adds them.
  return kind(loaded) === "outputs" && rest
    ? { ...config, API: { ...config.API, REST: rest } }
    : config;
}

// Absent and undefined are both null.
function pick(from, ...names) {
  return from ? Object.fromEntries(names.map((name) => [name, from[name] ?? null])) : null;
}

function describe(file) {
  try {
    const loaded = load(file);
    const config = parse(loaded);
    const rest = Object.entries(config.API?.REST ?? {});
    const user = config.Auth?.Cognito;
    const auth = pick(
      user,
      "userPoolId",
      "userPoolClientId",
      "identityPoolId",
      "allowGuestAccess",
    );
    return {
      path: file,
      kind: kind(loaded),
      rest: Object.fromEntries(
        rest.map(([name, api]) => [name, pick(api, "endpoint", "region", "service")]),
      ),
      graphql: pick(config.API?.GraphQL, "endpoint", "region", "defaultAuthMode", "apiKey"),
      auth: auth && {
        ...auth,
        oauth: pick(
          user.loginWith?.oauth,
          "domain",
          "scopes",
          "redirectSignIn",
          "redirectSignOut",
          "responseType",
          "providers",
        ),
      },
    };
  } catch (error) {
    return { path: file, error: `${error.name}: ${error.message}` };
  }
}

async function main(files) {
  for (const file of files) {
    console.log(JSON.stringify(describe(file)));
  }
  if (files.length === 0) {
    for await (const line of readline.createInterface({ input: process.stdin })) {
      console.log(JSON.stringify(describe(JSON.parse(line).path)));
    }
  }
}

main(process.argv.slice(2));
