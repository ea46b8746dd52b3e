// Shows what the server tells of the fleet, ten times a second, and has the buttons do what they say.
"use strict";
const by = (id) => document.getElementById(id);
const show = (element, text) => {
  text = String(text);
  if (element.textContent !== text) element.textContent = text;
};

function button(text, what, className = "") {
  const b = document.createElement("button");
  b.dataset.do = what;
  b.textContent = text;
  b.className = className;
  return b;
}

const replicas = [1, 2, 3].map((n) => {
  const card = by("replica").content.firstElementChild.cloneNode(true);
  const heading = card.querySelector("h2");
  heading.id = `replica-${n}`;
  card.setAttribute("aria-labelledby", heading.id);
  const buttons = {
    kill: button(`Kill replica ${n}`, `replica/${n}/kill`, "danger"), start: button(`Start replica ${n}`, `replica/${n}/start`),
    cut: button("Cut off", `replica/${n}/cut`), heal: button("Heal", `replica/${n}/heal`),
  };
  buttons.cut.ariaLabel = `Cut off replica ${n}`;
  buttons.heal.ariaLabel = `Heal replica ${n}`;
  card.querySelector(".buttons").append(...Object.values(buttons));
  by("replicas").append(card);
  return { card, heading, buttons, state: card.querySelector(".state"), without: card.querySelector(".without") };
});

function showReplica({ card, heading, buttons, state, without }, r) {
  show(heading, r.Name[0].toUpperCase() + r.Name.slice(1));
  const is = r.State === "serves" && r.Cut ? "cut" : r.State;
  show(state, is === "cut" ? "cut off" : is);
  state.className = `state ${is}`;
  card.className = `card replica ${is}`;
  const numbers = { ...r, ...r.Answers };
  for (const dd of card.querySelectorAll("[data-n]")) show(dd, Math.round(numbers[dd.dataset.n]));
  show(without, (r.Without || []).join(" · "));
  buttons.kill.hidden = r.State === "killed";
  buttons.start.hidden = r.State !== "killed";
  buttons.cut.hidden = r.Cut;
  buttons.heal.hidden = !r.Cut;
}

function showAccount(v) {
  const a = v.Account;
  show(by("customer"), `${a.Customer}, Basic plan`);
  show(by("total"), a.Total);
  show(by("limit"), a.Limit);
  const bar = by("bar");
  bar.ariaValueMax = a.Limit;
  bar.ariaValueNow = a.Total;
  const hand = Math.round(v.Replicas.reduce((sum, r) => sum + r.InHand, 0));
  const running = a.Total - Math.max(a.Answered, a.Counted); // what Stigg counts of those that run is not shown twice
  const parts = { counted: a.Counted, waiting: v.Waiting, running, hand };
  const whole = Math.max(a.Limit, a.Total);
  let left = whole;
  for (const [name, n] of Object.entries(parts)) {
    show(by(name), n);
    const wide = Math.max(0, Math.min(n, left));
    left -= wide;
    bar.querySelector(`.${name}`).style.width = `${(100 * wide) / whole}%`;
  }
  chart.add(a.Total, a.Limit);
}

function showVerdict(v) {
  const a = v.Account;
  by("verdict").className = v.Over > 0 ? "verdict over" : "verdict";
  show(by("headline"), v.Over > 0 ? `Over the limit by ${v.Over}` : "Never over the limit");
  const refused = v.Replicas.reduce((sum, r) => sum + r.Refused, 0);
  let text = `At no time were more than ${a.Peak} of ${a.Limit} let in. ${a.Answered} requests let in, ${refused} refused.`;
  if (v.Sending > 0) text += ` ${v.Sending} wait for an answer.`;
  show(by("reason"), text);
}

function showStore(v) {
  const state = by("redis-state");
  show(state, v.Redis ? "runs" : "killed");
  state.className = v.Redis ? "state" : "state killed";
  const s = v.Store || {};
  for (const [id, value] of [["store-counted", s.Counted], ["store-out", s.Out], ["store-spare", s.Spare], ["store-code", s.Code]]) {
    show(by(id), value ?? "–");
  }
  for (const [what, off] of [["redis/kill", !v.Redis], ["redis/start", v.Redis], ["redis/empty", v.Redis]]) {
    document.querySelector(`[data-do="${what}"]`).hidden = off;
  }
}

let told = 0;
function showJournal(lines) {
  const log = by("journal"); // the newest is the first
  for (const line of lines.filter((l) => l.N > told)) {
    const li = document.createElement("li");
    li.className = line.Level;
    const [at, who, text] = ["time", "b", "span"].map((tag) => document.createElement(tag));
    at.textContent = new Date(line.At).toLocaleTimeString([], { hour12: false });
    at.dateTime = line.At;
    who.textContent = line.Who;
    text.textContent = line.Text;
    li.append(at, who, text);
    log.prepend(li);
    told = line.N;
  }
  while (log.children.length > 60) log.lastElementChild.remove();
}

const news = new EventSource("/events");
news.onmessage = ({ data }) => {
  const v = JSON.parse(data);
  showVerdict(v);
  showAccount(v);
  v.Replicas.forEach((r, i) => showReplica(replicas[i], r));
  showStore(v);
  showJournal(v.Journal || []);
  for (const what of ["burst", "spread"]) document.querySelector(`[data-do="${what}"]`).disabled = v.Sending > 0 || pressed.has(what);
};
news.onerror = () => show(by("headline"), "The program has ended, or can't be reached");

const pressed = new Set(); // what is not done yet
document.addEventListener("click", async ({ target }) => {
  const what = target.dataset.do;
  if (!what || pressed.has(what)) return;
  pressed.add(what);
  await fetch(`/do/${what}`, { method: "POST" }).catch(() => null); // the log tells what went wrong
  pressed.delete(what);
});
