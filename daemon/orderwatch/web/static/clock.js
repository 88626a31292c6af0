// Shows times as the viewer chose: how long ago or exactly, in UTC or in local time. The browser keeps the choice.
"use strict";
(() => {
  const menu = document.getElementById("clock");
  const local = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" }); // 2026-11-22 13:00:00
  const named = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });
  const choice = { zone: kept("zone") === "local" ? "local" : "UTC", exact: kept("exact") === "yes" };

  function kept(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  }

  function keep(name, value) {
    try { localStorage.setItem(name, value); } catch { /* the browser keeps nothing */ }
  }

  function zoneAt(time) {
    return named.formatToParts(time).find((part) => part.type === "timeZoneName").value;
  }

  function written(iso) {
    const time = new Date(iso);
    if (choice.zone === "local") return `${local.format(time)} ${zoneAt(time)}`;
    return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  }

  function show(page) {
    for (const time of page.querySelectorAll("time")) {
      const exactly = written(time.dateTime);
      if ("clock" in time.dataset) time.title = exactly; // the page has days in UTC
      else if ("exact" in time.dataset) time.textContent = exactly;
      else {
        time.dataset.relative ??= time.textContent;
        time.textContent = choice.exact ? exactly : time.dataset.relative;
        time.title = choice.exact ? time.dataset.relative : exactly;
      }
    }
    for (const tick of page.querySelectorAll("text[data-time]")) {
      tick.dataset.utc ??= tick.textContent;
      const time = new Date(tick.dataset.time);
      const hours = `${String(time.getHours()).padStart(2, "0")}:${String(time.getMinutes()).padStart(2, "0")}`;
      const day = `${time.getDate()} ${time.toLocaleString("en", { month: "short" })}`;
      const isDay = !tick.dataset.utc.includes(":");
      tick.textContent = choice.zone !== "local" ? tick.dataset.utc : isDay ? `${day} ${hours}` : hours;
    }
  }

  function label() {
    const zone = choice.zone === "local" ? zoneAt(new Date()) : "UTC";
    menu.querySelector("summary").lastElementChild.textContent = zone;
  }

  menu.hidden = false;
  for (const box of menu.querySelectorAll("input")) {
    box.checked = box.type === "radio" ? box.value === choice.zone : choice.exact;
    box.addEventListener("change", () => {
      if (box.type === "radio") keep("zone", (choice.zone = box.value));
      else keep("exact", (choice.exact = box.checked) ? "yes" : "");
      label();
      show(document);
    });
  }
  document.addEventListener("page-read", (event) => show(event.detail));
  label();
  show(document);
})();
