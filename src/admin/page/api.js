// Sends requests to the node, each with the token if there is one. The token is kept in this tab's session storage.

const TOKEN = "truenorth-token";

// A refusal by the node, or no answer at all (status 0).
export class Problem extends Error {
    constructor(status, text) {
        super(text);
        this.status = status;
    }
}

export function hasToken() {
    return sessionStorage.getItem(TOKEN) !== null;
}

export function keepToken(token) {
    if (token) sessionStorage.setItem(TOKEN, token);
    else sessionStorage.removeItem(TOKEN);
}

function fields(more) {
    const token = sessionStorage.getItem(TOKEN);
    return { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

async function send(path, options) {
    let response;
    try {
        response = await fetch(path, { cache: "no-store", ...options });
    } catch {
        throw new Problem(0, "the node does not answer");
    }
    if (response.ok) return response;
    let text = response.statusText;
    try {
        // RFC 9457: the reason.
        text = (await response.json()).detail ?? text;
    } catch {
        // Not the node answered, but for example a proxy: only the status tells something.
    }
    throw new Problem(response.status, text);
}

// Returns the JSON at a path.
export async function get(path) {
    return (await send(path, { headers: fields() })).json();
}

// Gives an order, and returns the reply.
export async function order(method, path, body) {
    const options = { method, headers: fields({ "Content-Type": "application/json" }), body: JSON.stringify(body) };
    return (await send(path, options)).json();
}

// Follows the events after the one with this id, until the stream ends. `take` gets each event, `began` is called when
// the stream begins.
export async function follow(last, began, take) {
    const response = await send("v1/events", { headers: fields({ "Last-Event-ID": String(last) }) });
    began();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        text += value;
        const parts = text.split("\n\n");
        text = parts.pop();
        for (const part of parts) {
            const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
            if (data.length > 0) take(JSON.parse(data.join("\n")));
        }
    }
}
