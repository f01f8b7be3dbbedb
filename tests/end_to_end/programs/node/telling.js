// How the programs here speak with whoever has started them: a line of JSON for each thing that they have done.
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

globalThis.crypto ??= webcrypto; // Node 18 has it, but not there

/** What a program is told: {issuer, ca, certificate, key, client_id, redirect_uri, ...} */
export const told = JSON.parse(process.argv[2]);

export const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/** The version of a package. */
export const version = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;

/** Have whoever started us be the browser. The URL that it was sent back to. */
export async function browser(url) {
  say({ open: url.href });
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdin.destroy(); // or it would keep this program alive
    return new URL(line);
  }
  throw new Error("nobody came back");
}

/** Do something, and tell what came of it. */
export async function doing(flow, action) {
  try {
    const result = await action();
    say({ did: flow, ...result });
    return result;
  } catch (error) {
    const { message, body } = error.cause ?? {}; // what the server said, or what the library did not like
    say({ did: flow, failed: `${error.stack}\n${message} ${JSON.stringify(body)}` });
    process.exit(1);
  }
}
