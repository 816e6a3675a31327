// Other wires through their own clients: npm openai's Responses, @anthropic-ai/sdk, ollama, the AI SDK with its default provider, LangChain. What the model says is compared with what it says
// elsewhere, never with a fixed text.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI } from '@langchain/openai';
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { z } from 'zod';
import { apiKey, model, picture, pictureUrl, startServer } from './server.mjs';

const question = 'What does the text say?';
const colours = ['red', 'blue'];
const parameters = { type: 'object', properties: { colour: { type: 'string', enum: colours } }, required: ['colour'], additionalProperties: false };
const schema = { type: 'object', properties: { shop: { type: 'string', enum: ['Rossi'] }, total: { type: 'integer', enum: [5, 7] } }, required: ['shop', 'total'], additionalProperties: false };
const isReceipt = (value) => assert.deepEqual([value.shop, [5, 7].includes(value.total)], ['Rossi', true]);

let server;
let expected;
before(async () => {
  server = await startServer();
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });
  const chat = await client.chat.completions.create({ model, max_tokens: 24, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: pictureUrl } }, { type: 'text', text: question }] }] });
  expected = chat.choices[0].message.content;
});
after(async () => assert.equal(await server?.stop(), 0, 'exit code of a server that was asked to stop'));

describe('openai: responses', () => {
  let client;
  before(() => { client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 }); });
  const input = [{ role: 'user', content: [{ type: 'input_image', image_url: pictureUrl, detail: 'auto' }, { type: 'input_text', text: question }] }];
  const tools = [{ type: 'function', name: 'paint', description: 'Paints the wall.', parameters, strict: true }];

  test('an image is answered, whole and streamed', async () => {
    const whole = await client.responses.create({ model, input, max_output_tokens: 24 });
    assert.equal(whole.output_text, expected);
    const stream = client.responses.stream({ model, input, max_output_tokens: 24 });
    let text = '';
    stream.on('response.output_text.delta', (event) => { text += event.delta; });
    const final = await stream.finalResponse();
    assert.equal(text, expected);
    assert.equal(final.output_text, expected);
    assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
  });

  test('a call and its result are two rounds, by id and by items', async () => {
    const first = await client.responses.create({ model, input: 'Paint it.', tools, tool_choice: { type: 'function', name: 'paint' }, max_output_tokens: 200 });
    const call = first.output.find((item) => item.type === 'function_call');
    assert.ok(colours.includes(JSON.parse(call.arguments).colour));
    const output = { type: 'function_call_output', call_id: call.call_id, output: 'done' };
    const second = await client.responses.create({ model, input: [output], previous_response_id: first.id, tools, max_output_tokens: 16 });
    assert.equal(second.previous_response_id, first.id);
    const third = await client.responses.create({ model, input: [{ role: 'user', content: 'Paint it.' }, ...first.output, output], tools, max_output_tokens: 16, store: false });
    assert.equal(third.output_text, second.output_text);
    assert.equal((await client.responses.retrieve(first.id)).id, first.id);
    await client.responses.delete(first.id);
    await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
  });

  test('a schema is followed and parsed', async () => {
    const response = await client.responses.parse({ model, input: 'A receipt.', text: { format: { type: 'json_schema', name: 'receipt', schema, strict: true } }, max_output_tokens: 200 });
    isReceipt(response.output_parsed ?? JSON.parse(response.output_text));
  });

  test('errors are those of OpenAI', async () => {
    await assert.rejects(client.responses.create({ model, input: 'x', temperature: 5 }), (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
    await assert.rejects(client.responses.create({ model, input: 'x', previous_response_id: 'resp_nobody' }), OpenAI.NotFoundError);
  });
});

describe('@anthropic-ai/sdk', () => {
  let client;
  before(() => { client = new Anthropic({ baseURL: server.url, apiKey, maxRetries: 0 }); });
  const messages = [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: picture.toString('base64') } }, { type: 'text', text: question }] }];
  const tools = [{ name: 'paint', description: 'Paints the wall.', input_schema: parameters }];

  test('an image is answered, whole and streamed', async () => {
    const whole = await client.messages.create({ model, max_tokens: 24, messages });
    assert.equal(whole.content[0].text, expected);
    const stream = client.messages.stream({ model, max_tokens: 24, messages });
    let text = '';
    stream.on('text', (delta) => { text += delta; });
    const final = await stream.finalMessage();
    assert.equal(text, expected);
    assert.equal(final.content[0].text, expected);
    assert.deepEqual([final.stop_reason, final.usage.output_tokens], [whole.stop_reason, whole.usage.output_tokens]);
  });

  test('a call and its result are two rounds', async () => {
    const ask = { model, max_tokens: 200, tools, tool_choice: { type: 'tool', name: 'paint' } };
    const first = await client.messages.stream({ ...ask, messages: [{ role: 'user', content: 'Paint it.' }] }).finalMessage();
    assert.equal(first.stop_reason, 'tool_use');
    const call = first.content.find((block) => block.type === 'tool_use');
    assert.ok(colours.includes(call.input.colour));
    const second = await client.messages.create({
      model, max_tokens: 16, tools,
      messages: [{ role: 'user', content: 'Paint it.' }, { role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'done' }] }],
    });
    assert.equal(second.type, 'message');
  });

  test('tokens are counted', async () => {
    const count = await client.messages.countTokens({ model, messages });
    const whole = await client.messages.create({ model, max_tokens: 1, messages });
    assert.equal(count.input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
  });

  test('errors are those of Anthropic', async () => {
    await assert.rejects(client.messages.create({ model, max_tokens: 5, temperature: 5, messages }), (error) => error instanceof Anthropic.BadRequestError && error.error.error.type === 'invalid_request_error' && error.requestID?.length > 0);
    await assert.rejects(client.messages.create({ model: 'nobody', max_tokens: 5, messages }), Anthropic.NotFoundError);
    await assert.rejects(new Anthropic({ baseURL: server.url, apiKey: 'wrong', maxRetries: 0 }).messages.create({ model, max_tokens: 5, messages }), Anthropic.AuthenticationError);
  });
});

describe('ollama', () => {
  let client;
  before(() => { client = new Ollama({ host: server.url, headers: { Authorization: `Bearer ${apiKey}` } }); });
  const messages = [{ role: 'user', content: question, images: [picture.toString('base64')] }];
  const tools = [{ type: 'function', function: { name: 'paint', description: 'Paints the wall.', parameters } }];

  test('models are listed and described', async () => {
    assert.deepEqual((await client.list()).models.map((found) => found.name), [model]);
    assert.ok((await client.show({ model })).capabilities.includes('vision'));
  });

  test('an image is answered, whole, streamed and generated', async () => {
    const options = { num_predict: 24 };
    assert.equal((await client.chat({ model, messages, options })).message.content, expected);
    let text = '';
    for await (const part of await client.chat({ model, messages, options, stream: true, keep_alive: '5m' })) text += part.message.content;
    assert.equal(text, expected);
    assert.equal((await client.generate({ model, prompt: question, images: [picture.toString('base64')], options })).response, expected);
  });

  test('a schema is followed', async () => {
    isReceipt(JSON.parse((await client.chat({ model, messages: [{ role: 'user', content: 'A receipt.' }], format: schema, options: { num_predict: 200 } })).message.content));
  });

  test('a result is read in a second round', async () => {
    const answer = await client.chat({
      model, tools, options: { num_predict: 16 },
      messages: [{ role: 'user', content: 'Paint it.' }, { role: 'assistant', content: '', tool_calls: [{ function: { name: 'paint', arguments: { colour: 'red' } } }] }, { role: 'tool', tool_name: 'paint', content: 'done' }],
    });
    assert.equal(answer.done, true);
  });

  test('errors are those of Ollama', async () => {
    await assert.rejects(client.chat({ model, messages, options: { temperature: 5 } }), /temperature/);
    await assert.rejects(client.show({ model: 'nobody' }), /model/);
  });
});

describe('ai with its default provider', () => {
  let provider;
  before(() => { provider = createOpenAI({ baseURL: `${server.url}/v1`, apiKey }); });
  const messages = [{ role: 'user', content: [{ type: 'image', image: picture }, { type: 'text', text: question }] }];

  test('an image is answered, whole and streamed', async () => {
    const whole = await generateText({ model: provider(model), messages, maxOutputTokens: 24, maxRetries: 0 });
    assert.equal(whole.text, expected);
    const stream = streamText({ model: provider(model), messages, maxOutputTokens: 24, maxRetries: 0 });
    assert.equal(await stream.text, expected);
    assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
  });

  for (const store of [true, false]) {
    test(`a tool is called and its result read in a second round, ${store ? 'stored' : 'not stored'}`, async () => {
      const called = [];
      const result = await generateText({
        model: provider(model),
        prompt: 'Paint it.',
        maxOutputTokens: 200,
        maxRetries: 0,
        stopWhen: stepCountIs(2),
        providerOptions: { openai: { store } },
        toolChoice: { type: 'tool', toolName: 'paint' },
        tools: { paint: tool({ description: 'Paints the wall.', inputSchema: z.object({ colour: z.enum(colours) }), execute: async ({ colour }) => { called.push(colour); return 'done'; } }) },
      });
      assert.equal(result.steps.length, 2);
      assert.ok(called.length > 0 && called.every((colour) => colours.includes(colour)));
    });
  }

  test('a schema is followed', async () => {
    const { object } = await generateObject({ model: provider(model), prompt: 'A receipt.', maxOutputTokens: 200, maxRetries: 0, schema: z.object({ shop: z.enum(['Rossi']), total: z.union([z.literal(5), z.literal(7)]) }) });
    isReceipt(object);
  });
});

describe('@langchain/openai', () => {
  const configuration = () => ({ baseURL: `${server.url}/v1`, apiKey });
  for (const useResponsesApi of [false, true]) {
    test(`text, a stream and a schema, ${useResponsesApi ? 'by responses' : 'by chat completions'}`, async () => {
      const chat = new ChatOpenAI({ model, apiKey, configuration: configuration(), maxTokens: 200, maxRetries: 0, useResponsesApi });
      const whole = await chat.invoke('Hello');
      let text = '';
      for await (const chunk of await chat.stream('Hello')) text += chunk.text;
      assert.equal(text, whole.text);
      isReceipt(await chat.withStructuredOutput(z.object({ shop: z.enum(['Rossi']), total: z.union([z.literal(5), z.literal(7)]) }), { method: 'jsonSchema', name: 'receipt' }).invoke('A receipt.'));
    });
  }
});
