// Runs webai-at-home's conformance tests against a server of its own and writes the report to standard output.
//
//   npm run --silent conformance [-- --thinking on --format markdown …]

import { spawn } from 'node:child_process';
import { apiKey, model, startServer } from './server.mjs';

const server = await startServer();
const program = new URL(import.meta.resolve('webai-at-home/package.json'));
const child = spawn(process.execPath, [
  new URL('dist/cli.js', program).pathname, 'openai_test', 'conformance',
  '--profile', 'full', '--model', model, '--base_url', `${server.url}/v1`, '--api_key', apiKey, '--format', 'markdown', ...process.argv.slice(2),
], { stdio: 'inherit' });
process.exitCode = await new Promise((resolve) => child.once('exit', resolve));
await server.stop();
