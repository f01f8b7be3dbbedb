// oauth4webapi: node oauth4webapi.js '{"issuer": ..., "ca": ..., "certificate": ..., "key": ..., ...}'
import { browser, doing, say, told, version } from "./telling.js";
// ---- connect
import { readFileSync } from "node:fs";
import * as oauth from "oauth4webapi";
import * as undici from "undici";

/** Options of the library with which a certificate is presented. */
function presenting({ certificate, key, ca }) {
  const [cert, own, trusted] = [certificate, key, ca].map((file) => readFileSync(file));
  const dispatcher = new undici.Agent({ connect: { cert, key: own, ca: trusted } });
  return { [oauth.customFetch]: (url, options) => undici.fetch(url, { ...options, dispatcher }) };
}

async function discover(issuer, options) {
  const answer = await oauth.discoveryRequest(new URL(issuer), { ...options, algorithm: "oauth2" });
  return oauth.processDiscoveryResponse(new URL(issuer), answer);
}

const clientAuth = oauth.TlsClientAuth();
const known = (client_id) => ({ client_id, use_mtls_endpoint_aliases: true });
// ---- client_credentials
async function clientCredentials(as, client, options) {
  const answer = await oauth.clientCredentialsGrantRequest(as, client, clientAuth, { scope: "invoices:read" }, options);
  return oauth.processClientCredentialsResponse(as, client, answer);
}
// ---- code
async function code(as, client, redirect_uri, browser, options) {
  const code_verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const request = {
    response_type: "code",
    redirect_uri,
    scope: "invoices:read",
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(code_verifier),
    code_challenge_method: "S256",
  };
  const pushed = await oauth.pushedAuthorizationRequest(as, client, clientAuth, request, options);
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, pushed);
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri });
  const back = oauth.validateAuthResponse(as, client, await browser(url), state);
  const answer = await oauth.authorizationCodeGrantRequest(
    as, client, clientAuth, back, redirect_uri, code_verifier, options,
  );
  return oauth.processAuthorizationCodeResponse(as, client, answer);
}
// ---- refresh
async function refresh(as, client, tokens, options) {
  const answer = await oauth.refreshTokenGrantRequest(as, client, clientAuth, tokens.refresh_token, options);
  return oauth.processRefreshTokenResponse(as, client, answer);
}
// ---- introspection
async function introspect(as, client, token, options) {
  const answer = await oauth.introspectionRequest(as, client, clientAuth, token, options);
  return oauth.processIntrospectionResponse(as, client, answer);
}
// ---- revocation
async function revoke(as, client, token, options) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, clientAuth, token, options));
}
// ---- registration
async function register(as, metadata, initialAccessToken, options) {
  const all = { ...metadata, use_mtls_endpoint_aliases: true };
  const answer = await oauth.dynamicClientRegistrationRequest(as, all, { ...options, initialAccessToken });
  return oauth.processDynamicClientRegistrationResponse(answer);
}
// ----

say({ version: version("oauth4webapi") });
const [options, client] = [presenting(told), known(told.client_id)];
const as = await doing("discovery", () => discover(told.issuer, options));
await doing("client_credentials", () => clientCredentials(as, client, options));
const tokens = await doing("code", () => code(as, client, told.redirect_uri, browser, options));
const fresh = await doing("refresh", () => refresh(as, client, tokens, options));
const server = told.resource_server;
await doing("introspection", () => {
  return introspect(as, known(server.client_id), fresh.access_token, presenting({ ...told, ...server }));
});
await doing("revocation", async () => {
  await revoke(as, client, fresh.access_token, options);
  return { access_token: fresh.access_token };
});
await doing("registration", async () => {
  const own = presenting({ ...told, ...told.registering });
  const registered = await register(as, told.metadata, told.initial_access_token, own);
  return { ...registered, ...(await clientCredentials(as, registered, own)) };
});
