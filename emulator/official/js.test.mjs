// Stigg's JS SDK, which is made for browsers, in Node against the emulator.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { startEmulator } from "./emulator.mjs";

// The SDK looks for what browsers have.
globalThis.window ??= globalThis;
globalThis.self ??= globalThis;
globalThis.location ??= new URL("http://localhost/");

const require = createRequire(import.meta.url);
const { default: Stigg } = require("@stigg/js-client-sdk");

const demo = "customer-demo-01";
const campaigns = "feature-02-campaigns";
const essentials = { planId: "plan-revvenu-essentials", billingPeriod: "MONTHLY", billableFeatures: [{ featureId: "feature-01-templates", quantity: 5 }] };
let emulator, stigg;

before(async () => {
  emulator = await startEmulator();
  stigg = Stigg.initialize({ apiKey: emulator.key, baseUri: emulator.url, baseEdgeUri: emulator.url, customerId: demo });
  await stigg.waitForInitialization();
});
after(() => emulator?.stop());

test("entitlements", async () => {
  assert.deepEqual([stigg.isCustomerLoaded, stigg.getBooleanEntitlement({ featureId: "feature-04-analytics" }).hasAccess], [true, true]);
  assert.equal(stigg.getNumericEntitlement({ featureId: "feature-06-max-file-size" }).value, 100);
  const metered = stigg.getMeteredEntitlement({ featureId: "feature-01-templates", options: { requestedUsage: 3 } });
  assert.deepEqual([metered.hasAccess, metered.currentUsage, metered.usageLimit], [false, 3, 5]);
  assert.ok((await stigg.getEntitlements()).length >= 5);
  await stigg.setResource("site-1");
  for (let i = 0; !stigg.isResourceLoaded && i < 300; i++) await new Promise((resolve) => { setTimeout(resolve, 20); }); // it doesn't wait
  const ofSite = stigg.getMeteredEntitlement({ featureId: "feature-01-templates", resourceId: "site-1" });
  assert.deepEqual([ofSite.hasAccess, ofSite.currentUsage, ofSite.usageLimit], [true, 3, 5]);
  stigg.clearResource();
  await stigg.refresh();
});

test("the customer, what it has and what it may buy", async () => {
  assert.equal((await stigg.getCustomer()).id, demo);
  const [active] = await stigg.getActiveSubscriptions();
  assert.equal(active.plan.id, essentials.planId);
  assert.equal((await stigg.getActiveSubscriptionsList()).length, 1);
  assert.equal((await stigg.getSubscription({ subscriptionId: active.id })).id, active.id);
  assert.equal((await stigg.getPaywall()).plans.length, 3);
  assert.equal((await stigg.getCoupons()).length, 2);
  const portal = await stigg.getCustomerPortal();
  assert.equal(portal.subscriptions.length, 1);
  assert.ok(portal.entitlements.length > 0);
  const checkout = await stigg.getCheckoutState({ planId: essentials.planId });
  assert.equal(checkout.plan.displayName, "Essentials");
  const startDate = new Date(Date.now() - 3_600_000);
  assert.ok(await stigg.fetchUsageHistory({ customerId: demo, featureId: campaigns, startDate }));
  if (stigg.getUsageHistoryV2) assert.ok(await stigg.getUsageHistoryV2({ customerId: demo, featureId: campaigns, startDate }));
});

test("prices and buying", async () => {
  await stigg.setCustomerId("customer-none");
  const order = { customerId: "customer-none", ...essentials, addons: [{ addonId: "addon-10-campaigns", quantity: 5 }] };
  assert.equal((await stigg.estimateSubscription(order)).total.amount, 55);
  assert.equal((await stigg.previewSubscription(order)).immediateInvoice.total.amount, 55);
  const bought = await stigg.applySubscription({ ...essentials, paymentMethodId: "pm_1" });
  assert.equal(bought.subscription.plan?.id ?? bought.subscription.planId, essentials.planId);
  assert.ok((await stigg.estimateSubscriptionUpdate({ subscriptionId: bought.subscription.id, billableFeatures: [{ featureId: "feature-01-templates", quantity: 7 }] })).total);
  assert.equal((await stigg.waitForCheckoutCompleted({ timeoutMs: 1000 }))?.plan.id ?? null, null);
  stigg.clearCustomer();
});

test("nothing was answered with an error", async () => {
  assert.deepEqual((await emulator.requests()).filter((r) => r.code), []);
});
