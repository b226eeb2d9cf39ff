// An OpenID provider on 127.0.0.1 whose access tokens are JWTs for one audience.
//
// Usage: oidc_provider.cjs PORT [LIFETIME [AUDIENCE]], the lifetime of access tokens in
// seconds; those of the client `hasty` last for one. Those of the client `revocable` are opaque, can be
// revoked, and are what GET /resource takes. Needs Node.js 20.19 or later.

const { generateKeyPairSync } = require("node:crypto");
const { pathToFileURL } = require("node:url");

// With characters that mean something in a form, in a URL and in Basic authorization.
const SECRET = "s3cr%t +/:=&?";

function configuration(errors, audience, lifetime) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const client = (id) => ({
    // Takes the secret in the form as well.
    client_id: id,
    client_secret: SECRET,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  return {
    clients: [client("tests"), client("hasty"), client("revocable")],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }] },
    ttl: {
      ClientCredentials: (_, __, { clientId }) => (clientId === "hasty" ? 1 : lifetime),
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Clients need not name the audience.
        defaultResource: () => audience,
        getResourceServerInfo(_, resource, { clientId }) {
          if (resource !== audience) {
            throw new errors.InvalidTarget();
          }
          return {
            audience,
            scope: "read write",
            accessTokenFormat: clientId === "revocable" ? "opaque" : "jwt",
            accessTokenTTL: lifetime,
            jwt: { sign: { alg: "RS256" } },
          };
        },
      },
    },
  };
}

// Something that takes tokens which the provider still knows.
function resource(provider) {
  return async (ctx, next) => {
    if (ctx.path !== "/resource") {
      return next();
    }
    const [, token] = /^Bearer (\S+)$/.exec(ctx.get("authorization")) ?? [];
    if (await provider.ClientCredentials.find(token)) {
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
  provider.use(resource(provider));
  provider.listen(Number(port), "127.0.0.1");
}

main(...process.argv.slice(2));
