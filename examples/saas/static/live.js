// Loads the usage anew whenever the server says that it has changed.
"use strict";
const usage = document.getElementById("usage");
const news = document.getElementById("news");
new EventSource("/app/events").onmessage = async () => {
  const answer = await fetch("/app/usage", { redirect: "manual" }).catch(() => null);
  if (answer && answer.type === "opaqueredirect") location.reload(); // nobody is signed in any more
  if (!answer || !answer.ok) return;
  const text = await answer.text();
  if (text.trim() === usage.dataset.text) return;
  if (usage.dataset.text) news.textContent = "Your plan and usage have changed.";
  usage.dataset.text = text.trim();
  usage.innerHTML = text; // of html/template, from our own server
};
