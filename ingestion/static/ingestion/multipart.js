// Small files, several in one request. The request has a key: sent again, after a lost answer or a reload, it is the
// same upload.

import { ASK_AGAIN, announce, csrf, patience, pause, problem, say, urls } from "./common.js";
import { arrived, callOff, follow, loggedOut } from "./follow.js";
import { Job } from "./job.js";
import { forget, newKey, remember } from "./notes.js";

const LONGEST = 30;
const PASSING = new Set([0, 429, 502, 503, 504, 507]);

export class Multipart extends Job {
  constructor(entries, { tags, key, ended }) {
    super(entries);
    this.tags = tags;
    this.key = key || newKey();
    this.ended = ended;
    this.keep();
  }

  keep() {
    const files = this.entries.map(({ path, file }) => ({ path, size: file.size, lastModified: file.lastModified }));
    remember({ key: this.key, tags: this.tags, files });
  }

  // Sends until there is an answer. Resolves when there is nothing more to do by itself.
  async start() {
    this.begin();
    for (let tried = 0; !this.done; tried += 1) {
      if (!(await this.readable())) return this.refuse({ message: say("changed"), code: "file_changed" });
      const answer = await this.send();
      if (this.done) return undefined;
      if (answer.status === 202) return this.taken(await answer.json());
      const told = answer.status ? await problem(answer) : { message: say("no_network"), code: "no_network" };
      if (answer.status === 401 || told.code === "csrf_failed") loggedOut();
      const passing = PASSING.has(answer.status) && (answer.status === 0 || told.retryable !== false);
      if (!passing) forget(this.key); // it was refused: nothing is left to be continued
      if (!passing || tried > 200) return this.refuse(told, () => this.again());
      await this.wait(told, Math.min(2 ** tried, LONGEST));
    }
    return undefined;
  }

  again() {
    this.keep();
    this.ended(this);
  }

  async wait(told, seconds) {
    this.state.textContent = say("again_in", { reason: told.message, seconds });
    await patience(seconds * 1000);
  }

  // A file that was changed on the disk since it was chosen can not be sent, and looks like a lost network.
  async readable() {
    try {
      await Promise.all(this.entries.map(({ file }) => file.slice(0, 1).arrayBuffer()));
      return true;
    } catch {
      return false;
    }
  }

  send() {
    const form = new FormData();
    for (const { file, path } of this.entries) {
      form.append("path", path);
      form.append("file", file, file.name);
    }
    if (this.tags) form.append("tags", this.tags);
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open("POST", urls.documents);
      request.setRequestHeader("X-CSRFToken", csrf());
      request.setRequestHeader("Idempotency-Key", this.key);
      request.upload.addEventListener("progress", (event) => {
        this.progress(event.total ? (this.total * event.loaded) / event.total : 0);
      });
      request.addEventListener("loadend", () => {
        const { status, responseText, statusText } = request;
        done(status ? new Response(responseText, { status, statusText }) : { status: 0 });
      });
      request.send(form);
    });
  }

  taken(intake) {
    follow(intake.id, { fresh: true });
    announce(say("taken", { name: this.name }));
    this.leave();
  }

  leave() {
    forget(this.key);
    super.leave();
  }

  // What the server may have taken in meanwhile is cancelled there.
  async cancel() {
    this.leave();
    if (!this.request) return;
    this.request.abort();
    for (const ms of ASK_AGAIN) {
      await pause(ms);
      const id = await arrived([this.key]).then((keys) => keys[this.key], () => null);
      if (id) return callOff(id);
    }
  }
}
