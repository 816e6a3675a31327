// Bundles the page's libraries into ../wwwroot/vendor, and axe for the tests. Run it by scripts/bundle.cs; what it writes is committed, so that no build
// needs npm.
//
//   node bundle.mjs [ROOT]     ROOT is where src and tests are; by default this repository

import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const root = resolve(process.argv[2] ?? join(here, "../../.."));
const vendor = join(root, "src/OnnxVlm.Server/wwwroot/vendor");
const tests = join(root, "tests/OnnxVlm.Page.Tests/vendor");
const modules = join(here, "node_modules");

await rm(vendor, { recursive: true, force: true });
await rm(tests, { recursive: true, force: true });

// ---- with every page: Markdown, highlighting, cleaning

await bundle("text.mjs", "text.js");

// ---- LaTeX, when the first formula is shown: fonts only as woff2, which every browser of the last ten years reads

await bundle("katex", "katex/katex.js");
const css = await readFile(join(modules, "katex/dist/katex.min.css"), "utf8");
await write("katex/katex.css", css.replace(/,url\([^)]+\.(?:woff|ttf)\) format\("[^"]+"\)/g, ""));
for (const font of await readdir(join(modules, "katex/dist/fonts"))) if (font.endsWith(".woff2")) await copy(`katex/dist/fonts/${font}`, `katex/fonts/${font}`);

// ---- PDF, when the first one is attached: the build for older browsers too, decoders without WebAssembly (which the content security policy forbids),
// tables for Asian texts, the standard fonts

for (const file of ["pdf", "pdf.worker"]) await copy(`pdfjs-dist/legacy/build/${file}.min.mjs`, `pdf/${file}.js`);
for (const file of ["jbig2_nowasm_fallback.js", "openjpeg_nowasm_fallback.js"]) await copy(`pdfjs-dist/wasm/${file}`, `pdf/wasm/${file}`);
for (const folder of ["cmaps", "standard_fonts"]) {
    for (const file of await readdir(join(modules, "pdfjs-dist", folder))) if (!file.startsWith("LICENSE")) await copy(`pdfjs-dist/${folder}/${file}`, `pdf/${folder}/${file}`);
}

// ---- licences

const licences = [
    ["dompurify", "LICENSE"], ["entities", "LICENSE"], ["highlight.js", "LICENSE"], ["katex", "LICENSE"], ["linkify-it", "LICENSE"], ["markdown-it", "LICENSE"], ["mdurl", "LICENSE"],
    ["pdfjs-dist", "LICENSE"], ["pdfjs-dist", "cmaps/LICENSE"], ["pdfjs-dist", "standard_fonts/LICENSE_FOXIT"], ["pdfjs-dist", "standard_fonts/LICENSE_LIBERATION"],
    ["pdfjs-dist", "wasm/LICENSE_JBIG2"], ["pdfjs-dist", "wasm/LICENSE_PDFJS_JBIG2"], ["pdfjs-dist", "wasm/LICENSE_OPENJPEG"], ["pdfjs-dist", "wasm/LICENSE_PDFJS_OPENJPEG"],
    ["punycode.js", "LICENSE-MIT.txt"], ["uc.micro", "LICENSE.txt"],
];
const texts = await Promise.all(licences.map(async ([name, file]) => {
    const { version, license } = JSON.parse(await readFile(join(modules, name, "package.json"), "utf8"));
    return `${name} ${version} (${license}), ${file}\n\n${(await readFile(join(modules, name, file), "utf8")).replaceAll("\r\n", "\n").trim()}\n`;
}));
await write("LICENSES.txt", ["The page's libraries and their licences. Written by bundle.mjs.\n", ...texts].join(`\n${"-".repeat(80)}\n\n`));

// ---- for the tests only

await mkdir(tests, { recursive: true });
await cp(join(modules, "axe-core/axe.min.js"), join(tests, "axe.js"));
await cp(join(modules, "axe-core/LICENSE"), join(tests, "axe.LICENSE.txt"));

async function bundle(entry, output) {
    const entryPoint = entry.endsWith(".mjs") ? join(here, entry) : entry;
    const stdin = entryPoint === entry ? { contents: `export { default } from "${entry}";`, resolveDir: here } : undefined;
    await build({
        ...(stdin ? { stdin } : { entryPoints: [entryPoint] }),
        outfile: join(vendor, output), bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8", legalComments: "inline", logLevel: "warning",
    });
}

async function copy(from, to) {
    await mkdir(dirname(join(vendor, to)), { recursive: true });
    await cp(join(modules, from), join(vendor, to));
}

async function write(file, text) {
    await mkdir(dirname(join(vendor, file)), { recursive: true });
    await writeFile(join(vendor, file), text);
}
