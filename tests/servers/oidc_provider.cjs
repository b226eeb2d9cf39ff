// An OpenID provider on 127.0.0.1 whose access tokens are JWTs for one audience.
//
// Usage: oidc_provider.cjs PORT [LIFETIME [AUDIENCE]], the lifetime of access tokens in
// seconds; those of the client `hasty` last for one. Needs Node.js 20.19 or later.

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
    clients: [client("tests"), client("hasty")],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }] },
    ttl: {
      ClientCredentials: (_, __, { clientId }) => (clientId === "hasty" ? 1 : lifetime),
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        // Clients need not name the audience.
        defaultResource: () => audience,
        getResourceServerInfo(_, resource) {
          if (resource !== audience) {
            throw new errors.InvalidTarget();
          }
          return {
            audience,
            scope: "read write",
            accessTokenFormat: "jwt",
            accessTokenTTL: lifetime,
            jwt: { sign: { alg: "RS256" } },
          };
        },
      },
    },
  };
}

async function main(port, lifetime = "3600", audience = "https://api.example.com") {
  // An ES module: not every Node.js can require one, and `import` alone does not know NODE_PATH.
  const { Provider, errors } = await import(pathToFileURL(require.resolve("oidc-provider")));
  const settings = configuration(errors, audience, Number(lifetime));
  const provider = new Provider(`http://127.0.0.1:${port}`, settings);
  provider.listen(Number(port), "127.0.0.1");
}

main(...process.argv.slice(2));
