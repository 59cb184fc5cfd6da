// Writes moments in the reader's own time, and renews the page when the relayer tells of a change.
"use strict";

const live = document.getElementById("live");
const main = document.getElementById("content");

function moments(root) {
  for (const time of root.querySelectorAll("time[data-unix]")) {
    const date = new Date(Number(time.dataset.unix) * 1000);
    if (Number.isNaN(date.getTime())) continue;
    time.dateTime = date.toISOString();
    time.textContent = date.toLocaleString();
  }
}

async function renew() {
  const answer = await fetch(location.pathname);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = page.getElementById("content");
  if (!content) return;
  moments(content);
  // The focus stays where it was, by the link's target.
  const focused = document.activeElement?.getAttribute?.("href");
  main.replaceChildren(...content.childNodes);
  document.querySelector("header .badge")?.replaceWith(page.querySelector("header .badge"));
  if (focused && main.contains(document.activeElement) === false) {
    [...main.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focused)?.focus();
  }
  live.textContent = `as of ${new Date().toLocaleTimeString()}`;
}

moments(document);
// Blocks and nodes are no news, and are seen all the same.
setInterval(() => renew().catch(() => {}), 30_000);
const events = new EventSource("/api/events");
let first = true;
events.addEventListener("snapshot", () => {
  live.textContent = "up to date";
  // The page that was just loaded shows the first one.
  if (!first) renew().catch(() => (live.textContent = "the relayer does not answer"));
  first = false;
});
events.addEventListener("error", () => (live.textContent = "the relayer does not answer"));
