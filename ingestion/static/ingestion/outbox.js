// From a choice of files to uploads: what can be told at once is told at once, the rest is sent in groups.

import { announce, failure, given, make, say, size } from "./common.js";
import { arrived, follow } from "./follow.js";
import { dropCard, nameOf, showCard } from "./job.js";
import { canResume, isFor, Large, unfinished } from "./large.js";
import { Multipart } from "./multipart.js";
import { forget, leftBehind } from "./notes.js";
import { isJunk, printOf } from "./picking.js";

const LARGE = 8 * 1024 * 1024;
const GROUP_BYTES = 64 * 1024 * 1024;
const GROUP_FILES = 100;
const AT_ONCE = 3;
const LISTED = 50;

const form = document.getElementById("upload");
const limit = {
  upload: Number(form && form.dataset.uploadBytes),
  file: Number(form && form.dataset.fileBytes),
  files: Math.min(GROUP_FILES, Number(form && form.dataset.files)),
};
const suffixes = new Set(given.suffixes || []);
const queue = [];
const running = new Set();
let cut = []; // what was interrupted: { fits(entry), whole, card, key }

const tags = () => document.getElementById("tags").value.trim();

function next() {
  while (running.size < AT_ONCE && queue.length) {
    const job = queue.shift();
    if (job.done) continue;
    running.add(job);
    Promise.resolve(job.start()).finally(() => {
      running.delete(job);
      next();
    });
  }
}

function enqueue(job) {
  queue.push(job);
  next();
}

export const busy = () => running.size > 0 || queue.some((job) => !job.done);

// What is wrong with a file before anything is sent; null when nothing is.
function fault({ file, path }) {
  if (!file.size) return { code: "empty_file", message: say("empty_file"), hint: say("empty_hint") };
  const most = Math.min(limit.upload, limit.file);
  if (file.size > most) {
    const message = say("too_large", { size: size(file.size), most: size(most) });
    return { code: "too_large", message, hint: say("too_large_hint") };
  }
  const suffix = (path.match(/\.[a-z0-9]{1,8}$/i) || [""])[0].toLowerCase();
  if (suffix && suffixes.size && !suffixes.has(suffix)) {
    const hint = say("not_a_type_hint");
    return { code: "unsupported_type", message: say("not_a_type", { suffix }), hint, anyway: true };
  }
  return null;
}

// Send what was chosen. What can not be sent is listed with the reason; system files are left out.
export function choose(chosen) {
  const known = new Set();
  const fine = [];
  const held = new Map();
  let junk = 0;
  let twice = 0;
  for (const entry of chosen) {
    const print = printOf(entry);
    if (isJunk(entry.path)) junk += 1;
    else if (known.has(print)) twice += 1;
    else {
      known.add(print);
      const wrong = fault(entry);
      if (!wrong) fine.push(entry);
      else held.set(wrong.message, [...(held.get(wrong.message) || []), { entry, wrong }]);
    }
  }
  if (!chosen.length) note(say("no_files"));
  if (junk) note(say("junk", { n: junk }));
  if (twice) note(say("duplicates_in_choice", { n: twice }));
  for (const some of held.values()) hold(some);
  send(fine);
}

function note(text) {
  const card = make("p", { class: "facts" }, text, " ");
  const button = make("button", { type: "button", class: "link" }, say("dismiss"));
  button.addEventListener("click", () => dropCard(card));
  card.append(button);
  showCard(card);
  announce(text);
}

// One card for all files that have the same fault.
function hold(some) {
  const [{ wrong }] = some;
  const card = make("article", { class: "card held" });
  const name = nameOf(some.map(({ entry }) => entry));
  card.append(make("h3", { class: "name" }, make("bdi", {}, name)), failure(wrong));
  if (some.length > 1) {
    const rows = some.slice(0, LISTED).map(({ entry }) => make("li", {}, make("bdi", {}, entry.path)));
    if (some.length > LISTED) rows.push(make("li", {}, say("more_files", { n: some.length - LISTED })));
    card.append(make("ul", { class: "files" }, ...rows));
  }
  const actions = make("p", { class: "actions" });
  const offer = (word, act) => {
    const button = make("button", { type: "button" }, say(word), make("span", { class: "unseen" }, ` ${name}`));
    button.addEventListener("click", () => {
      dropCard(card);
      act();
    });
    actions.append(button);
  };
  if (wrong.anyway) offer("send_anyway", () => send(some.map(({ entry }) => entry)));
  offer("dismiss", () => {});
  card.append(actions);
  showCard(card);
  announce(`${name}: ${wrong.message}`);
}

function send(entries) {
  const left = resume(entries);
  const small = [];
  const options = { tags: tags(), ended: enqueue };
  for (const entry of left) {
    if (entry.file.size >= LARGE && canResume()) enqueue(new Large([entry], options));
    else if (entry.file.size >= LARGE || /\.zip$/i.test(entry.path)) enqueue(new Multipart([entry], options));
    else small.push(entry);
  }
  for (const group of groups(small)) enqueue(new Multipart(group, options));
}

function groups(entries) {
  const made = [];
  let bytes = 0;
  for (const entry of entries) {
    const last = made[made.length - 1];
    if (last && last.length < limit.files && bytes + entry.file.size <= GROUP_BYTES) {
      last.push(entry);
      bytes += entry.file.size;
    } else {
      made.push([entry]);
      bytes = entry.file.size;
    }
  }
  return made;
}

// Files that were being sent when the page went away go on as the same upload. Returns the others.
function resume(entries) {
  let left = entries;
  for (const one of [...cut]) {
    const again = one.find(left);
    if (!again) continue;
    left = left.filter((entry) => !again.includes(entry));
    dropCard(one.card);
    cut = cut.filter((other) => other !== one);
    const options = { tags: one.tags, key: one.key, ended: enqueue };
    enqueue(one.key ? new Multipart(again, options) : new Large(again, options));
  }
  return left;
}

function interrupted({ name, text, files, ...rest }, drop) {
  const card = make("article", { class: "card interrupted" });
  const title = make("h3", { class: "name" }, make("bdi", {}, name));
  const state = make("span", { class: "state is-mixed" }, text);
  const button = make("button", { type: "button" }, say("forget"), make("span", { class: "unseen" }, ` ${name}`));
  card.append(make("div", { class: "row" }, title, state));
  if (files.length > 1) {
    card.append(make("p", { class: "facts" }, files.slice(0, LISTED).map((file) => file.path).join(", ")));
  }
  card.append(make("p", { class: "actions" }, button));
  const one = { ...rest, card };
  button.addEventListener("click", () => {
    cut = cut.filter((other) => other !== one);
    dropCard(card);
    drop();
  });
  cut.push(one);
  showCard(card);
}

function ofNote(left) {
  const prints = left.files.map(({ path, ...file }) => printOf({ path, file }));
  const name = nameOf(left.files);
  const find = (entries) => {
    const found = prints.map((print) => entries.find((entry) => printOf(entry) === print));
    return found.every(Boolean) ? found : null;
  };
  const told = { name, text: say("interrupted"), files: left.files, key: left.key, tags: left.tags, find };
  interrupted(told, () => forget(left.key));
}

// At the start: what the last visit left unfinished. What has arrived after all is only followed.
export async function recall() {
  const left = leftBehind();
  const keys = await arrived(left.slice(-40).map((one) => one.key)).catch(() => ({}));
  for (const one of left) {
    if (keys[one.key]) {
      forget(one.key);
      follow(keys[one.key], { fresh: true });
    } else ofNote(one);
  }
  for (const one of await unfinished()) {
    const percent = one.size ? Math.floor((100 * one.offset) / one.size) : 0;
    const find = (entries) => {
      const entry = entries.find((other) => isFor(one, other));
      return entry ? [entry] : null;
    };
    const name = one.metadata.relativePath || one.metadata.filename;
    const told = { name, text: say("interrupted_tus", { percent }), files: [], tags: one.metadata.tags || "", find };
    interrupted(told, one.forget);
  }
}
