// What tests can do at oidc_provider.cjs beside what clients do. All takes and gives JSON:
//
// POST /browse {url}: alice's browser at an authorization URL. Gives `location`, where the provider
//   sent it in the end, or else `status` and `page`. Alice allows everything, unless the request
//   has login_hint=nobody; with a browser of their own, tests get the same answers.
// POST /approve {user_code}, POST /deny {user_code}: alice's browser with the code of a device.
//   Gives `approved` and `error`, which is what the device will be told.
// POST /slow {user_code}: the device's next poll is too soon. POST /expire {user_code}: all are too
//   late.
// POST /mint {client_id[, expires_in]}: gives a `refresh_token` as if alice had signed in, and the
//   `grant_id` of its family.
// GET /families: `revoked`, the grants of revoked families; `granted`, how many requests for tokens
//   succeeded by grant type; `refused`, how many failed by grant type and error.

const { json } = require("node:stream/consumers");

const ALICE = "alice";
const SCOPES = "read write";

// Seconds between two polls, and what RFC 8628 adds for who does not wait so long.
const INTERVAL = 1;
const SLOWER = 5;

// Gives the id of a new grant of everything there is. Each is a family of tokens.
async function grantAll(provider, clientId, audience) {
  const grant = new provider.Grant({ accountId: ALICE, clientId });
  grant.addOIDCScope("openid offline_access");
  grant.addResourceScope(audience, SCOPES);
  return grant.save();
}

// Says what alice says when the provider asks, in one step and without a page.
async function interact(provider, audience, { req, res }) {
  const { params } = await provider.interactionDetails(req, res);
  const result =
    params.login_hint === "nobody"
      ? { error: "access_denied", error_description: "nobody is there" }
      : {
          login: { accountId: ALICE },
          consent: { grantId: await grantAll(provider, params.client_id, audience) },
        };
  return provider.interactionResult(req, res, result);
}

// A browser that keeps cookies and stops at the first page, or where it would leave the provider.
function browser(provider) {
  const cookies = new Map();
  const browse = async (url, form) => {
    const answer = await fetch(url, {
      method: form ? "POST" : "GET",
      body: form && new URLSearchParams(form),
      headers: { Accept: "text/html", Cookie: [...cookies.values()].join("; ") },
      redirect: "manual",
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair] = cookie.split(";");
      cookies.set(pair.split("=")[0], pair);
    }
    const page = await answer.text();
    const location = answer.headers.get("location");
    if (!location) {
      return { status: answer.status, page };
    }
    const { origin, href } = new URL(location, url);
    return origin === provider.issuer ? browse(href) : { location };
  };
  return browse;
}

// Presses a button, `confirm` or `abort`, on the provider's page for codes of devices.
async function decide(provider, userCode, button) {
  const browse = browser(provider);
  const url = `${provider.issuer}/device`;
  const { page } = await browse(url);
  const [, xsrf] = /name="xsrf" value="(\w+)"/.exec(page);
  await browse(url, { xsrf, user_code: userCode, [button]: "yes" });
  const { accountId, error } = await deviceCode(provider, userCode);
  return { approved: accountId !== undefined, error };
}

async function deviceCode(provider, userCode) {
  const code = await provider.DeviceCode.findByUserCode(userCode.replace("-", ""));
  if (!code) {
    throw new Error(`no device has the code ${userCode}`);
  }
  return code;
}

// When devices may poll again, by device code.
const paces = new Map();

function pace(id) {
  paces.set(id, paces.get(id) ?? { due: 0, interval: INTERVAL });
  return paces.get(id);
}

// An interval for devices, and `slow_down` for those that do not keep it: the provider has neither.
function paced(provider, errors, context) {
  provider.on("device_authorization.success", (_, answer) => {
    answer.interval = INTERVAL;
  });
  const { DeviceCode } = provider;
  const { find } = DeviceCode;
  DeviceCode.find = async function (...args) {
    const code = await find.apply(this, args);
    const { client, route } = context()?.oidc ?? {};
    const pending = code && !code.accountId && !code.error && !code.isExpired;
    if (pending && route === "token" && client.clientId === code.clientId) {
      const its = pace(code.jti);
      const now = performance.now();
      const early = now < its.due;
      its.interval += early ? SLOWER : 0;
      its.due = now + its.interval * 1000;
      if (early) {
        throw new errors.SlowDown();
      }
    }
    return code;
  };
}

async function mint(provider, audience, clientId, expiresIn) {
  const grantId = await grantAll(provider, clientId, audience);
  const token = new provider.RefreshToken({
    accountId: ALICE,
    client: await provider.Client.find(clientId),
    expiresIn,
    grantId,
    gty: "authorization_code",
    resource: audience,
    rotations: 0,
    scope: `openid offline_access ${SCOPES}`,
  });
  return { refresh_token: await token.save(), grant_id: grantId };
}

function counted(provider) {
  const seen = { revoked: [], granted: {}, refused: {} };
  const count = (into, name) => {
    into[name] = (into[name] ?? 0) + 1;
  };
  const type = (ctx) => ctx.oidc.params?.grant_type ?? "";
  provider.on("grant.success", (ctx) => count(seen.granted, type(ctx)));
  provider.on("grant.error", (ctx, { message }) => {
    count((seen.refused[type(ctx)] ??= {}), message);
  });
  provider.on("grant.revoked", (_, id) => seen.revoked.push(id));
  // Else it would be in no log.
  provider.on("server_error", (_, error) => console.error(error));
  return seen;
}

function hooks(provider, audience) {
  const seen = counted(provider);
  const routes = {
    "GET /families": () => seen,
    "POST /browse": ({ url }) => browser(provider)(url),
    "POST /approve": ({ user_code }) => decide(provider, user_code, "confirm"),
    "POST /deny": ({ user_code }) => decide(provider, user_code, "abort"),
    "POST /slow": async ({ user_code }) => {
      pace((await deviceCode(provider, user_code)).jti).due = Infinity;
      return {};
    },
    "POST /expire": async ({ user_code }) => {
      const code = await deviceCode(provider, user_code);
      code.exp = Math.floor(Date.now() / 1000);
      await code.save();
      return {};
    },
    "POST /mint": ({ client_id, expires_in }) => mint(provider, audience, client_id, expires_in),
  };
  return async (ctx, next) => {
    const route = routes[`${ctx.method} ${ctx.path}`];
    if (route) {
      ctx.body = await route(ctx.method === "POST" ? await json(ctx.req) : undefined);
    } else if (ctx.path.startsWith("/interaction/")) {
      // Where the provider sends browsers when it has something to ask.
      ctx.redirect(await interact(provider, audience, ctx));
    } else {
      await next();
    }
  };
}

module.exports = { ALICE, grantAll, hooks, paced };
