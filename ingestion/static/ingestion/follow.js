// Keeps the cards fresh: one request for all that are open, as often as something happens. Server-sent events, where
// the server offers them, only say that it is time to ask; without them the clock does.

import { announce, csrf, pause, say, urls } from "./common.js";
import { element, morph } from "./morph.js";

const QUICK = 1000;
const SLOW = 5000;
const HIDDEN = 20000;
const LOST = 30000;
const STREAMS = 1; // a browser opens six connections to a server at most, for all of its tabs, and uploads need some
const list = document.getElementById("uploads");
const tags = new Map();
const until = new Map(); // ids that are followed although they have ended: something was just asked of them
const streams = new Map();
let streaming = typeof EventSource === "function";
let wake = () => {};
let awake = false;

const cardOf = (id) => document.getElementById(`intake-${id}`);
const open = () =>
  [...list.querySelectorAll("[data-intake]")]
    .filter((card) => card.dataset.finished === "no" || (until.get(card.dataset.intake) || 0) > Date.now())
    .map((card) => card.dataset.intake);

// What was taken in although somebody had cancelled it meanwhile is cancelled at the server, and shown.
export async function callOff(id) {
  await fetch(`${urls.intakes}/${id}/cancel`, { method: "POST", headers: { "X-CSRFToken": csrf() } });
  follow(id, { fresh: true });
}

// Follow an intake: one that was just taken in gets its card at the top, one that something was asked of stays watched.
export function follow(id, { seconds = 20, fresh = false } = {}) {
  until.set(String(id), Date.now() + seconds * 1000);
  if (fresh && !cardOf(id)) {
    list.prepend(placeholder(id));
    const none = document.getElementById("none-yet");
    if (none) none.hidden = true;
  }
  poke();
}

function placeholder(id) {
  const card = document.createElement("article");
  card.id = `intake-${id}`;
  card.className = "card";
  card.dataset.intake = id;
  card.dataset.finished = "no";
  return card;
}

export function forgetCard(id) {
  const card = cardOf(id);
  if (!card) return;
  const held = card.contains(document.activeElement);
  const next = card.nextElementSibling || card.previousElementSibling;
  card.remove();
  if (held) (next ? next.querySelector("a") : document.getElementById("choose") || document.querySelector("main")).focus();
}

export function poke() {
  awake = true;
  wake();
}

function question(ids) {
  const asked = new URLSearchParams();
  for (const id of ids) {
    const place = cardOf(id).dataset.place;
    asked.append("card", [id, tags.get(id) || "", ...(place ? [place] : [])].join(":"));
  }
  return asked;
}

// Which of these idempotency keys have arrived: key → id of the intake.
export async function arrived(keys) {
  if (!keys.length) return {};
  const response = await fetch(`${urls.news}?${new URLSearchParams(keys.map((key) => ["key", key]))}`);
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()).keys;
}

function show(told) {
  const id = String(told.id);
  const card = cardOf(id);
  const before = card && card.dataset.finished;
  if (!card) return;
  tags.set(id, told.tag);
  morph(card, element(told.html));
  if (told.finished && before === "no") {
    until.delete(id);
    ended.push(`${told.title}: ${told.state}.`);
  }
}

let ended = [];
function speakOfEnded() {
  if (ended.length > 3) announce(say("finished_many", { n: ended.length }));
  else ended.forEach(announce);
  ended = [];
}

// Whether something was new; throws when the server could not be asked.
async function look(ids) {
  let news = false;
  for (let n = 0; n < ids.length; n += 40) {
    const response = await fetch(`${urls.news}?${question(ids.slice(n, n + 40))}`, { cache: "no-store" });
    if (response.status === 401) {
      loggedOut();
      return false;
    }
    if (!response.ok) throw new Error(String(response.status));
    const body = await response.json();
    body.gone.forEach((id) => forgetCard(id));
    body.cards.forEach(show);
    news ||= body.cards.length > 0 || body.gone.length > 0;
  }
  speakOfEnded();
  return news;
}

let out = false;
export function loggedOut() {
  if (out) return;
  out = true;
  const note = document.createElement("p");
  note.className = "failure";
  note.setAttribute("role", "alert");
  const link = document.createElement("a");
  link.href = urls.login;
  link.textContent = say("logged_out");
  note.append(link);
  document.getElementById("main").prepend(note);
}

// Streams for the newest that are open. Any answer but a stream means that there are none here: polling is enough then.
function listen(ids) {
  const wanted = new Set(streaming && !document.hidden ? ids.filter((id) => cardOf(id).dataset.events).slice(0, STREAMS) : []);
  for (const [id, stream] of streams) {
    if (!wanted.has(id)) {
      stream.close();
      streams.delete(id);
    }
  }
  for (const id of wanted) {
    if (streams.has(id)) continue;
    const stream = new EventSource(cardOf(id).dataset.events);
    streams.set(id, stream);
    stream.addEventListener("progress", poke);
    stream.addEventListener("end", () => {
      stream.close();
      poke();
    });
    stream.addEventListener("error", () => {
      if (stream.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
      streams.delete(id);
      streaming = false;
    });
  }
}

const streamed = () => [...streams.values()].some((stream) => stream.readyState === EventSource.OPEN);

function rest(ms) {
  return new Promise((done) => {
    const clock = setTimeout(done, ms);
    wake = () => {
      clearTimeout(clock);
      done();
    };
    if (awake) wake();
  });
}

export async function run() {
  let wait = QUICK;
  for (;;) {
    const ids = open();
    listen(ids);
    if (!ids.length) {
      await rest(2 ** 30);
    } else {
      const told = streamed() && ids.every((id) => streams.has(id));
      await rest(document.hidden ? HIDDEN : told ? SLOW * 2 : wait);
    }
    const asked = awake;
    awake = false;
    if (out) return;
    try {
      const current = open();
      const news = current.length ? await look(current) : false;
      wait = news || asked ? QUICK : Math.min(wait * 1.5, SLOW);
    } catch {
      wait = Math.min(Math.max(wait, QUICK) * 2, LOST);
    }
    await pause(300); // however often we are woken
  }
}

document.addEventListener("visibilitychange", () => document.hidden || poke());
window.addEventListener("online", poke);
window.addEventListener("pageshow", (event) => event.persisted && poke());
