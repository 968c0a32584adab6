// Where the page comes to life. Everything here works without it, as plain forms and links.

import { announce, csrf, failure, pause, problem, say, urls } from "./common.js";
import { follow, forgetCard, loggedOut, poke, run } from "./follow.js";
import { morph } from "./morph.js";
import { busy, choose, recall } from "./outbox.js";
import { fromDrop, fromInput } from "./picking.js";

document.documentElement.classList.add("script");
document.querySelectorAll(".script-only").forEach((one) => {
  if (one.id !== "outbox") one.hidden = false;
});

// Choosing and dropping
const form = document.getElementById("upload");
if (form) {
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.required = false;
    input.addEventListener("change", () => {
      choose(fromInput(input));
      input.value = ""; // the same files can be chosen again
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let inside = 0;
  const over = (change) => {
    inside = Math.max(0, inside + change);
    form.classList.toggle("over", inside > 0);
  };
  window.addEventListener("dragenter", (event) => files(event) && over(1));
  window.addEventListener("dragleave", (event) => files(event) && over(-1));
  window.addEventListener("dragover", (event) => files(event) && event.preventDefault());
  window.addEventListener("drop", async (event) => {
    if (!files(event)) return;
    event.preventDefault(); // beside the field, too: a browser would leave the page and show the file
    over(-inside);
    choose(await fromDrop(event.dataTransfer));
  });
  recall();
}

window.addEventListener("beforeunload", (event) => {
  if (busy()) event.preventDefault();
});

// The buttons of the cards ask the API, so that nothing that is being sent is interrupted.
const ask = document.getElementById("ask");

function confirmed(text) {
  document.getElementById("ask-text").textContent = text;
  ask.returnValue = "no";
  ask.showModal();
  return new Promise((done) => ask.addEventListener("close", () => done(ask.returnValue === "yes"), { once: true }));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-api]");
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (button.hasAttribute("aria-disabled")) return; // asked already
  const card = button.closest("[data-intake]");
  if (button.dataset.ask && !(await confirmed(button.dataset.ask))) return;
  const method = button.dataset.method || "POST";
  const headers = { "X-CSRFToken": csrf(), "Content-Type": "application/json" };
  button.setAttribute("aria-disabled", "true");
  card.querySelectorAll(":scope > .failure[role]").forEach((old) => old.remove());
  try {
    const response = await fetch(button.dataset.api, { method, headers, body: method === "POST" ? "{}" : undefined });
    if (!response.ok) refused(card, response.status, await problem(response));
    else if (method === "DELETE") deleted(card);
    else if (response.status === 202 && (await response.json()).item_id === null) {
      refused(card, 0, { message: say("nothing_to_retry"), code: "nothing_to_retry" });
    } else follow(card.dataset.intake, { seconds: 60 });
  } catch {
    refused(card, 0, { message: say("no_network"), code: "no_network" });
  }
  button.removeAttribute("aria-disabled");
});

function refused(card, status, told) {
  if (status === 401) loggedOut();
  const box = failure(told);
  box.setAttribute("role", "alert");
  card.append(box);
  pause(8000).then(() => box.remove());
  poke();
}

function deleted(card) {
  announce(`${card.dataset.title}: ${say("deleted")}`);
  forgetCard(card.dataset.intake);
  if (!document.querySelector("[data-intake]") && !form) window.location.assign(document.querySelector(".brand").href);
}

// Search without leaving the page.
const search = document.getElementById("search");
if (search) {
  const results = document.getElementById("results");
  let asking = null;
  const load = async (address) => {
    if (asking) asking.abort(); // an older answer must not take the place of a newer one
    asking = new AbortController();
    const response = await fetch(address, { signal: asking.signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("results");
    if (!fresh) window.location.assign(address);
    else morph(results, document.adoptNode(fresh));
    document.title = page.title;
  };
  const go = (address) => {
    history.pushState(null, "", address);
    const told = () => announce(say("hits", { n: results.querySelectorAll(".hits li").length }));
    return load(address).then(told, (error) => error.name === "AbortError" || announce(say("no_network")));
  };
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams([...new FormData(search)].filter(([, value]) => value));
    go(`${search.getAttribute("action")}?${asked}`);
  });
  results.addEventListener("click", (event) => {
    const link = event.target.closest("a[href*='cursor=']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.href);
  });
  window.addEventListener("popstate", () => load(window.location.href).catch(() => {}));
}

if (urls.news) run();
