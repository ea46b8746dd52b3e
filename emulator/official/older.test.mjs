// An older Node SDK, which asks with older documents.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { startEmulator } from "./emulator.mjs";

const { default: Stigg } = createRequire(import.meta.url)("node-server-sdk-2");
const demo = "customer-demo-01";
let emulator, stigg;

before(async () => {
  emulator = await startEmulator();
  stigg = Stigg.initialize({ apiKey: emulator.key, baseUri: emulator.url, baseEdgeUri: emulator.url, wsUrl: emulator.websocket });
  await stigg.waitForInitialization();
});

after(async () => {
  stigg?.close();
  await emulator?.stop();
});

test("it reads, reports, provisions and sells", async () => {
  const templates = await stigg.getMeteredEntitlement({ customerId: demo, featureId: "feature-01-templates", options: { requestedUsage: 3 } });
  assert.deepEqual([templates.hasAccess, templates.currentUsage, templates.usageLimit], [false, 3, 5]);
  assert.ok((await stigg.reportUsage({ customerId: demo, featureId: "feature-02-campaigns", value: 2 })).measurementId);
  await stigg.reportEvent({ customerId: demo, eventName: "login", idempotencyKey: "1" });
  assert.equal((await stigg.getCustomer(demo)).id, demo);
  assert.equal((await stigg.getPaywall()).plans.length, 3);
  assert.equal((await stigg.getCoupons()).length, 2);
  assert.equal((await stigg.getActiveSubscriptions({ customerId: demo })).length, 1);
  const order = { customerId: "customer-none", planId: "plan-revvenu-essentials", billingPeriod: "MONTHLY", unitQuantity: 5 };
  assert.equal((await stigg.estimateSubscription(order)).total.amount, 30);
  assert.equal((await stigg.previewSubscription(order)).immediateInvoice.total.amount, 30);
  const made = await stigg.provisionCustomer({ customerId: "c1", subscriptionParams: { planId: "plan-revvenu-basic" } });
  assert.equal(made.customer.id, "c1");
  assert.ok((await stigg.provisionSubscription(order)).provisionStatus);
  const subscription = await stigg.createSubscription({ ...order, customerId: "c1" });
  assert.ok((await stigg.updateSubscription({ subscriptionId: subscription.id, unitQuantity: 7 })).id);
  assert.ok((await stigg.cancelSubscription({ subscriptionId: subscription.id })).id);
});

test("nothing was answered with an error", async () => {
  assert.deepEqual((await emulator.requests()).filter((r) => r.code), []);
});
