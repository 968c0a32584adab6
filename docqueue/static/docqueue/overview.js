// Keeps the overview up to date: asks for the part that changes every two seconds, and changes only what differs, so that
// focus, selection, scroll and open details stay. It rests while nobody looks, asks less and less often while it gets no
// answer, and says when what is shown is not live.

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;
const LONGEST_MS = 60000;

/** What tells an element from its neighbours; text and unkeyed elements go by their place. */
const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") || node.id || "" : "");

const alike = (ours, theirs) =>
  ours.nodeType === theirs.nodeType && ours.nodeName === theirs.nodeName && keyOf(ours) === keyOf(theirs);

/** Make the children of `ours` those of `theirs`, keeping where it is every node that can be kept. */
function become(ours, theirs) {
  const wantedKeys = new Set([...theirs.childNodes].map(keyOf));
  const keyed = new Map();
  for (const child of [...ours.childNodes]) {
    const key = keyOf(child);
    if (key && !wantedKeys.has(key)) child.remove();
    else if (key) keyed.set(key, child);
  }
  let place = ours.firstChild;
  for (const wanted of [...theirs.childNodes]) {
    const key = keyOf(wanted);
    const child = key ? keyed.get(key) : place;
    if (!child || !alike(child, wanted)) {
      ours.insertBefore(wanted, place);
      continue;
    }
    while (place && place !== child && !keyOf(place)) place = removed(place);
    if (place === child) place = place.nextSibling;
    else moveBefore(child, place);
    update(child, wanted);
  }
  while (place) place = removed(place);
}

/** Take a node away; gives the one behind it. */
function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** What moves loses the focus: give it back. */
function moveBefore(child, place) {
  const focused = document.activeElement;
  child.parentNode.insertBefore(child, place);
  if (focused && child.contains(focused)) focused.focus({ preventScroll: true });
}

function update(ours, theirs) {
  if (ours.nodeType !== Node.ELEMENT_NODE) {
    if (ours.nodeValue !== theirs.nodeValue) ours.nodeValue = theirs.nodeValue;
    return;
  }
  for (const { name } of [...ours.attributes]) {
    // what people have opened stays open
    if (!theirs.hasAttribute(name) && !(name === "open" && ours.nodeName === "DETAILS")) ours.removeAttribute(name);
  }
  for (const { name, value } of theirs.attributes) {
    if (ours.getAttribute(name) !== value) ours.setAttribute(name, value);
  }
  become(ours, theirs);
}

class Live {
  constructor(place, said) {
    this.place = place;
    this.said = said;
    this.state = said.querySelector("[data-part=state]");
    this.time = said.querySelector("[data-part=time]");
    this.etag = "";
    this.failed = 0;
    this.timer = 0;
    this.asking = false;
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** Ask now, unless nobody looks or an answer is on its way. */
  async look() {
    clearTimeout(this.timer);
    if (document.hidden || this.asking) return;
    this.asking = true;
    let trouble = "";
    try {
      trouble = await this.ask();
    } catch {
      trouble = this.said.dataset.away;
    }
    this.asking = false;
    this.failed = trouble ? this.failed + 1 : 0;
    const pause = Math.min(LONGEST_MS, EVERY_MS * 2 ** Math.min(this.failed, 10));
    this.tell(trouble, pause);
    if (!document.hidden) this.timer = setTimeout(() => this.look(), trouble ? pause : EVERY_MS);
  }

  /** Take in what has changed. Says what is wrong, or nothing. */
  async ask() {
    const answer = await fetch(this.said.dataset.url, {
      headers: this.etag ? { "If-None-Match": this.etag } : {},
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual", // to the page of the login
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.type === "opaqueredirect" || answer.status === 403) return this.said.dataset.forbidden;
    if (answer.status === 304) return "";
    if (!answer.ok) return `${this.said.dataset.answered} ${answer.status}`;
    const text = await answer.text();
    const template = document.createElement("template");
    template.innerHTML = text; // of our own server, which has escaped what is not; a template runs nothing
    become(this.place, template.content);
    this.etag = answer.headers.get("ETag") || "";
    return "";
  }

  tell(trouble, pause) {
    const said = this.said.dataset;
    const text = trouble ? `${said.notLive} ${trouble}; ${said.again} ${Math.round(pause / 1000)} s; ${said.seen}` : `${said.live}, ${said.seen}`;
    if (this.state.textContent !== text) this.state.textContent = text;
    this.said.classList.toggle("docqueue-not-live", Boolean(trouble));
    if (!trouble) {
      const now = new Date();
      this.time.dateTime = now.toISOString();
      this.time.textContent = now.toTimeString().slice(0, 8);
    }
  }
}

const said = document.getElementById("docqueue-liveness");
const place = document.getElementById("docqueue-live");
if (said && place) new Live(place, said).look();
