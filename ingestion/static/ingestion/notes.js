// What is being sent, kept in the browser: after a reload the page knows what was cut off and under which key, so that
// the same files, chosen again, are the same upload and never a second one. A browser forgets the files themselves.

import { urls } from "./common.js";

const PLACE = `docqueue.sending.${urls.user}`;
const STALE = 20000; // a note that its tab has not renewed for so long has been left behind
const TAB = "docqueue.tab";

function key() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const newKey = () => `page-${key()}`;

// Without storage (some private windows) everything works but the continuing after a reload.
function stored(area, name) {
  try {
    return area().getItem(name);
  } catch {
    return null;
  }
}

function store(area, name, value) {
  try {
    area().setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

const local = () => window.localStorage;
const session = () => window.sessionStorage;
const tab = stored(session, TAB) || key();
store(session, TAB, tab);
const mine = new Map();

function all() {
  try {
    const read = JSON.parse(stored(local, PLACE) || "[]");
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}

function write(change) {
  store(local, PLACE, JSON.stringify(change(all()).slice(-200)));
}

export function remember(note) {
  const full = { ...note, tab, at: Date.now() };
  mine.set(note.key, full);
  write((notes) => [...notes.filter((one) => one.key !== note.key), full]);
}

export function forget(noteKey) {
  mine.delete(noteKey);
  write((notes) => notes.filter((one) => one.key !== noteKey));
}

// What no tab is sending any more.
export function leftBehind() {
  const now = Date.now();
  return all().filter((one) => !mine.has(one.key) && (one.tab === tab || now - one.at > STALE));
}

setInterval(() => {
  if (mine.size) write((notes) => notes.map((one) => (mine.has(one.key) ? { ...one, at: Date.now() } : one)));
}, STALE / 4);
