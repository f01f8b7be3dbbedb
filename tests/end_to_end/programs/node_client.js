// Node's https: node node_client.js '{"url": ..., "ca": ..., "cert": ..., "key": ..., "body": ..., "version": ...}'
"use strict";
const https = require("https");
const { readFileSync } = require("fs");

const told = JSON.parse(process.argv[2]);
const options = {
  method: "POST",
  agent: false,
  ca: readFileSync(told.ca),
  minVersion: `TLSv${told.version}`,
  maxVersion: `TLSv${told.version}`,
  headers: {
    "Content-Type": "application/x-www-form-urlencoded",
    "Content-Length": Buffer.byteLength(told.body),
  },
};
if (told.cert) {
  options.cert = readFileSync(told.cert);
  options.key = readFileSync(told.key);
}
const request = https.request(told.url, options, (answer) => {
  let body = "";
  answer.setEncoding("utf8");
  answer.on("data", (part) => { body += part; });
  answer.on("end", () => process.stdout.write(`${answer.statusCode}\n${body}`));
});
request.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
request.end(told.body);
