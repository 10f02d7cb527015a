// How long it takes to require Probot's adapter for Lambda, before it has seen any event.
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const begin = performance.now();
require("@probot/adapter-aws-lambda-serverless");
console.log(performance.now() - begin);
