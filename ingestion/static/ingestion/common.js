// What the parts of the page share: addresses, words, sizes, and what is said to a screen reader.

const facts = document.getElementById("script-facts");
export const given = facts ? JSON.parse(facts.textContent) : {};
export const urls = document.getElementById("urls").dataset;
export const csrf = () => document.querySelector("#act [name=csrfmiddlewaretoken]").value;

export function say(name, values = {}) {
  const text = (given.words && given.words[name]) || name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

export function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let number = bytes;
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit ? number.toFixed(1) : number} ${units[unit]}`;
}

// An element with text; text is never read as HTML.
export function make(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...content.filter((one) => one !== null && one !== undefined));
  return made;
}

// Told one sentence at a time, and no more often than people can listen.
const spoken = document.getElementById("spoken");
const PAUSE = 2500;
let waiting = [];
let timer = null;

export function announce(text) {
  if (!waiting.includes(text)) waiting.push(text);
  if (timer === null) timer = setTimeout(speak, 300);
}

function speak() {
  spoken.textContent = waiting.slice(-3).join(" ");
  waiting = [];
  timer = setTimeout(() => {
    timer = null;
    if (waiting.length) speak();
  }, PAUSE);
}

// When to ask whether something has come to the server after all, in ms from one time to the next.
export const ASK_AGAIN = [0, 1000, 2000, 4000, 8000, 15000, 30000];

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits, but no longer than until the network is back.
export function patience(ms) {
  return new Promise((done) => {
    const over = () => {
      clearTimeout(clock);
      window.removeEventListener("online", over);
      done();
    };
    const clock = setTimeout(over, ms);
    window.addEventListener("online", over);
  });
}

export function failure({ message, code, hint }) {
  const box = make("div", { class: "failure" });
  box.append(make("p", {}, message, " ", code ? make("code", {}, code) : null));
  if (hint) box.append(make("p", {}, hint));
  return box;
}

// What a refusal of the API says; whatever it was, there is a sentence.
export async function problem(response) {
  try {
    const body = await response.json();
    return { message: body.detail || response.statusText, code: body.code, hint: body.hint, retryable: body.retryable };
  } catch {
    return { message: `${response.status} ${response.statusText}`, code: `http_${response.status}`, retryable: response.status >= 500 };
  }
}
