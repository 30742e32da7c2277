// The feed's front page. Everything goes through a node service: questions and operations by
// fetch, news of blocks by one WebSocket. What others wrote is shown as text, never as markup.
"use strict";

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 15000;
const EVERYTHING = `{
  posts { text time }
  timeline { chainId index post { text time } }
  followed
}`;
const NEWS = "subscription ($chain: ChainId!) { notifications(chainId: $chain) }";

const element = (id) => document.getElementById(id);
const field = (id) => element(id).value.trim();
let feed = null;

class Feed {
  constructor(service, chain, application, token) {
    this.service = service.replace(/\/+$/, "");
    this.chain = chain;
    this.application = application;
    this.token = token;
    this.closed = false;
    this.refreshing = null;
    this.again = false;
  }

  async send(path, query, variables) {
    const headers = {"Content-Type": "application/json"};
    if (this.token) headers.Authorization = "Bearer " + this.token;
    const response = await fetch(this.service + path,
      {method: "POST", headers, body: JSON.stringify({query, variables})});
    const text = await response.text();
    let answer;
    try { answer = JSON.parse(text); } catch { throw new Error(response.status + " " + text); }
    if (answer.error) throw new Error(answer.error);
    if (answer.errors) throw new Error(answer.errors.map((each) => each.message).join("; "));
    return answer.data;
  }

  // A mutation comes back when its operation is in a block, with the block's hash.
  ask(query, variables = {}) {
    return this.send(`/chains/${this.chain}/applications/${this.application}`, query, variables);
  }

  async open() {
    if (!this.chain) this.chain = (await this.send("/", "{ chains { default } }")).chains.default;
    if (!this.chain) throw new Error("the service has no default chain: name yours");
    await this.refresh();
    this.listen(FIRST_WAIT_MS);
  }

  // One question at a time; whatever happens meanwhile makes for one more.
  async refresh() {
    this.again = true;
    this.refreshing ??= this.drain().finally(() => { this.refreshing = null; });
    return this.refreshing;
  }

  async drain() {
    while (this.again && !this.closed) {
      this.again = false;
      const data = await this.ask(EVERYTHING);
      if (!this.closed) show(data);
    }
  }

  listen(waitMs) {
    const url = this.service.replace(/^http/, "ws") + "/ws";
    const socket = this.socket = new WebSocket(url, "graphql-transport-ws");
    const say = (message) => socket.send(JSON.stringify(message));
    let nextWaitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
    socket.onopen = () => say({type: "connection_init",
      payload: this.token ? {authorization: "Bearer " + this.token} : {}});
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "connection_ack") {
        say({id: "news", type: "subscribe",
             payload: {query: NEWS, variables: {chain: this.chain}}});
        nextWaitMs = FIRST_WAIT_MS;
        element("state").textContent = "live";
        // What happened while nobody listened.
        attempt(() => this.refresh());
      } else if (message.type === "ping") {
        say({type: "pong"});
      } else if (message.type === "next") {
        const news = message.payload.data?.notifications;
        if (news?.reason?.NewBlock) attempt(() => this.refresh());
      } else if (message.type === "error" || message.type === "complete") {
        socket.close();
      }
    };
    socket.onclose = () => {
      if (this.closed) return;
      element("state").textContent = "no news now, trying again";
      setTimeout(() => { if (!this.closed) this.listen(nextWaitMs); }, waitMs);
    };
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }
}

// Shows why something did not work; says whether it did.
async function attempt(work) {
  try {
    await work();
    element("trouble").textContent = "";
    return true;
  } catch (error) {
    element("trouble").textContent = error.message;
    return false;
  }
}

function make(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function item(...parts) {
  const made = document.createElement("li");
  made.append(...parts);
  return made;
}

// Times of the protocol are microseconds.
const when = (time) => new Date(Number(time) / 1000).toLocaleString();
const entry = (post, ...more) =>
  item(make("span", post.text, "text"), ...more, make("small", when(post.time)));

function show(data) {
  element("timeline").replaceChildren(...data.timeline.map(
    ({chainId, post}) => entry(post, make("small", chainId, "chain"))));
  element("posts").replaceChildren(...data.posts.map((post) => entry(post)));
  element("followed").replaceChildren(...data.followed.map((chainId) => {
    const button = make("button", "Unfollow");
    button.onclick = () => change(button,
      "mutation ($chain: ChainId!) { unfollow(chainId: $chain) }", {chain: chainId});
    return item(make("small", chainId, "chain"), button);
  }));
}

// Nothing can be pressed twice while its block is on the way.
async function change(button, mutation, variables) {
  const here = feed;
  button.disabled = true;
  const done = await attempt(async () => {
    await here.ask(mutation, variables);
    await here.refresh();
  });
  button.disabled = false;
  return done;
}

function onSubmit(id, work) {
  const form = element(id);
  form.onsubmit = (event) => {
    event.preventDefault();
    work(form.querySelector("button"));
  };
}

function remember() {
  const settings = new URLSearchParams(
    ["service", "chain", "application"].map((id) => [id, field(id)]));
  history.replaceState(null, "", "#" + settings);
}

async function connect() {
  feed?.close();
  document.querySelector("main").hidden = true;
  element("state").textContent = "connecting";
  remember();
  const opening = feed =
    new Feed(field("service"), field("chain"), field("application"), field("token"));
  const opened = await attempt(() => opening.open());
  if (feed !== opening) return;
  document.querySelector("main").hidden = !opened;
  element("settings").open = !opened;
  if (!opened) element("state").textContent = "not connected";
}

onSubmit("connect", connect);
onSubmit("post", async (button) => {
  const mutation = "mutation ($text: String!) { post(text: $text) }";
  if (await change(button, mutation, {text: element("text").value})) element("text").value = "";
});
onSubmit("follow", async (button) => {
  const mutation = "mutation ($chain: ChainId!) { follow(chainId: $chain) }";
  if (await change(button, mutation, {chain: field("whom")})) element("whom").value = "";
});

for (const [id, value] of new URLSearchParams(location.hash.slice(1)))
  if (["service", "chain", "application"].includes(id)) element(id).value = value;
if (element("connect").checkValidity()) connect();
