// The server's addresses, relative to the page, so that a path prefix of a proxy works.

/** Something that the server said no to, or that went wrong on the way: one line for the user. */
export class ApiError extends Error {
    constructor(message, { status = 0, code = null } = {}) {
        super(message);
        Object.assign(this, { status, code });
    }
}

/** The models that the server offers: { id, loaded, max_model_len } each. */
export async function listModels(apiKey) {
    return (await json("v1/models", { apiKey })).data;
}

/**
 * Asks for a chat completion and yields the chunks of its stream as they come.
 * Throws ApiError, or an AbortError once the signal is aborted.
 */
export async function* streamChat(body, { apiKey, signal }) {
    const response = await request("v1/chat/completions", { apiKey, signal, body });
    for await (const data of events(response.body, signal)) {
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new ApiError(chunk.error.message);
        yield chunk;
    }
    throw new ApiError("The connection ended before the answer did.");
}

/** A request whose answer is JSON. Throws ApiError. */
export async function json(path, options) {
    return (await request(path, options)).json();
}

/** @param options { apiKey, signal, method, body }: a body is sent as JSON, a Blob as it is */
export async function request(path, { apiKey, signal, method, body } = {}) {
    const headers = {};
    if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
    if (body) headers["Content-Type"] = body instanceof Blob ? body.type : "application/json";
    let response;
    try {
        response = await fetch(new URL(path, document.baseURI), {
            method: method ?? (body ? "POST" : "GET"),
            headers,
            body: body && !(body instanceof Blob) ? JSON.stringify(body) : body,
            signal,
            cache: "no-store",
        });
    } catch (error) {
        signal?.throwIfAborted();
        throw new ApiError(`The server cannot be reached (${error.message}). Check that it is running.`);
    }
    if (!response.ok) throw await refusal(response);
    return response;
}

async function refusal(response) {
    const error = await response.json().then((body) => body.error, () => null);
    const message = (error?.message ?? `The server answered ${response.status} ${response.statusText}`.trim()).replace(/[.\s]*$/, ".");
    const wait = response.headers.get("Retry-After");
    const advice = response.status === 401 ? " Enter the API key in the settings." : wait ? ` Try again in ${wait} s.` : "";
    return new ApiError(message + advice, { status: response.status, code: error?.code });
}

// The data of each server-sent event. Comment lines keep the connection alive and are passed over.
async function* events(body, signal) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let data = [];
    try {
        while (true) {
            const { done, value } = await reader.read().catch((error) => {
                signal.throwIfAborted();
                throw new ApiError(`The connection broke (${error.message}).`);
            });
            if (done) return;
            const lines = (rest + value).split(/\r?\n/);
            rest = lines.pop();
            for (const line of lines) {
                if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
                else if (line === "" && data.length > 0) {
                    yield data.join("\n");
                    data = [];
                }
            }
        }
    } finally {
        reader.cancel().catch(() => {}); // it may be closed or broken already
    }
}
