// Builds the bundle that the package holds. React and its router are the host's: Airflow's UI sets them on globalThis.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const HOST = {
  react: "React",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-router-dom": "ReactRouterDOM",
};
const BUNDLE = process.argv[2] ?? "../../airflow_connect/plugins/static/contacts.js";

// The same digest as in tests/plugins/test_bundle.py, so that a bundle of other sources is found without npm.
const sources = ["build.mjs", "package.json", ...readdirSync("src").map((name) => `src/${name}`)].sort();
const digest = createHash("sha256");
for (const name of sources) {
  digest.update(name).update("\0").update(readFileSync(name)).update("\0");
}

const hostModules = {
  name: "host-modules",
  setup(build) {
    build.onResolve({ filter: /^react/ }, ({ path }) => ({ path, namespace: "host" }));
    build.onLoad({ filter: /.*/, namespace: "host" }, ({ path }) => ({
      contents: `module.exports = globalThis.${HOST[path]};`,
    }));
  },
};

const { outputFiles } = await build({
  entryPoints: ["src/main.tsx"],
  banner: { js: `/*! airflow-provider-amazon-connect, Apache-2.0. Built from tools/ui/, sources ${digest.digest("hex")} */` },
  bundle: true,
  charset: "ascii",
  format: "iife",
  jsx: "automatic",
  legalComments: "none",
  loader: { ".css": "text" },
  minify: true,
  plugins: [hostModules],
  target: "es2022",
  write: false,
});
writeFileSync(BUNDLE, outputFiles[0].contents);
console.log(`${BUNDLE}: ${(outputFiles[0].contents.length / 1024).toFixed(1)} KiB`);
