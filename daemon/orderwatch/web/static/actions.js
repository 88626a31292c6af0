// Sends what a button of `actions.html` does, with the page's key, which no other site can read.
"use strict";
(() => {
  const WORDS = {
    refresh: ({ refreshed }) => refreshed.map(found).join("; ") || "Nothing to poll.",
    pause: () => "Paused.",
    resume: ({ resumed }) => (resumed ? "Resumed." : "Nothing was paused."),
    retry: ({ requeued }) => `${requeued.length || "No"} ${requeued.length === 1 ? "delivery" : "deliveries"} queued again.`,
    acknowledge: ({ acknowledged }) => `${acknowledged.length || "Nothing"} acknowledged.`,
  };

  function found({ account, done, polled, changes, problems }) {
    if (!done) return `${account}: still polling`;
    return [`${account}: ${polled} polled, ${changes || "no"} changed`, ...problems].join(", ");
  }

  async function act(button) {
    const { action, body } = button.dataset;
    const key = button.closest("[data-key]").dataset.key;
    button.disabled = true;
    say("…");
    try {
      const answer = await fetch(`/api/actions/${action}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Orderwatch-Action": key },
        body,
      });
      const facts = await answer.json();
      say(answer.ok ? WORDS[action](facts) : facts.error);
      document.dispatchEvent(new Event("acted"));
    } catch {
      say("The daemon does not answer.");
    } finally {
      button.disabled = false;
    }
  }

  function say(text) {
    document.getElementById("acted").textContent = text;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button) act(button);
  });
})();
