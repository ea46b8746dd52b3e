// Every method of Stigg's Node SDK against the emulator.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { startEmulator } from "./emulator.mjs";

const require = createRequire(import.meta.url);
const { Stigg } = require("@stigg/node-server-sdk");

const demo = "customer-demo-01";
const subscriptionId = "subscription-plan-revvenu-essentials-bum2flivze";
const ofSite = "subscription-plan-revvenu-essentials-cd0ba9";
const campaigns = "feature-02-campaigns";
const templates = "feature-01-templates";
const essentials = { planId: "plan-revvenu-essentials", billingPeriod: "MONTHLY", unitQuantity: 5 };

const called = new Set();
let emulator, credits, stigg;

// clientOf is an SDK that notes which of its methods are called.
async function clientOf(server) {
  const client = Stigg.initialize({ apiKey: server.key, baseUri: server.url, baseEdgeUri: server.url, wsUrl: server.websocket });
  const noted = new Proxy(client, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== "function") return value;
      return (...args) => { called.add(name); return value.apply(target, args); };
    },
  });
  await noted.waitForInitialization();
  return noted;
}

before(async () => {
  emulator = await startEmulator();
  credits = await startEmulator("-credits");
  stigg = await clientOf(emulator);
});

after(async () => {
  stigg?.close();
  await emulator?.stop();
  await credits?.stop();
});

test("entitlements of every kind, granted and denied", async () => {
  const boolean = await stigg.getBooleanEntitlement({ customerId: demo, featureId: "feature-04-analytics" });
  assert.deepEqual([boolean.hasAccess, boolean.isFallback], [true, false]);
  const numeric = await stigg.getNumericEntitlement({ customerId: demo, featureId: "feature-06-max-file-size" });
  assert.deepEqual([numeric.hasAccess, numeric.value, numeric.isFallback], [true, 100, false]);
  const metered = await stigg.getMeteredEntitlement({ customerId: demo, featureId: templates, options: { requestedUsage: 3 } });
  assert.deepEqual([metered.hasAccess, metered.currentUsage, metered.usageLimit, metered.accessDeniedReason, metered.isFallback],
    [false, 3, 5, "RequestedUsageExceedingLimit", false]);
  const cities = await stigg.getEnumEntitlement({ customerId: "customer-pro", featureId: "feature-08-cities" });
  assert.equal(cities.isFallback, false);
  assert.ok(Array.isArray(cities.enumValues));
  const one = await stigg.getEntitlement({ customerId: demo, featureId: campaigns });
  assert.equal(one.usageLimit, 12);
  const all = await stigg.getEntitlements(demo);
  assert.ok(all.length >= 5, `${all.length} entitlements`);
  await stigg.reloadEntitlements(demo);
});

test("usage and events", async () => {
  const ack = await stigg.reportUsage({ customerId: demo, featureId: campaigns, value: 2, dimensions: { city: "Berlin" } });
  assert.equal(ack.currentUsage, 2);
  const [set] = await stigg.reportUsageBulk({ usages: [{ customerId: demo, featureId: templates, value: 4, updateBehavior: "SET" }] });
  assert.equal(set.currentUsage, 4);
  await stigg.reportEvent({ customerId: demo, eventName: "login", idempotencyKey: "1", dimensions: { user_id: "u" } });
  await stigg.reportEvent([{ customerId: demo, eventName: "login", idempotencyKey: "2" }, { customerId: demo, eventName: "login", idempotencyKey: "3" }]);
  const startDate = new Date(Date.now() - 3_600_000);
  const history = await stigg.fetchUsageHistory({ customerId: demo, featureId: campaigns, startDate });
  assert.equal(history.at(-1).value, 2);
  const v2 = await stigg.getUsageHistoryV2({ customerId: demo, featureId: campaigns, startDate });
  assert.ok(v2);
});

test("customers", async () => {
  const made = await stigg.createCustomer({ customerId: "c1", name: "One", email: "one@example.test" });
  assert.deepEqual([made.id, made.name], ["c1", "One"]);
  const provisioned = await stigg.provisionCustomer({
    customerId: "c2", name: "Two", couponId: "coupon-vip", salesforceId: "sf", awsMarketplaceCustomerId: "aws", billingInfo: { currency: "USD" },
    subscriptionParams: { planId: "plan-revvenu-basic" },
  });
  assert.equal(provisioned.customer.awsMarketplaceCustomerId, "aws");
  assert.equal(provisioned.subscription.planId, "plan-revvenu-basic");
  assert.equal((await stigg.getCustomer("c2")).coupon.id, "coupon-vip");
  assert.equal((await stigg.updateCustomer({ customerId: "c1", name: "First", metadata: { a: "b" } })).name, "First");
  assert.ok((await stigg.getCustomerStatistics(demo)).statistics);
  assert.equal((await stigg.importCustomer({ customerId: "c3", name: "Three" })).id, "c3");
  await stigg.importCustomerBulk({ customers: [{ customerId: "c4", name: "Four" }, { customerId: "c5", name: "Five", paymentMethodId: "pm_1" }] });
  assert.equal((await stigg.getCustomer("c5")).hasPaymentMethod, true);
  assert.equal((await stigg.detachCustomerPaymentMethod("c5")).id, "c5");
  assert.equal((await stigg.getCustomer("c5")).hasPaymentMethod, false);
  assert.equal(await stigg.archiveCustomer("c4"), "c4");
  assert.equal((await stigg.unarchiveCustomer("c4")).id, "c4");
});

test("subscriptions", async () => {
  const bought = await stigg.provisionSubscription({ customerId: "c1", ...essentials });
  assert.ok(["SUCCESS", "PAYMENT_REQUIRED"].includes(bought.provisionStatus), bought.provisionStatus);
  const created = await stigg.createSubscription({ customerId: "c3", ...essentials });
  assert.equal(created.status, "ACTIVE");
  const updated = await stigg.updateSubscription({ subscriptionId: created.id, addons: [{ addonId: "addon-10-campaigns", quantity: 2 }], metadata: { by: "us" } });
  assert.equal(updated.addons[0].quantity, 2);
  assert.equal((await stigg.getSubscription({ subscriptionId: created.id })).addons[0].quantity, 2);
  assert.equal((await stigg.getActiveSubscriptions({ customerId: "c3" })).length, 1);
  assert.equal((await stigg.getActiveSubscriptions({ customerId: demo, resourceId: "site-1" })).length, 1);
  assert.equal((await stigg.getActiveSubscriptionsList({ customerId: demo, resourceId: ["site-1"] })).length, 1);
  const listed = await stigg.getSubscriptions({ customerId: demo, pagination: { limit: 1 } });
  assert.equal(listed.data.length, 1);
  const applied = await stigg.applySubscription({ customerId: "c4", ...essentials, paymentMethodId: "pm_2" });
  assert.equal(applied.subscription.planId, essentials.planId);
  await stigg.importSubscriptionBulk({ subscriptions: [{ customerId: "c5", ...essentials, billingId: "sub_5" }] });
  assert.equal((await stigg.getActiveSubscriptions({ customerId: "c5" })).length, 1);
});

test("subscriptions move, migrate and end", async () => {
  const moved = await stigg.transferSubscription({ customerId: demo, sourceResourceId: "site-1", destinationResourceId: "site-2" });
  assert.equal(moved.resource.id, "site-2");
  const again = await stigg.transferSubscriptionToResource({ subscriptionId: ofSite, destinationResourceId: "site-3" });
  assert.equal(again.resource.id, "site-3");
  const [own] = await stigg.getActiveSubscriptions({ customerId: "c5" });
  assert.ok((await stigg.delegateSubscriptionToCustomer({ subscriptionId: own.id, destinationCustomerId: "c1" })).id);
  await emulator.order("packages", { packageId: essentials.planId, migrationType: "NEW_CUSTOMERS" });
  assert.ok(await stigg.migrateSubscriptionToLatest({ subscriptionId }));
  await stigg.updateSubscription({ subscriptionId, billingPeriod: "MONTHLY", unitQuantity: 5, scheduleStrategy: "END_OF_BILLING_PERIOD" }).catch(() => {});
  assert.ok(await stigg.cancelSubscriptionScheduledUpdates({ subscriptionId }));
  const ended = await stigg.cancelSubscription({ subscriptionId: ofSite, subscriptionCancellationTime: "IMMEDIATE", prorate: true });
  assert.equal(ended.status, "CANCELED");
});

test("prices before paying", async () => {
  const order = { customerId: "customer-none", ...essentials, addons: [{ addonId: "addon-10-campaigns", quantity: 5 }] };
  assert.equal((await stigg.estimateSubscription(order)).total.amount, 55);
  assert.ok((await stigg.estimateSubscriptionUpdate({ subscriptionId, unitQuantity: 7 })).total);
  assert.equal((await stigg.previewSubscription(order)).immediateInvoice.total.amount, 55);
  assert.ok((await stigg.previewNextInvoice({ subscriptionId })).total);
});

test("the catalog", async () => {
  const paywall = await stigg.getPaywall({ customerId: demo });
  assert.deepEqual(paywall.plans.map((p) => p.displayName), ["Basic", "Essentials", "Professional"]);
  assert.equal((await stigg.getPaywall({ productId: "product-revvenu" })).plans.length, 3);
  assert.deepEqual((await stigg.getCoupons()).map((c) => c.id).sort(), ["coupon-summer-sale", "coupon-vip"]);
  assert.equal((await stigg.getProducts())[0].id, "product-revvenu");
});

test("promotional entitlements, one by one and in groups", async () => {
  const grant = { featureId: "feature-05-integrations", period: "ONE_MONTH", isVisible: true };
  assert.equal((await stigg.grantPromotionalEntitlements({ customerId: demo, promotionalEntitlements: [grant] })).length, 1);
  assert.ok(await stigg.revokePromotionalEntitlements({ customerId: demo, featureId: grant.featureId }));
  const group = { customerId: demo, featureGroupId: "feature-group-basic" };
  const limited = (featureId) => ({ featureId, period: "ONE_MONTH", usageLimit: 100, isVisible: true, ...(featureId === campaigns
    ? { resetPeriod: "MONTH", monthlyResetPeriodConfiguration: { accordingTo: "SubscriptionStart" } } : {}) });
  const input = { ...group, promotionalEntitlements: [limited(campaigns), limited(templates)] };
  assert.equal((await stigg.grantPromotionalEntitlementsGroup(input)).length, 2);
  assert.equal((await stigg.revokePromotionalEntitlementsGroup(group)).length, 2);
  await stigg.grantPromotionalEntitlementsGroup(input);
  assert.equal((await stigg.unlinkPromotionalEntitlementsGroup(group)).length, 2);
});

test("credits", async () => {
  stigg.close(); // the SDK is one at a time
  stigg = await clientOf(credits);
  const whose = { customerId: "customer-tokens", currencyId: "currency-tokens" };
  assert.ok(await stigg.getCreditBalance(whose));
  const granted = await stigg.grantCredits({ ...whose, amount: 5, displayName: "More", grantType: "PROMOTIONAL" });
  assert.equal(granted.amount, 5);
  assert.ok((await stigg.getCreditGrants({ customerId: whose.customerId })).data.length >= 2);
  assert.ok(await stigg.voidCreditGrant({ id: granted.grantId ?? granted.id }));
});

test("no method of the SDK was left out, and none was answered with an error", async () => {
  const declared = readFileSync(new URL("node_modules/@stigg/node-server-sdk/dist/client.d.ts", import.meta.url), "utf8");
  const methods = new Set([...declared.matchAll(/^ {4}(\w+)\(/gm)].map((m) => m[1]));
  for (const plumbing of ["constructor", "close"]) methods.delete(plumbing);
  assert.deepEqual([...methods].filter((m) => !called.has(m)), []);
  for (const server of [emulator, credits]) {
    assert.deepEqual((await server.requests()).filter((r) => r.code), []);
  }
});
