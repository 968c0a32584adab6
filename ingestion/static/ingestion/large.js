// Large files, one at a time and resumable: what has arrived stays arrived through a lost network and a reload.

import { ASK_AGAIN, announce, csrf, pause, problem, say, urls } from "./common.js";
import { callOff, follow, loggedOut } from "./follow.js";
import { Job } from "./job.js";
import { newKey } from "./notes.js";
import { printOf } from "./picking.js";

// Of one request; the server keeps what came of a part that was cut off.
const form = document.getElementById("upload");
const PART = Math.min(32 * 1024 * 1024, Number(form && form.dataset.patchBytes) || Infinity);
const PATIENCE = [...[0, 1, 2, 4, 8, 16].map((s) => s * 1000), ...Array(120).fill(30000)];
const mark = `docqueue-${urls.user}-`;

export const canResume = () => Boolean(urls.tus && window.tus && window.tus.isSupported);

// What this browser began to send and has not finished. The server is asked how far it came.
export async function unfinished() {
  if (!canResume()) return [];
  const found = [];
  for (const one of await window.tus.defaultOptions.urlStorage.findAllUploads()) {
    if (!one.urlStorageKey.startsWith(`tus::${mark}`) || !one.uploadUrl) continue;
    const forget = () => window.tus.defaultOptions.urlStorage.removeUpload(one.urlStorageKey);
    const answer = await fetch(one.uploadUrl, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => null);
    if (answer && [403, 404, 410].includes(answer.status)) {
      await forget();
      continue;
    }
    const intake = answer && answer.headers.get("Docqueue-Intake");
    if (intake) {
      await forget();
      follow(intake, { fresh: true });
      continue;
    }
    const offset = answer ? Number(answer.headers.get("Upload-Offset")) || 0 : 0;
    found.push({ ...one, offset, forget: () => forget().then(() => window.tus.Upload.terminate(one.uploadUrl, options()).catch(() => {})) });
  }
  return found;
}

function options() {
  return { retryDelays: [0, 1000], onBeforeRequest: (request) => request.setHeader("X-CSRFToken", csrf()) };
}

function detail(answer) {
  try {
    return JSON.parse(answer.getBody()).detail;
  } catch {
    return "";
  }
}

export const isFor = (left, entry) => left.urlStorageKey.startsWith(`tus::${mark}${printOf(entry)}::`);

export class Large extends Job {
  constructor(entries, { tags, ended }) {
    super(entries);
    this.ended = ended;
    const [{ file, path }] = entries;
    const metadata = { filename: file.name, relativePath: path };
    if (tags) metadata.tags = tags;
    this.upload = new window.tus.Upload(file, {
      ...options(),
      headers: { "Idempotency-Key": newKey() }, // an answer that is lost does not begin a second upload
      endpoint: urls.tus,
      chunkSize: PART,
      retryDelays: PATIENCE,
      metadata,
      removeFingerprintOnSuccess: true,
      fingerprint: async () => mark + printOf(entries[0]),
      onAfterResponse: (request, response) => {
        this.intake = response.getHeader("Docqueue-Intake") || this.intake;
      },
      onShouldRetry: (error, tried) => this.goOn(error, tried),
      onProgress: (sent) => {
        this.lost = false;
        this.progress(sent);
      },
      onSuccess: () => this.taken(),
      onError: (error) => this.failed(error),
    });
  }

  start() {
    this.begin();
    return new Promise((done) => {
      this.finish = () => {
        window.removeEventListener("online", this.back);
        done();
      };
      this.back = () => this.network();
      window.addEventListener("online", this.back);
      this.upload.findPreviousUploads().then((before) => {
        if (this.done) return this.finish();
        if (before.length) this.upload.resumeFromPreviousUpload(before[0]);
        return this.upload.start();
      });
    });
  }

  // Only while the server can not be reached or is busy; what it refuses it would refuse again.
  goOn(error, tried) {
    const answer = error.originalResponse;
    const status = answer ? answer.getStatus() : 0;
    const passing = status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
    this.lost = passing;
    if (passing && !this.done) {
      const seconds = (PATIENCE[tried] || 0) / 1000;
      this.state.textContent = say("again_in", { reason: (status && detail(answer)) || say("no_network"), seconds });
      if (!status) this.look();
    }
    return passing;
  }

  // A file that was changed on the disk since it was chosen can not be sent, and looks like a lost network.
  async look() {
    if ((await this.readable()) || this.done) return;
    await this.upload.abort().catch(() => {});
    this.refuse({ message: say("changed"), code: "file_changed" });
    this.finish();
  }

  // The network is back: go on at once, not when the long pause between two tries is over.
  async network() {
    if (!this.lost || this.done) return;
    this.lost = false;
    await this.upload.abort().catch(() => {});
    this.upload.start();
  }

  taken() {
    if (this.intake) follow(this.intake, { fresh: true });
    announce(say("taken", { name: this.name }));
    this.leave();
    this.finish();
  }

  async failed(error) {
    const original = error.originalResponse;
    let told = { message: say("no_network"), code: "no_network" };
    if (original && original.getStatus()) {
      told = await problem(new Response(original.getBody() || "", { status: original.getStatus() }));
      if (original.getStatus() === 401 || told.code === "csrf_failed") loggedOut();
    }
    this.refuse(told, () => this.ended(this));
    this.finish();
  }

  readable() {
    return this.entries[0].file.slice(0, 1).arrayBuffer().then(() => true, () => false);
  }

  async cancel() {
    this.leave();
    this.finish();
    await this.upload.abort().catch(() => {});
    for (const ms of this.upload.url ? ASK_AGAIN : []) {
      await pause(ms);
      const answer = await fetch(this.upload.url, { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => null);
      const intake = answer && answer.headers.get("Docqueue-Intake");
      if (intake) return callOff(intake);
      if (answer && [404, 410].includes(answer.status)) return;
      if (answer && answer.ok) break; // it is not complete
    } // 423: it is being taken in at this moment
    await this.upload.abort(true).catch(() => {}); // what the server keeps of it goes by itself after a day
  }
}
