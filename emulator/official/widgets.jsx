// One of Stigg's widgets, as ?widget says. It tells the test what it shows, and every error.
import React from "react";
import { createRoot } from "react-dom/client";
import { Checkout, CustomerPortal, Paywall, StiggProvider } from "@stigg/react-sdk";

const asked = new URLSearchParams(location.search);
const errors = [];
addEventListener("error", (event) => errors.push(String(event.message)));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
const report = console.error;
console.error = (...args) => { errors.push(args.map(String).join(" ")); report(...args); };

const widgets = {
  Paywall: () => <Paywall onPlanSelected={() => {}} />,
  CustomerPortal: () => <CustomerPortal paywallComponent={<Paywall onPlanSelected={() => {}} />} />,
  Checkout: () => <Checkout planId="plan-revvenu-essentials" onCheckoutCompleted={() => {}} />,
};
const Widget = widgets[asked.get("widget")];
createRoot(document.getElementById("root")).render(
  <StiggProvider apiKey={asked.get("key")} baseUri={asked.get("stigg")} baseEdgeUri={asked.get("stigg")} customerId={asked.get("customer")}><Widget /></StiggProvider>);

setInterval(() => fetch("/shown", { method: "POST", body: JSON.stringify({ text: document.body.innerText, errors }) }), 300);
