// npm ai with @ai-sdk/openai-compatible against the server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';
import { apiKey, model, picture, startServer } from './server.mjs';

let server;
let nano;
const providerWith = (key) => createOpenAICompatible({ name: 'onnxvlm', baseURL: `${server.url}/v1`, apiKey: key, includeUsage: true, supportsStructuredOutputs: true });
before(async () => {
  server = await startServer();
  nano = providerWith(apiKey)(model);
});
after(async () => assert.equal(await server?.stop(), 0, 'exit code of a server that was asked to stop'));

const hello = { prompt: 'Who are you?', maxOutputTokens: 32, maxRetries: 0 };
const Sign = z.object({ kind: z.enum(['exit', 'entry']), lit: z.boolean() });
const onlyOneCall = { onnxvlm: { parallel_tool_calls: false } };       // the demonstration model may go on calling until its tokens are used up
const paint = { description: 'Paints the wall.', inputSchema: z.object({ colour: z.enum(['red', 'blue']) }) };

test('generateText has text, finish reason and usage', async () => {
  const { text, finishReason, usage } = await generateText({ model: nano, ...hello });
  assert.ok(text.length > 0);
  assert.ok(['stop', 'length'].includes(finishReason));
  assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
});

test('streamText says the same in pieces', async () => {
  const whole = await generateText({ model: nano, ...hello });
  const stream = streamText({ model: nano, ...hello });
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  assert.ok(pieces.length > 1);
  assert.equal(pieces.join(''), whole.text);
  assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
  assert.equal(await stream.finishReason, whole.finishReason);
});

test('an image part reaches the model', async () => {
  const ask = (content) => generateText({ model: nano, maxOutputTokens: 16, maxRetries: 0, messages: [{ role: 'user', content }] });
  const question = { type: 'text', text: 'What does the text say?' };
  const blind = await ask([question]);
  const seeing = await ask([{ type: 'image', image: picture, mediaType: 'image/png' }, question]);
  assert.ok(seeing.usage.inputTokens > blind.usage.inputTokens);
  assert.ok(seeing.text.length > 0);
});

test('generateObject follows a zod schema', async () => {
  const { object } = await generateObject({ model: nano, ...hello, maxOutputTokens: 64, schema: Sign });
  Sign.parse(object);
});

test('streamObject ends with an object of the schema', async () => {
  const stream = streamObject({ model: nano, ...hello, maxOutputTokens: 64, schema: Sign });
  let last;
  for await (const partial of stream.partialObjectStream) last = partial;
  assert.deepEqual(Sign.parse(await stream.object), last);
});

test('a tool is called with input of its schema', async () => {
  const { toolCalls, finishReason } = await generateText({ model: nano, ...hello, maxOutputTokens: 128, tools: { paint: tool(paint) }, toolChoice: 'required', providerOptions: onlyOneCall });
  assert.equal(finishReason, 'tool-calls');
  assert.ok(toolCalls.length > 0 && toolCalls.every((call) => call.toolName === 'paint' && !call.invalid));
  for (const call of toolCalls) paint.inputSchema.parse(call.input);
});

test('a streamed call runs the tool, and the next step answers in words', async () => {
  const painted = [];
  const execute = async (wall) => {
    painted.push(wall);
    return { done: true };
  };
  const stream = streamText({
    model: nano, ...hello, maxOutputTokens: 128, tools: { paint: tool({ ...paint, execute }) }, stopWhen: stepCountIs(2),
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? { type: 'tool', toolName: 'paint' } : 'none' }),
  });
  await stream.consumeStream();
  const steps = await stream.steps;
  assert.equal(steps.length, 2);
  assert.ok(painted.length > 0 && painted.every((wall) => paint.inputSchema.safeParse(wall).success));
  assert.deepEqual(steps[1].toolCalls, []);
  assert.ok(steps[1].text.length > 0);
});

test('errors have their status, and say whether to try again', async () => {
  const failure = async (chosen) => generateText({ model: chosen, ...hello }).then(() => assert.fail('answered'), (error) => error);
  for (const [chosen, status] of [[providerWith('another')(model), 401], [providerWith(apiKey)('another'), 404]]) {
    const error = await failure(chosen);
    assert.ok(APICallError.isInstance(error), `${error}`);
    assert.deepEqual([error.statusCode, error.isRetryable], [status, false]);
    assert.match(error.responseBody, /"message"/);
  }
});

test('an aborted stream ends, and the next request is answered', async () => {
  const abort = new AbortController();
  const stream = streamText({ model: nano, ...hello, abortSignal: abort.signal, onError: () => {} });
  for await (const _ of stream.textStream) abort.abort();
  assert.ok((await generateText({ model: nano, ...hello })).text.length > 0);
});
