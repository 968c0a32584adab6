// One thing that is being sent, as a card: its files, each with a bar that shows bytes that have really left.

import { announce, failure, make, say, size } from "./common.js";

const ROWS = 50;
let number = 0;
const place = document.getElementById("sending");
const section = document.getElementById("outbox");

export function showCard(card) {
  place.append(card);
  section.hidden = false;
}

export function dropCard(card) {
  const held = card.contains(document.activeElement);
  card.remove();
  section.hidden = !place.children.length;
  if (held) document.getElementById("choose").focus();
}

export function nameOf(files) {
  return files.length === 1 ? files[0].path : say("and_more", { first: files[0].path, n: files.length - 1 });
}

export class Job {
  constructor(entries) {
    this.entries = entries;
    this.total = entries.reduce((sum, { file }) => sum + file.size, 0);
    this.name = nameOf(entries);
    this.done = false;
    number += 1;
    const id = `sending-${number}`;
    this.state = make("span", { class: "state is-busy" });
    this.bar = make("progress", { max: 100, value: 0, "aria-labelledby": `${id}-name` });
    this.fault = make("div", {});
    this.actions = make("p", { class: "actions" });
    const title = make("h3", { class: "name", id: `${id}-name` }, make("bdi", {}, this.name));
    const facts = make("p", { class: "facts" }, size(this.total));
    this.card = make("article", { class: "card", id, "aria-labelledby": `${id}-name` });
    this.card.append(make("div", { class: "row" }, title, this.state), this.bar, facts, this.fault, this.actions);
    this.bars = [];
    if (entries.length > 1) this.card.append(this.rows());
    this.say("waiting");
    this.offer(["cancel", () => this.cancel()]);
    showCard(this.card);
  }

  rows() {
    const list = make("ul", { class: "files" });
    for (const { path, file } of this.entries.slice(0, ROWS)) {
      const bar = make("progress", { max: 100, value: 0, "aria-label": path });
      this.bars.push(bar);
      const name = make("span", { class: "name" }, make("bdi", {}, path));
      const row = make("div", { class: "row" }, name, make("span", { class: "facts" }, size(file.size)));
      list.append(make("li", {}, row, bar));
    }
    if (this.entries.length > ROWS) list.append(make("li", {}, say("more_files", { n: this.entries.length - ROWS })));
    return list;
  }

  say(word, values) {
    this.state.textContent = say(word, values);
  }

  begin() {
    this.trouble(null);
    this.say("sending", { percent: 0 });
    this.offer(["cancel", () => this.cancel()]);
  }

  // Bytes of all files together, in their order.
  progress(sent) {
    const percent = this.total ? Math.floor((100 * Math.min(sent, this.total)) / this.total) : 100;
    this.bar.value = percent;
    let before = 0;
    this.bars.forEach((bar, n) => {
      const bytes = this.entries[n].file.size;
      bar.value = bytes ? Math.max(0, Math.min(100, (100 * (sent - before)) / bytes)) : 100;
      before += bytes;
    });
    if (percent >= 100) this.say("sent");
    else this.say("sending", { percent });
  }

  offer(...choices) {
    const held = this.actions.contains(document.activeElement);
    this.actions.replaceChildren(
      ...choices.map(([word, act]) => {
        const button = make("button", { type: "button" }, say(word), make("span", { class: "unseen" }, ` ${this.name}`));
        button.addEventListener("click", act);
        return button;
      }),
    );
    if (held) this.actions.querySelector("button").focus();
  }

  trouble(told) {
    this.fault.replaceChildren(...(told ? [failure(told)] : []));
    this.state.className = `state is-${told ? "bad" : "busy"}`;
  }

  refuse(told, again) {
    this.trouble(told);
    this.state.textContent = "";
    announce(`${this.name}: ${told.message}`);
    this.offer(...(again ? [["retry", again]] : []), ["dismiss", () => this.leave()]);
  }

  leave() {
    this.done = true;
    dropCard(this.card);
  }
}
