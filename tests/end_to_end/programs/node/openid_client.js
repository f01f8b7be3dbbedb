// openid-client: node openid_client.js '{"issuer": ..., "ca": ..., "certificate": ..., "key": ..., ...}'
import { browser, doing, say, told, version } from "./telling.js";
// ---- connect
import { readFileSync } from "node:fs";
import * as client from "openid-client";
import * as undici from "undici";

/** A fetch that presents a certificate. */
function presenting({ certificate, key, ca }) {
  const [cert, own, trusted] = [certificate, key, ca].map((file) => readFileSync(file));
  const dispatcher = new undici.Agent({ connect: { cert, key: own, ca: trusted } });
  return (url, options) => undici.fetch(url, { ...options, dispatcher });
}

function discover({ issuer, client_id }, fetch) {
  const metadata = { use_mtls_endpoint_aliases: true };
  return client.discovery(new URL(issuer), client_id, metadata, client.TlsClientAuth(), {
    algorithm: "oauth2",
    [client.customFetch]: fetch,
  });
}
// ---- client_credentials
function clientCredentials(config) {
  return client.clientCredentialsGrant(config, { scope: "invoices:read" });
}
// ---- code
async function code(config, redirect_uri, browser) {
  const code_verifier = client.randomPKCECodeVerifier();
  const code_challenge = await client.calculatePKCECodeChallenge(code_verifier);
  const state = client.randomState();
  const url = await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri,
    scope: "invoices:read",
    state,
    code_challenge,
    code_challenge_method: "S256",
  });
  const back = await browser(url);
  return client.authorizationCodeGrant(config, back, { pkceCodeVerifier: code_verifier, expectedState: state });
}
// ---- refresh
function refresh(config, tokens) {
  return client.refreshTokenGrant(config, tokens.refresh_token);
}
// ---- introspection
function introspect(config, token) {
  return client.tokenIntrospection(config, token);
}
// ---- revocation
function revoke(config, token) {
  return client.tokenRevocation(config, token);
}
// ---- registration
function register(issuer, metadata, fetch) {
  const all = { ...metadata, use_mtls_endpoint_aliases: true };
  return client.dynamicClientRegistration(new URL(issuer), all, client.TlsClientAuth(), {
    algorithm: "oauth2",
    initialAccessToken: told.initial_access_token,
    [client.customFetch]: fetch,
  });
}
// ----

say({ version: version("openid-client") });
const config = await discover(told, presenting(told));
await doing("discovery", () => config.serverMetadata());
await doing("client_credentials", () => clientCredentials(config));
const tokens = await doing("code", () => code(config, told.redirect_uri, browser));
const fresh = await doing("refresh", () => refresh(config, tokens));
const server = await discover({ ...told, ...told.resource_server }, presenting({ ...told, ...told.resource_server }));
await doing("introspection", () => introspect(server, fresh.access_token));
await doing("revocation", async () => {
  await revoke(config, fresh.access_token);
  return { access_token: fresh.access_token };
});
await doing("registration", async () => {
  const registered = await register(told.issuer, told.metadata, presenting({ ...told, ...told.registering }));
  return { ...registered.clientMetadata(), ...(await clientCredentials(registered)) };
});
