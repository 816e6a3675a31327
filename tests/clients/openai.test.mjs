// npm openai against the server: what the client sends, reads and throws. What the model says is compared with what it says elsewhere, never with a fixed text.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { apiKey, model, pictureUrl, startServer } from './server.mjs';

let server;
let client;
before(async () => {
  server = await startServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });
});
after(async () => assert.equal(await server?.stop(), 0, 'exit code of a server that was asked to stop'));

const hello = [{ role: 'user', content: 'Who are you?' }];
const aboutPicture = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: pictureUrl, detail: 'high' } }, { type: 'text', text: 'What does the text say?' }] }];
const paint = {
  type: 'function',
  function: {
    name: 'paint',
    description: 'Paints the wall.',
    parameters: { type: 'object', properties: { colour: { enum: ['red', 'blue'] }, coats: { enum: [1, 2, 3] } }, required: ['colour', 'coats'], additionalProperties: false },
  },
};

const ask = (request) => client.chat.completions.create({ model, messages: hello, max_tokens: 32, ...request });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');

describe('answers', () => {
  test('models are listed and found', async () => {
    const names = (await collect(await client.models.list())).map((entry) => entry.id);
    assert.deepEqual(names, [model]);
    assert.equal((await client.models.retrieve(model)).id, model);
  });

  test('a whole answer has text, finish reason and usage', async () => {
    const answer = await ask({});
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.ok(answer.choices[0].message.content.length > 0);
    assert.ok(['stop', 'length'].includes(answer.choices[0].finish_reason));
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.match(answer._request_id, /./);
  });

  test('a stream says the same, in the form of the protocol', async () => {
    const whole = await ask({});
    const chunks = await collect(await ask({ stream: true, stream_options: { include_usage: true } }));
    assert.equal(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.created} ${chunk.object}`)).size, 1);
    assert.deepEqual([chunks[0].choices[0].delta.role, chunks[0].choices[0].delta.content], ['assistant', '']);
    assert.ok(chunks.slice(1).every((chunk) => chunk.choices[0]?.delta.role === undefined));
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
    assert.deepEqual(chunks.at(-2).choices[0].delta, {});
    assert.equal(chunks.at(-2).choices[0].finish_reason, whole.choices[0].finish_reason);
    assert.ok(chunks.slice(0, -2).every((chunk) => chunk.choices[0].finish_reason === null));
    assert.equal(textOf(chunks), whole.choices[0].message.content);
  });

  test("the client's own folding of a stream gives the whole answer", async () => {
    const folded = await client.chat.completions.stream({ model, messages: hello, max_tokens: 32 }).finalChatCompletion();
    assert.equal(folded.choices[0].message.content, (await ask({})).choices[0].message.content);
  });

  test('a second turn finds the first in the cache', async () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, ...aboutPicture];
    const first = await ask({ messages });
    const second = await ask({ messages: [...messages, first.choices[0].message, { role: 'user', content: 'And again?' }] });
    assert.ok(second.usage.prompt_tokens_details.cached_tokens > 0.8 * first.usage.prompt_tokens);
  });

  test('a stream that is left ends, and the next request is answered', async () => {
    for await (const _ of await ask({ stream: true })) break;
    assert.ok((await ask({})).choices[0].message.content.length > 0);
  });

  test('plain completions, whole and streamed', async () => {
    const request = { model, prompt: 'The text says', max_tokens: 8 };
    const whole = await client.completions.create(request);
    const chunks = await collect(await client.completions.create({ ...request, stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(''), whole.choices[0].text);
  });
});

describe('images', () => {
  test('a picture is part of the prompt', async () => {
    const answer = await ask({ messages: aboutPicture });
    assert.ok(answer.usage.prompt_tokens_details.image_tokens > 0);
    assert.ok(answer.choices[0].message.content.length > 0);
  });

  test('two pictures are twice as many tokens', async () => {
    const one = await ask({ messages: aboutPicture });
    const two = await ask({ messages: [{ role: 'user', content: [aboutPicture[0].content[0], ...aboutPicture[0].content] }] });
    assert.equal(two.usage.prompt_tokens_details.image_tokens, 2 * one.usage.prompt_tokens_details.image_tokens);
  });

  test('a URL of the network is refused by name', async () => {
    const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.org/a.png' } }] }];
    await assert.rejects(ask({ messages }), (error) => error instanceof OpenAI.BadRequestError && error.code === 'invalid_image_url' && /messages\[0\]/.test(error.param));
  });

  test('65 pictures are one too many', async () => {
    const messages = [{ role: 'user', content: Array(65).fill(aboutPicture[0].content[0]) }];
    await assert.rejects(ask({ messages }), (error) => error instanceof OpenAI.BadRequestError && error.code === 'too_many_images');
  });
});

describe('sampling', () => {
  test('log probabilities come with their alternatives and spell the text', async () => {
    const [choice] = (await ask({ logprobs: true, top_logprobs: 3 })).choices;
    const tokens = choice.logprobs.content;
    assert.ok(tokens.every((token) => token.logprob <= 0 && token.top_logprobs.length === 3 && token.top_logprobs[0].logprob >= token.top_logprobs[2].logprob));
    assert.ok(Buffer.from(tokens.flatMap((token) => token.bytes)).toString().startsWith(choice.message.content));
  });

  test('a stop text ends the answer and is no part of it', async () => {
    const text = (await ask({})).choices[0].message.content;
    const stop = text.slice(Math.floor(text.length / 2), Math.floor(text.length / 2) + 3);
    const [choice] = (await ask({ stop: [stop] })).choices;
    assert.deepEqual([choice.message.content, choice.finish_reason], [text.slice(0, text.indexOf(stop)), 'stop']);
  });

  test('the number of tokens is honoured under both names', async () => {
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const answer = await client.chat.completions.create({ model, messages: hello, [name]: 3 });
      assert.deepEqual([answer.choices[0].finish_reason, answer.usage.completion_tokens], ['length', 3]);
    }
  });

  test('a seed repeats the answer, and n gives several', async () => {
    const request = { temperature: 2, seed: 7, n: 3 };
    const texts = async () => (await ask(request)).choices.map((choice) => choice.message.content);
    const first = await texts();
    assert.equal(first.length, 3);
    assert.ok(new Set(first).size > 1);
    assert.deepEqual(await texts(), first);
  });

  test('a token that is biased away does not come', async () => {
    const firstToken = async (request) => (await ask({ ...request, logprobs: true, max_tokens: 1 })).choices[0].logprobs.content[0].token;
    const likely = await firstToken({});
    const { tokens } = await client.post(`${server.url}/tokenize`, { body: { model, prompt: likely } });
    assert.equal(tokens.length, 1);
    assert.notEqual(await firstToken({ logit_bias: { [tokens[0]]: -100 } }), likely);
  });

  test('reasoning_effort none is what every model here does; other efforts are refused', async () => {
    assert.equal((await ask({ reasoning_effort: 'none' })).choices[0].message.content, (await ask({})).choices[0].message.content);
    await assert.rejects(ask({ reasoning_effort: 'high' }), (error) => error instanceof OpenAI.BadRequestError && error.param === 'reasoning_effort');
  });
});

describe('tools', () => {
  const request = { messages: [{ role: 'user', content: 'Paint the wall red, twice.' }], tools: [paint], tool_choice: 'required', parallel_tool_calls: false, max_tokens: 128 };

  test('a required call has arguments of its schema', async () => {
    const [choice] = (await ask(request)).choices;
    const [call] = choice.message.tool_calls;
    assert.deepEqual([choice.finish_reason, choice.message.content, call.type, call.function.name], ['tool_calls', null, 'function', 'paint']);
    const { colour, coats } = JSON.parse(call.function.arguments);
    assert.ok(['red', 'blue'].includes(colour) && [1, 2, 3].includes(coats));
  });

  test('a streamed call begins with index, id, type and name, and goes on with arguments', async () => {
    const whole = (await ask(request)).choices[0].message.tool_calls[0].function;
    const parts = (await collect(await ask({ ...request, stream: true }))).flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    assert.deepEqual([parts[0].index, parts[0].type, parts[0].function.name, parts[0].function.arguments], [0, 'function', 'paint', '']);
    assert.ok(parts[0].id.length > 0 && parts.slice(1).every((part) => part.id === undefined && part.index === 0));
    assert.equal(parts.map((part) => part.function.arguments).join(''), whole.arguments);
  });

  test('a call that the token limit cuts off comes as far as it got', async () => {
    const parameters = { type: 'object', properties: { ones: { type: 'array', items: { const: 1 }, minItems: 700 } }, required: ['ones'] };
    const [choice] = (await ask({ ...request, max_tokens: 60, tools: [{ type: 'function', function: { name: 'count', parameters } }] })).choices;
    assert.deepEqual([choice.finish_reason, choice.message.tool_calls[0].function.name], ['length', 'count']);
    assert.match(choice.message.tool_calls[0].function.arguments, /^\{"ones": \[1, 1/);
  });

  test('a named function is called, and the client runs it', async () => {
    const painted = [];
    const tool = { type: 'function', function: { ...paint.function, parse: JSON.parse, function: (wall) => painted.push(wall) } };
    await client.chat.completions.runTools({ model, ...request, tools: [tool], tool_choice: { type: 'function', function: { name: 'paint' } } }).done();
    assert.equal(painted.length, 1);
    assert.deepEqual(Object.keys(painted[0]).sort(), ['coats', 'colour']);
  });

  test('a result is read, and answered in words where no call is allowed', async () => {
    const { message } = (await ask(request)).choices[0];
    const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '{"done":true}' };
    const answer = await ask({ ...request, tool_choice: 'none', messages: [...request.messages, message, result] });
    assert.equal(answer.choices[0].message.tool_calls, undefined);
    assert.ok(answer.choices[0].message.content.length > 0);
  });
});

describe('forms', () => {
  const Sign = z.object({ kind: z.enum(['exit', 'entry']), lit: z.boolean() });

  test('a zod schema is followed and parsed', async () => {
    const answer = await client.chat.completions.parse({ model, messages: aboutPicture, max_tokens: 64, response_format: zodResponseFormat(Sign, 'sign') });
    assert.equal(answer.choices[0].finish_reason, 'stop');
    Sign.parse(answer.choices[0].message.parsed);
  });

  test('a stream follows it too', async () => {
    const text = textOf(await collect(await ask({ stream: true, max_tokens: 64, response_format: zodResponseFormat(Sign, 'sign') })));
    Sign.parse(JSON.parse(text));
  });

  test('json_object gives the beginning of an object', async () => {
    const [choice] = (await ask({ response_format: { type: 'json_object' } })).choices;
    assert.match(choice.message.content, /^\{/);
    if (choice.finish_reason === 'stop') JSON.parse(choice.message.content);
  });

  test('a schema that cannot be honoured is refused', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'odd', schema: { type: 'object', properties: { a: { type: 'nothing' } } } } };
    await assert.rejects(ask({ response_format: format }), (error) => error instanceof OpenAI.BadRequestError && error.code === 'invalid_schema');
  });
});

describe('errors', () => {
  const has = (type, code, status) => (error) => {
    assert.ok(error instanceof type, `${error}`);
    assert.deepEqual([error.code, error.status], [code, status]);
    assert.deepEqual(Object.keys(error.error).sort(), ['code', 'message', 'param', 'type']);
    assert.ok(error.requestID.length > 0);
    return true;
  };

  test('401 for another key', async () => {
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'another', maxRetries: 0 });
    await assert.rejects(stranger.chat.completions.create({ model, messages: hello }), has(OpenAI.AuthenticationError, 'invalid_api_key', 401));
  });

  test('404 for a model that is not there', () => assert.rejects(ask({ model: 'another' }), has(OpenAI.NotFoundError, 'model_not_found', 404)));

  test('400 for a conversation that does not fit', () =>
    assert.rejects(ask({ messages: [{ role: 'user', content: 'word '.repeat(5000) }] }), has(OpenAI.BadRequestError, 'context_length_exceeded', 400)));

  test('400 for a stream that cannot begin, as a status and not as an event', () =>
    assert.rejects(ask({ stream: true, messages: [{ role: 'user', content: 'word '.repeat(5000) }] }), has(OpenAI.BadRequestError, 'context_length_exceeded', 400)));

  test('400 for a number out of range', () => assert.rejects(ask({ temperature: 3 }), has(OpenAI.BadRequestError, null, 400)));
});

// An answer that cannot be short.
const countless = { type: 'json_schema', json_schema: { name: 'ones', schema: { type: 'object', properties: { ones: { type: 'array', items: { const: 1 }, minItems: 700 } }, required: ['ones'] } } };

test('429 while all turns are taken, and the client tries again by itself', async () => {
  const busy = await startServer({ MaxRunning: '1', MaxWaiting: '0' });
  try {
    const impatient = new OpenAI({ baseURL: `${busy.url}/v1`, apiKey, maxRetries: 0 });
    const patient = new OpenAI({ baseURL: `${busy.url}/v1`, apiKey, maxRetries: 20 });
    const long = await impatient.chat.completions.create({ model, messages: hello, max_tokens: 1500, response_format: countless, stream: true });
    await assert.rejects(impatient.chat.completions.create({ model, messages: hello, max_tokens: 8 }),
      (error) => error instanceof OpenAI.RateLimitError && error.code === 'queue_full' && Number(error.headers.get('retry-after')) >= 1);
    const retried = patient.chat.completions.create({ model, messages: hello, max_tokens: 8 });
    setTimeout(() => long.controller.abort(), 500);
    assert.ok((await retried).choices[0].message.content.length > 0);
  } finally {
    await busy.stop();
  }
});
