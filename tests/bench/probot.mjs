// Probot that checks the signature, hands the event to a handler, and inserts it into SQLite before it answers.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { pathToFileURL } from "node:url";

const [prefix, state, port, secret] = process.argv.slice(2);
const require = createRequire(`${prefix}/`);
const { Probot, createNodeMiddleware } = await import(pathToFileURL(require.resolve("probot")));

function openDatabase(path) {
  try {
    return new (require("better-sqlite3"))(path);
  } catch {
    return new (require("node:sqlite").DatabaseSync)(path);
  }
}

const database = openDatabase(`${state}/probot.db`);
database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
database.exec("CREATE TABLE deliveries (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID");
const insert = database.prepare("INSERT INTO deliveries VALUES (?, ?) ON CONFLICT DO NOTHING");
const app = (robot) => {
  robot.on("issues.labeled", async (context) => {
    insert.run(context.id, JSON.stringify(context.payload));
  });
};
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "pkcs1", format: "pem" },
});
const probot = new Probot({ appId: 1, privateKey, secret, logLevel: "error" });
const middleware = await createNodeMiddleware(app, { probot, webhooksPath: "/webhook" });
const server = createServer((request, response) => middleware(request, response, () => response.writeHead(404).end()));
server.listen(Number(port), "127.0.0.1");
