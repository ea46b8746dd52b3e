"use strict";
// The emulator's console: it shows what the operator's window answers, once a second, and
// sends what its forms say. Everything that is shown is set as text, never as markup.

const byId = (id) => document.getElementById(id);
const state = { customer: "", search: "", kind: "request", serial: 0, activities: [], deliveries: [], customers: [] };

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function ask(path, body, method) {
  const options = { method: method || (body ? "POST" : "GET") };
  if (body) {
    options.body = JSON.stringify(body);
  }
  const answer = await fetch("/_emulator/" + path, options);
  const value = await answer.json();
  if (!answer.ok) {
    throw new Error(value.error || answer.statusText);
  }
  return value;
}

let hiding;
function say(text) {
  byId("message").textContent = text;
  clearTimeout(hiding);
  hiding = setTimeout(() => { byId("message").textContent = ""; }, 8000);
}

function onSubmit(id, send) {
  byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const values = Object.fromEntries(new FormData(form, event.submitter));
    try {
      await send(values, form);
      byId("message").textContent = "";
      await refresh();
    } catch (problem) {
      say(problem.message);
    }
  });
}

const numbered = (text) => (text === "" || text === undefined ? undefined : Number(text));
const amount = (n) => new Intl.NumberFormat(undefined, { maximumFractionDigits: 6 }).format(n);
const hour = (iso) => new Date(iso).toISOString().slice(11, 19);

function showCustomers(answer) {
  state.customers = answer.customers;
  byId("customers-total").textContent = "(" + amount(answer.total) + ")";
  if (!state.customers.some((c) => c.customerId === state.customer) && state.search === "" && state.customers.length > 0) {
    state.customer = (state.customers.find((c) => c.customerId === "customer-demo-01") || state.customers[0]).customerId;
  }
  const list = byId("customers");
  const focused = document.activeElement && list.contains(document.activeElement) ? document.activeElement.dataset.id : "";
  list.replaceChildren(...state.customers.map((c) => {
    const plans = c.levels.flatMap((l) => l.subscriptions.map((s) => s.plan));
    const about = c.archived ? "archived" : [...new Set(plans)].join(", ") || "no plan";
    const button = element("button", { type: "button" }, c.customerId, element("small", {}, about));
    button.dataset.id = c.customerId;
    button.setAttribute("aria-current", String(c.customerId === state.customer));
    button.addEventListener("click", () => { state.customer = c.customerId; refresh(); });
    return element("li", {}, button);
  }));
  if (focused) {
    const again = [...list.querySelectorAll("button")].find((b) => b.dataset.id === focused);
    if (again) { again.focus(); }
  }
}

function bar(used, limit, unlimited, label) {
  const part = unlimited ? 0 : limit > 0 ? Math.min(1, used / limit) : 1;
  const fill = element("span", {});
  fill.style.width = Math.round(part * 100) + "%";
  const made = element("div", { className: "bar" + (part >= 1 ? " full" : part >= 0.8 ? " near" : "") }, fill);
  made.setAttribute("role", "meter");
  made.setAttribute("aria-label", label);
  made.setAttribute("aria-valuemin", "0");
  made.setAttribute("aria-valuemax", String(unlimited ? Math.max(used, 1) : Math.max(limit, used)));
  made.setAttribute("aria-valuenow", String(used));
  made.setAttribute("aria-valuetext", amount(used) + " of " + (unlimited ? "unlimited" : amount(limit)));
  return made;
}

function feature(e) {
  const limit = e.usageLimit === null ? 0 : e.usageLimit;
  let text = e.isGranted ? "granted" : e.accessDeniedReason;
  let meter = null;
  if (e.kind === "METERED") {
    text = amount(e.currentUsage) + " / " + (e.hasUnlimitedUsage ? "unlimited" : amount(limit)) + (e.hasSoftLimit ? " (soft)" : "");
    if (!e.isGranted && e.accessDeniedReason !== "RequestedUsageExceedingLimit") { text = e.accessDeniedReason; }
    meter = bar(e.currentUsage, limit, e.hasUnlimitedUsage, e.name);
  } else if (e.kind === "NUMBER" && e.isGranted) {
    text = e.hasUnlimitedUsage ? "unlimited" : amount(limit);
  } else if (e.kind === "ENUM" && e.isGranted) {
    text = (e.enumValues || []).join(", ");
  }
  const line = element("div", { className: "line" }, element("span", {}, e.name), element("span", { className: "amount" }, text));
  const made = element("div", { className: "feature" + (e.isGranted ? "" : " denied") }, line);
  made.dataset.feature = e.featureId;
  if (meter) { made.append(meter); }
  if (e.usagePeriodEnd) { made.title = "starts again " + e.usagePeriodEnd; }
  return made;
}

function level(l) {
  const title = l.resourceId === null ? "The customer itself" : "Resource " + l.resourceId;
  const made = element("div", { className: "level" }, element("h3", {}, title));
  const plans = element("p", { className: "plans" });
  for (const s of l.subscriptions) {
    plans.append(element("strong", {}, s.plan), " v" + s.planVersion + ", " + s.status.toLowerCase().replaceAll("_", " ") +
      (s.ends ? ", ends " + s.ends.slice(0, 10) : ", until " + s.currentBillingPeriodEnd.slice(0, 10)) + ". ");
  }
  if (l.subscriptions.length === 0) { plans.append(l.accessDeniedReason || "No subscription"); }
  made.append(plans, ...l.entitlements.map(feature));
  for (const w of l.wallets) {
    const line = element("div", { className: "line" }, element("span", {}, w.currencyId), element("span", { className: "amount" }, amount(w.used) + " / " + amount(w.granted)));
    made.append(element("div", { className: "feature" }, line, bar(w.used, w.granted, false, w.currencyId)));
  }
  return made;
}

function showCustomer() {
  const c = state.customers.find((one) => one.customerId === state.customer);
  byId("customer-title").textContent = c ? c.customerId : "No customer";
  const facts = c ? [c.name, c.email, c.hasPaymentMethod ? "has a card" : "", c.archived ? "archived" : ""].filter(Boolean).join(" · ") : "";
  byId("customer-facts").textContent = facts;
  byId("levels").replaceChildren(...(c ? c.levels.map(level) : []));
  for (const id of ["upgrade", "grant"]) {
    for (const control of byId(id).elements) { control.disabled = !c || c.archived; }
  }
}

function outcome(a) {
  if (a.kind === "event") { return ""; }
  if (a.kind === "denial") { return a.code; }
  return (a.status || "no answer") + (a.code ? " " + a.code : "") + (a.fault ? " (fault)" : "");
}

function rows() {
  if (state.kind === "webhook") {
    return state.deliveries.slice(-100).reverse().map((d) => {
      const last = d.attempts[d.attempts.length - 1];
      const told = d.delivered ? "delivered" : d.done ? "given up" : "on its way";
      const more = last ? " (" + (last.status || last.error) + ", attempt " + d.attempts.length + ")" : "";
      return { at: d.body.timestamp, name: d.type, whom: d.body.customerId || "", outcome: told + more, bad: d.done && !d.delivered };
    });
  }
  return state.activities.filter((a) => a.kind === state.kind).slice(-100).reverse().map((a) => ({
    at: a.at, name: a.name || "(refused)", whom: [a.customerId, a.resourceId].filter(Boolean).join(" / "), outcome: outcome(a),
    bad: a.kind === "denial" || Boolean(a.code) || (a.kind === "request" && (a.status || 0) !== 200),
  }));
}

function showFeed() {
  const all = rows();
  byId("rows").replaceChildren(...all.map((r) => element("tr", {}, element("td", {}, hour(r.at)), element("td", {}, r.name),
    element("td", { title: r.whom }, r.whom), element("td", { className: r.bad ? "bad" : "" }, r.outcome))));
  byId("nothing").hidden = all.length > 0;
}

function showFaults(all) {
  byId("faults").replaceChildren(...all.map((f) => {
    const { fired, ...what } = f;
    return element("li", {}, JSON.stringify(what) + ", fired " + fired + " times");
  }));
  if (all.length === 0) { byId("faults").replaceChildren(element("li", {}, "No fault.")); }
}

async function refresh() {
  const path = "customers?limit=100&search=" + encodeURIComponent(state.search);
  const [customers, activity, faults, webhooks] = await Promise.all([
    ask(path), ask("activity?after=" + state.serial), ask("faults"), ask("webhooks"),
  ]);
  byId("clock").textContent = activity.now.replace("T", " ").slice(0, 19) + " UTC";
  for (const a of activity.activities) { state.serial = Math.max(state.serial, a.serial); }
  state.activities = state.activities.concat(activity.activities).slice(-1000);
  state.deliveries = webhooks.deliveries;
  showCustomers(customers);
  showCustomer();
  showFaults(faults);
  showFeed();
}

async function start() {
  const catalog = await ask("catalog");
  byId("product").textContent = catalog.product.displayName || catalog.product.id;
  byId("plan").replaceChildren(...(catalog.plans || []).map((p) => element("option", { value: p.id }, p.displayName)));
  byId("grant-feature").replaceChildren(...(catalog.features || []).map((f) => element("option", { value: f.id }, f.displayName)));
  byId("operations").replaceChildren(...["entitlementsState", "reportUsage", "reportUsageBulk", "reportEvent", "provisionSubscriptionV2",
    "edge.entitlements-state"].map((name) => element("option", { value: name })));
  for (;;) {
    try {
      if (!document.hidden) { await refresh(); }
      byId("connection").textContent = "";
    } catch {
      byId("connection").textContent = "The emulator does not answer.";
      state.serial = 0;
      state.activities = [];
    }
    await new Promise((done) => { setTimeout(done, 1000); });
  }
}

onSubmit("advance", (values) => ask("clock", { advance: values.by }));
onSubmit("add-customer", async (values, form) => {
  await ask("customers?limit=0", { customerId: values.customerId });
  state.customer = values.customerId;
  state.search = byId("search").value = ""; // or the new one may not be among those shown
  form.reset();
});
onSubmit("upgrade", (values) => ask("subscriptions", {
  customerId: state.customer, planId: values.planId, billingPeriod: values.billingPeriod, units: numbered(values.units) || 0, resourceId: values.resourceId,
}));
onSubmit("grant", (values) => {
  const limit = numbered(values.usageLimit);
  return ask("grants", {
    customerId: state.customer, featureId: values.featureId, usageLimit: limit, hasUnlimitedUsage: limit === undefined, days: numbered(values.days) || 0,
  });
});
onSubmit("fault", (values) => {
  const fault = { operation: values.operation, count: numbered(values.count) };
  const kinds = {
    503: { status: 503 }, 429: { status: 429, retryAfter: 2 }, latency: { latency: "2s" }, before: { drop: "before" }, after: { drop: "after" }, garbage: { garbage: true },
  };
  return ask("faults", { ...fault, ...kinds[values.kind] });
});
byId("clear-faults").addEventListener("click", async () => {
  try {
    await ask("faults", undefined, "DELETE");
    await refresh();
  } catch (problem) {
    say(problem.message);
  }
});
byId("search").addEventListener("input", (event) => { state.search = event.target.value; refresh().catch((problem) => say(problem.message)); });

const tabs = [...document.querySelectorAll('[role="tab"]')];
function choose(tab) {
  state.kind = tab.dataset.kind;
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
  }
  byId("feed").setAttribute("aria-labelledby", tab.id);
  showFeed();
}
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) { return; }
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}
start().catch((problem) => say(problem.message));
