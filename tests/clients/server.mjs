// Starts `onnxvlm serve` with the shipped model on a free port of this machine, and stops it again.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const program = process.env.ONNXVLM_DLL ?? fileURLToPath(new URL('src/OnnxVlm.Cli/bin/Release/net10.0/OnnxVlm.Cli.dll', root));
const folder = fileURLToPath(new URL('onnx-models/nano', root));

/** Name under which the server has the shipped model. */
export const model = 'nano';

/** The key that the server asks for. */
export const apiKey = 'key-of-the-client-checks';

/** A picture with text, as a data URI and as bytes. */
export const picture = readFileSync(new URL('onnx-models/nano/sample.png', root));
export const pictureUrl = `data:image/png;base64,${picture.toString('base64')}`;

/**
 * Starts a server.
 * @param {Record<string, string>} settings Options of the server, for example `{ MaxRunning: '1' }`.
 * @returns {Promise<{ url: string, stop: () => Promise<number | null> }>} Its address without a slash at the end; `stop` resolves to the exit code.
 */
export async function startServer(settings = {}) {
  if (!existsSync(program))
    throw new Error(`${program} is missing; run \`dotnet build src/OnnxVlm.Cli -c Release\`, or set ONNXVLM_DLL.`);
  const options = Object.fromEntries(Object.entries({ ApiKeys__0: apiKey, ...settings }).map(([name, value]) => [`OnnxVlmServer__${name}`, value]));
  const child = spawn('dotnet', [program, 'serve', '--model', `${model}=${folder}`, '--urls', 'http://127.0.0.1:0'], {
    env: { ...process.env, ...options },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const listening = said.match(/Listening on (http:\/\/[^\s,]+)/);
      if (listening) resolve(listening[1]);
    });
    child.once('error', reject);
    exited.then((code) => reject(new Error(`The server ended with ${code}: ${said.trim()}`)));
  });
  const stop = () => {
    child.kill('SIGTERM');
    return exited;
  };
  return { url, stop };
}
