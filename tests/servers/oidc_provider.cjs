// An OpenID provider on 127.0.0.1, for one audience and with one user, alice.
//
// Usage: oidc_provider.cjs PORT [LIFETIME [AUDIENCE]], the lifetime of access tokens in
// seconds. Needs Node.js 20.19 or later. GET /resource takes access tokens that are opaque.
//
// For client_credentials there are the clients `tests`; `hasty`, whose tokens last for a second;
// `revocable`, whose tokens are opaque and can be revoked; `post` and `basic`, which take their secret
// in one way only; and those in the file $OIDC_CLIENT_KEYS, which client_keys.cjs writes. `exchange`
// exchanges tokens. Through the public `cli` and through `web` alice signs in, with a browser or a
// device: their tokens are opaque, and each refresh token works once.
// What tests can do without a browser is in oidc_hooks.cjs.

const { readFileSync } = require("node:fs");
const { generateKeyPairSync } = require("node:crypto");
const { pathToFileURL } = require("node:url");
const { ALICE, grantAll, hooks, paced } = require("./oidc_hooks.cjs");

// With characters that mean something in a form, in a URL and in Basic authorization.
const SECRET = "s3cr%t +/:=&?";

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

// Clients whose secret may come in the header or in the form, which is what the provider does with all.
const EITHER_WAY = ["tests", "hasty", "revocable"];
const OPAQUE = ["revocable", "exchange", "cli", "web"];

function clients() {
  const machine = (id, more) => ({
    client_id: id,
    client_secret: SECRET,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    ...more,
  });
  const signer = ([id, jwks]) => ({
    ...machine(id, { client_secret: undefined, jwks }),
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: jwks.keys[0].alg,
  });
  const signIn = (id, more) => ({
    client_id: id,
    grant_types: ["authorization_code", "refresh_token", DEVICE_CODE],
    response_types: ["code"],
    ...more,
  });
  const keys = process.env.OIDC_CLIENT_KEYS;
  return [
    ...EITHER_WAY.map((id) => machine(id)),
    machine("post", { token_endpoint_auth_method: "client_secret_post" }),
    machine("basic"),
    machine("exchange", { grant_types: [TOKEN_EXCHANGE] }),
    ...Object.entries(keys ? JSON.parse(readFileSync(keys, "utf8")) : {}).map(signer),
    signIn("cli", {
      application_type: "native",
      // At any port.
      redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback"],
      token_endpoint_auth_method: "none",
    }),
    signIn("web", {
      client_secret: SECRET,
      redirect_uris: ["https://app.example.com/callback"],
    }),
  ];
}

function configuration(errors, audience, lifetime) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    clients: clients(),
    enabledJWA: {
      // What there is anyway, and ES384.
      clientAuthSigningAlgValues: "HS256 RS256 PS256 ES256 ES384 Ed25519 EdDSA".split(" "),
    },
    findAccount: (_, id) => (id === ALICE ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }] },
    pkce: { required: () => true },
    // Also for `web`, where the provider would wait until most of the lifetime is over.
    rotateRefreshToken: true,
    ttl: {
      AccessToken: lifetime,
      ClientCredentials: (_, __, { clientId }) => (clientId === "hasty" ? 1 : lifetime),
    },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Clients need not name the audience.
        defaultResource: () => audience,
        // Nor again when they have a code; `openid` would make it a token for the provider otherwise.
        useGrantedResource: () => true,
        getResourceServerInfo(_, resource, { clientId }) {
          if (resource !== audience) {
            throw new errors.InvalidTarget();
          }
          return {
            audience,
            scope: "read write",
            accessTokenFormat: OPAQUE.includes(clientId) ? "opaque" : "jwt",
            accessTokenTTL: lifetime,
            jwt: { sign: { alg: "RS256" } },
          };
        },
      },
    },
  };
}

function eachInItsWay(provider, context) {
  const { compareClientSecret } = provider.Client.prototype;
  provider.Client.prototype.compareClientSecret = function (secret) {
    const { authorization } = context().headers;
    const way = authorization === undefined ? "client_secret_post" : "client_secret_basic";
    const right = EITHER_WAY.includes(this.clientId) || this.clientAuthMethod === way;
    return right && compareClientSecret.call(this, secret);
  };
}

// The grant of RFC 8693 is ours, for the provider does not serve it. Who the client is, whether a token
// lives and how one is made is the provider's.
function exchange(provider, errors, audience, { getResourceServerInfo }) {
  const { AccessToken, ClientCredentials, ResourceServer } = provider;
  const demand = (holds, otherwise) => {
    if (!holds) {
      throw new errors.InvalidRequest(otherwise);
    }
  };
  const serve = async (ctx) => {
    const { client, params } = ctx.oidc;
    const wanted = params.requested_token_type ?? ACCESS_TOKEN;
    demand(params.subject_token_type === ACCESS_TOKEN, "subject_token_type is not supported");
    demand(wanted === ACCESS_TOKEN, "requested_token_type is not supported");
    demand(params.actor_token === undefined, "actor_token is not supported");
    const subject =
      (await AccessToken.find(params.subject_token)) ??
      (await ClientCredentials.find(params.subject_token));
    demand(subject?.isValid, "subject_token is not valid");

    const targets = [params.audience, params.resource].flat().filter(Boolean);
    for (const target of targets) {
      getResourceServerInfo(ctx, target, client);
    }
    const scope = params.scope ?? subject.scope;
    if (scope?.split(" ").some((one) => !subject.scopes.has(one))) {
      throw new errors.InvalidScope("the subject token has less", scope);
    }

    // Alice's stays hers, with a family of its own.
    const { accountId } = subject;
    const token = new (accountId ? AccessToken : ClientCredentials)({
      accountId,
      client,
      grantId: accountId && (await grantAll(provider, client.clientId, audience)),
      gty: "token-exchange",
      scope,
    });
    token.resourceServer = new ResourceServer(audience, getResourceServerInfo(ctx, audience, client));
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: token.tokenType,
      expires_in: token.expiration,
      scope: token.scope,
    };
  };
  const types = ["subject_token_type", "requested_token_type", "actor_token_type"];
  const parameters = ["subject_token", "actor_token", "audience", "resource", "scope", ...types];
  provider.registerGrantType(TOKEN_EXCHANGE, serve, parameters, ["audience", "resource"]);
}

// Something that takes tokens which the provider still knows.
function resource(provider) {
  const { AccessToken, ClientCredentials } = provider;
  return async (ctx, next) => {
    if (ctx.path !== "/resource") {
      return next();
    }
    const [, token] = /^Bearer (\S+)$/.exec(ctx.get("authorization")) ?? [];
    const found = (await ClientCredentials.find(token)) ?? (await AccessToken.find(token));
    // The provider finds expired ones for some seconds more.
    if (found?.isValid) {
      ctx.body = { ok: true };
    } else {
      ctx.status = 401;
      ctx.set("WWW-Authenticate", 'Bearer error="invalid_token"');
    }
  };
}

async function main(port, lifetime = "3600", audience = "https://api.example.com") {
  // An ES module: not every Node.js can require one, and `import` alone does not know NODE_PATH.
  const { Provider, errors } = await import(pathToFileURL(require.resolve("oidc-provider")));
  const settings = configuration(errors, audience, Number(lifetime));
  const provider = new Provider(`http://127.0.0.1:${port}`, settings);
  const context = () => Provider.ctx;
  eachInItsWay(provider, context);
  exchange(provider, errors, audience, settings.features.resourceIndicators);
  paced(provider, errors, context);
  provider.use(resource(provider));
  provider.use(hooks(provider, audience));
  provider.listen(Number(port), "127.0.0.1");
}

main(...process.argv.slice(2));
