// Keeps the page up to date: on events it reloads itself and replaces the parts that changed.
// If the page is unavailable (503), that is the header, which shows the reason.
"use strict";
(() => {
  const link = document.getElementById("link");
  const form = document.getElementById("filters");
  let url = location.href;
  let shown = url; // of the orders in the table
  let reading = null; // the running request; a later one replaces it
  let due = null;
  let dueAt = Infinity;
  let readAt = -Infinity;
  let unread = false; // while the page is hidden
  let moved = new Set();
  let reloadAll = false; // it is unknown what changed

  function later(pause) { // spreads viewers, at most one request per second
    const at = Math.max(performance.now() + pause * (1 + Math.random()), readAt + 1000);
    if (at >= dueAt) return;
    clearTimeout(due);
    dueAt = at;
    due = setTimeout(() => { dueAt = Infinity; read(); }, at - performance.now());
  }

  async function read() {
    unread = document.hidden;
    if (unread) return;
    if (reading && reading.url === url) return later(1000);
    if (reading) reading.abort();
    const mine = (reading = Object.assign(new AbortController(), { url }));
    readAt = performance.now();
    try {
      const answer = await fetch(url, { signal: mine.signal, headers: { Accept: "text/html" } });
      if (answer.ok || answer.status === 503) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch (error) {
      if (error.name !== "AbortError") showStatus("The daemon does not answer; retrying.");
    } finally {
      if (reading === mine) reading = null;
    }
  }

  function replace(fresh) {
    document.dispatchEvent(new CustomEvent("page-read", { detail: fresh }));
    const held = moved;
    const focused = document.activeElement;
    const redrawn = reloadAll || held.size > 0 || mapOf(document) !== mapOf(fresh);
    moved = new Set();
    reloadAll = false;
    if (mapOf(document)) document.getElementById("map").dataset.features = mapOf(fresh);
    document.title = fresh.title;
    const icons = [document, fresh].map((page) => page.getElementById("icon"));
    if (icons[1] && icons[0].getAttribute("href") !== icons[1].getAttribute("href")) icons[0].replaceWith(icons[1]);
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (!other) continue;
      if (part.id === "orders") keepFurther(part, other);
      become(part, other);
    }
    if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    for (const key of held) flash(rowOf(key));
    if (redrawn) document.dispatchEvent(new Event("orders-moved"));
    follow();
  }

  function mapOf(page) {
    const map = page.getElementById("map");
    return map && map.dataset.features;
  }

  function become(old, fresh) { // keeps unchanged nodes: focus, selection, pictures
    if (old.id === "map" || old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    const folds = old.nodeName === "DETAILS"; // the viewer opened or closed it
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(folds && name === "open")) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !(folds && name === "open")) old.setAttribute(name, value);
    const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const same = child.id ? named.get(child.id) : at && !at.id && at.nodeName === child.nodeName ? at : null;
      if (same !== at || !same) old.insertBefore(same || child, at);
      if (!same) continue;
      at = same.nextSibling;
      become(same, child);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  function keepFurther(part, other) { // keeps the rows that were loaded by scrolling
    const rows = part.querySelectorAll("tr[data-further]");
    if (shown === url && rows.length) {
      const body = other.querySelector("tbody");
      const known = new Set([...body.children].map((row) => row.id));
      for (const row of rows) if (!known.has(row.id)) body.append(row);
      const [more, next] = [part, other].map((one) => one.querySelector("#more"));
      if (next) more ? next.replaceWith(more) : next.parentElement.remove();
    }
    shown = url;
  }

  function flash(row) {
    if (!row || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const colour = getComputedStyle(document.documentElement).getPropertyValue("--flash");
    row.animate({ backgroundColor: [colour, "transparent"] }, 2500);
  }

  const wide = matchMedia("(min-width: 80rem)"); // else the map is below the table, and must stay within reach
  const watcher = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) further(one.target);
  }, { rootMargin: "600px" });

  function follow() {
    watcher.disconnect();
    const more = document.getElementById("more");
    if (!more) return;
    more.onclick = (event) => { event.preventDefault(); further(more); };
    if (wide.matches) watcher.observe(more);
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
    if (next) { more.href = next.href; follow(); } else more.closest(".more").remove();
  }

  function rowOf(key) {
    return document.querySelector(`tr[data-order="${CSS.escape(key)}"]`);
  }

  function isMine({ account, order_id }) {
    return mine.dataset.order === `${account}/${order_id}`;
  }

  function showStatus(text) {
    link.textContent = text;
    link.hidden = !text;
  }

  function keep(name, value) {
    try { localStorage.setItem(name, value); } catch { /* the browser keeps nothing */ }
  }

  function kept(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  }

  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("input[type=search]");
    if (event.key !== "/" || !field || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName)) return;
    event.preventDefault();
    field.focus();
  });

  const fold = document.getElementById("fold");
  if (fold) {
    fold.open = (kept("map") || (wide.matches ? "open" : "closed")) === "open";
    fold.addEventListener("toggle", () => keep("map", fold.open ? "open" : "closed"));
  }

  if (form) {
    const columns = new URLSearchParams(kept("view") || "").getAll("column"); // only these: a filter must not hide orders unseen
    if (!location.search && columns.length) {
      for (const box of form.elements) if (box.name === "column") box.checked = columns.includes(box.value);
      const query = new URLSearchParams(columns.map((column) => ["column", column]));
      url = shown = `${location.pathname}?${query}`;
      history.replaceState(null, "", url);
      later(0);
    }
    form.classList.add("live");
    const show = () => {
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      url = `${form.action.split("?")[0]}?${query}`;
      history.replaceState(null, "", url);
      keep("view", new URL(url).search);
      later(150);
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  }

  const mine = document.querySelector("#order[data-order]");
  function listen() {
    const events = new EventSource("/api/events");
    events.onopen = () => { showStatus(""); reloadAll = true; later(250); };
    events.onerror = () => {
      showStatus("The daemon does not answer; retrying.");
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000 * (1 + Math.random())); // rejected, e.g. by a proxy
    };
    events.onmessage = (event) => {
      const move = JSON.parse(event.data);
      const key = `${move.account}/${move.order_id}`;
      if (mine && !isMine(move)) return;
      moved.add(key);
      later(250);
    };
    events.addEventListener("lagged", () => { reloadAll = true; later(1000); });
    events.addEventListener("transfers", (event) => {
      if (mine ? JSON.parse(event.data).transfers.some(isMine) : document.querySelector("#header, #queue")) later(5000);
    });
    events.addEventListener("attention", () => later(250)); // the verdict of every page
    events.addEventListener("touched", (event) => {
      if (JSON.parse(event.data).orders.some(([account, order_id]) => (mine ? isMine({ account, order_id }) : rowOf(`${account}/${order_id}`)))) later(5000);
    });
  }

  document.addEventListener("acted", () => later(250));
  document.addEventListener("visibilitychange", () => { if (unread) read(); });
  setInterval(() => later(0), 60_000); // "2 min ago" grows old
  listen();
  follow();
})();
