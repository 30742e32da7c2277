// What a browser can do with a validator and a faucet: the test prepares the bytes of requests and
// decodes those of replies; this page only carries them, as any web application would.

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function framed(message) {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  return frame;
}

function begin(base, method, request, signal) {
  return fetch(`${base}/rpc.v1.ValidatorNode/${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/grpc-web+proto",
      accept: "application/grpc-web+proto",
      "x-grpc-web": "1",
    },
    body: framed(fromHex(request)),
    signal,
  });
}

// Splits a stream of chunks into frames: [flags, payload].
async function* frames(body) {
  let held = new Uint8Array(0);
  for (const reader = body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    while (held.length >= 5) {
      const end = 5 + new DataView(held.buffer, held.byteOffset).getUint32(1);
      if (held.length < end) break;
      yield [held[0], held.slice(5, end)];
      held = held.slice(end);
    }
  }
}

window.call = async (base, method, request) => {
  const response = await begin(base, method, request);
  const answer = {
    http: response.status,
    status: response.headers.get("grpc-status"),
    details: response.headers.get("grpc-message"),
    messages: [],
    trailers: "",
  };
  for await (const [flags, payload] of frames(response.body)) {
    if (flags & 0x80) answer.trailers = new TextDecoder().decode(payload);
    else answer.messages.push(toHex(payload));
  }
  return answer;
};

window.heard = [];
window.listen = async (base, request) => {
  const response = await begin(base, "Subscribe", request, new AbortController().signal);
  const stream = frames(response.body);
  const { value } = await stream.next();
  (async () => {
    for await (const [flags, payload] of stream) window.heard.push([flags, toHex(payload)]);
  })();
  return toHex(value[1]);
};

window.ask = async (faucet, query) => {
  const response = await fetch(faucet, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return await response.text(); // Numbers of 64 bits would not survive JSON.parse.
};
