// Key pairs of clients that authenticate to oidc_provider.cjs with private_key_jwt.
//
// Usage: client_keys.cjs DIR. Writes DIR/jwks.json, for $OIDC_CLIENT_KEYS, and each private key as
// PKCS#8: DIR/key-rs256.pem and so on. Some of them again in other forms: DIR/key-rs256.pkcs1.pem,
// DIR/sec1.pem, which is that of key-es256, and DIR/encrypted.pem, the same under `passphrase`.

const { generateKeyPairSync } = require("node:crypto");
const { mkdirSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const KEYS = {
  RS256: ["rsa", { modulusLength: 2048 }],
  PS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  ES384: ["ec", { namedCurve: "P-384" }],
  EdDSA: ["ed25519"],
};

function main(directory) {
  mkdirSync(directory, { recursive: true });
  const write = (name, content) => writeFileSync(path.join(directory, name), content, { mode: 0o600 });
  const pem = (key, type, more) => key.export({ format: "pem", type, ...more });
  const sets = {};
  for (const [alg, kind] of Object.entries(KEYS)) {
    const id = `key-${alg.toLowerCase()}`;
    const { privateKey, publicKey } = generateKeyPairSync(...kind);
    sets[id] = { keys: [{ ...publicKey.export({ format: "jwk" }), alg, kid: id, use: "sig" }] };
    write(`${id}.pem`, pem(privateKey, "pkcs8"));
    if (alg === "RS256") {
      write(`${id}.pkcs1.pem`, pem(privateKey, "pkcs1"));
    }
    if (alg === "ES256") {
      const passphrase = { cipher: "aes-256-cbc", passphrase: "passphrase" };
      write("sec1.pem", pem(privateKey, "sec1"));
      write("encrypted.pem", pem(privateKey, "pkcs8", passphrase));
    }
  }
  write("jwks.json", JSON.stringify(sets, null, 2));
}

main(...process.argv.slice(2));
