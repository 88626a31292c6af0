// Keeps the page as it is in the daemon: on news it reads itself again and puts the parts in place that changed.
"use strict";
(() => {
  const link = document.getElementById("link");
  const form = document.getElementById("filters");
  let url = location.href;
  let reading = null; // the request under way; a later one takes its place
  let due = null;
  let moved = new Set();

  function later(pause) {
    if (due === null) due = setTimeout(() => { due = null; read(); }, pause);
  }

  async function read() {
    if (reading) reading.abort();
    const mine = (reading = new AbortController());
    try {
      const answer = await fetch(url, { signal: mine.signal, headers: { Accept: "text/html" } });
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch (error) {
      if (error.name !== "AbortError") say("The daemon does not answer; trying again.");
    }
  }

  function replace(fresh) {
    const held = moved;
    moved = new Set();
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (!other) continue;
      keepMap(part, other);
      if (part.id === "orders") rows(part, other);
      else if (part.innerHTML !== other.innerHTML) part.replaceChildren(...other.childNodes);
    }
    for (const key of held) {
      const row = document.querySelector(`tr[data-order="${CSS.escape(key)}"]`);
      if (row) row.classList.add("moved");
    }
    document.dispatchEvent(new Event("orders-moved"));
    follow();
  }

  function keepMap(part, other) { // a map that is drawn stays
    const map = part.querySelector("#map");
    const blank = other.querySelector("#map");
    if (map && blank) blank.replaceWith(map);
  }

  function rows(part, other) { // what was loaded further down stays, in its new form where it is told
    const known = new Map([...part.querySelectorAll("tbody tr[id]")].map((row) => [row.id, row]));
    const body = other.querySelector("tbody");
    const told = new Set([...body.children].map((row) => row.id));
    if (part.dataset.url === url) {
      for (const [id, row] of known) if (!told.has(id) && row.dataset.further) body.append(row);
      const more = part.querySelector("#more");
      if (more && more.dataset.further && other.querySelector("#more")) other.querySelector("#more").replaceWith(more);
    }
    part.dataset.url = url;
    if (part.innerHTML !== other.innerHTML) part.replaceChildren(...other.childNodes);
  }

  const watcher = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) further(one.target);
  }, { rootMargin: "600px" });

  function follow() {
    watcher.disconnect();
    const more = document.getElementById("more");
    if (more) watcher.observe(more);
  }

  async function further(more) {
    watcher.unobserve(more);
    const answer = await fetch(more.href);
    if (!answer.ok || !more.isConnected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const body = document.querySelector("#orders tbody");
    for (const row of [...fresh.querySelectorAll("#orders tbody tr[id]")]) {
      row.dataset.further = "yes";
      if (!document.getElementById(row.id)) body.append(row);
    }
    const next = fresh.getElementById("more");
    if (next) { more.href = next.href; more.dataset.further = "yes"; follow(); } else more.closest(".more").remove();
  }

  function say(text) {
    link.textContent = text;
    link.hidden = !text;
  }

  if (form) {
    form.classList.add("live");
    const show = () => {
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      url = `${form.action.split("?")[0]}?${query}`;
      history.replaceState(null, "", url);
      later(150);
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  }

  const mine = document.querySelector("#order[data-order]");
  const events = new EventSource("/api/events");
  events.onopen = () => { say(""); later(0); };
  events.onerror = () => say("The daemon does not answer; trying again.");
  events.onmessage = (event) => {
    const move = JSON.parse(event.data);
    const key = `${move.account}/${move.task_id}`;
    if (mine && mine.dataset.order !== key) return;
    moved.add(key);
    later(250);
  };
  for (const name of ["touched", "transfers", "lagged"]) events.addEventListener(name, () => later(1000));
  setInterval(() => later(0), 60_000); // "2 min ago" grows old
  follow();
})();
