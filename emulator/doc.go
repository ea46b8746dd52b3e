// Package emulator is a Stigg that runs inside your process: the pricing and
// entitlements service, small enough for a test and real enough that Stigg's
// official clients, pointed at it, work.
//
//	srv, err := emulator.Start("127.0.0.1:0")
//	if err != nil { ... }
//	defer srv.Close()
//	// GraphQL and real time at srv.URL()+"/graphql", edge reads below
//	// srv.URL()+"/v1/", key emulator.DefaultKey in the header X-API-KEY.
//
// It answers every operation of the schema: it holds a catalog (by default "Revvenu", the
// demo product of Stigg's own documentation) with customers, subscriptions, add-ons,
// coupons, promotional grants, usage by period and wallets of credits, and what all of
// that costs. At / it has a console for a browser. It decides entitlements by Stigg's rules with code of
// its own, so that a client's decisions can be checked against it.
//
// # What a test can do with it
//
// The clock can be moved ([Emulator.Advance]) and made coarse ([WithClockResolution]);
// customers, subscriptions and
// grants can be changed in Go ([Emulator.AddCustomer], [Emulator.Subscribe],
// [Emulator.Grant]) or over GraphQL; every usage measurement that arrived can
// be read back in order ([Emulator.Usage]), as can every event
// ([Emulator.Events]) and every consumption of credits ([Emulator.CreditUses]),
// and every read can be counted ([Emulator.Requests]). The same is served as JSON
// below /_emulator/ for programs in other languages and for people with curl.
//
// Requests can be made to fail ([Emulator.Fault]): slow, refused, cut off, answered
// with garbage, or done with the answer lost, all of them or those of one operation,
// customer, feature or measurement. Over HTTP:
//
//	POST /_emulator/faults {"operation": "reportUsageBulk", "drop": "after", "count": 5}
//	GET /_emulator/faults
//	DELETE /_emulator/faults
//
// A fault is what [Fault] says, in camel case, the latency as "2s", retryAfter in
// seconds.
//
// # Official clients
//
// Stigg's SDKs for Node and for JavaScript get the address of the server as baseUri and
// as baseEdgeUri: with a local baseUri alone they look for the edge at port 3060. The
// schema is that of the newest clients, and what older ones ask for beyond it
// (schema_extension.graphql). Lists that are empty are [] and not null.
//
// Pages in a browser may ask the API if they are of this machine, or whatever their origin
// if the key is not the default one, or with [WithOrigins]. Nothing but the emulator's own
// console may ask below /_emulator/ from a browser.
//
// # Inputs
//
// What an input asks for is done, shown in answers, or refused with UnsupportedParameter;
// the few values that rightly change nothing, such as awaitPaymentConfirmation, are
// taken (effectless in input.go lists them). A mutation that is refused changes nothing.
//
// # Prices and payments
//
// Amounts are exact decimals, rounded to the currency's smallest unit where they are
// billed. What changes in the middle of a period costs or is credited for the part of it
// that is left; the cycle goes on, unless billingCycleAnchor is NOW.
//
// An order is provisioned at once, and its invoice is paid. It is answered with a
// checkout instead if it has checkoutOptions, costs something now, and the customer has
// no payment method: then it is provisioned when somebody pays on the page at checkoutUrl
// (or [Emulator.CompleteCheckout] does). The payment method pm_card_chargeDeclined fails,
// pm_card_authenticationRequired asks for an action on the invoice's page, and every
// other pays; what couldn't be paid is PAYMENT_PENDING and gives no access.
//
// # Versions of plans
//
// [Emulator.Publish] publishes the next version of a plan or an add-on: the draft that
// the catalog has of it (Revvenu's Essentials has one) or other values of features. With
// NEW_CUSTOMERS those who have the package keep their version until
// migrateSubscriptionToLatest.
//
// # Real time
//
// A websocket of the subprotocol graphql-transport-ws at /graphql serves every field of
// Subscription, after a connection_init with the key in payload.headers. Every
// subscriber hears of every customer. Events carry what the world is when the change
// that they tell of is done:
//
//   - entitlementsUpdated and entitlementsUpdatedV2: the whole set of the resource, with
//     the reason if it is denied, when a customer is made, archived or brought back, a
//     subscription begins, changes or ends, a promotion is granted or taken back, and
//     credits are granted or voided; of every resource where all are concerned.
//   - usageUpdated and usageUpdatedV2: the usage of a feature when a measurement or an
//     event counted, once for all measurements of a call. The latter's
//     entitlementReference has the feature's public id; for a wallet that changed it is
//     of the type CREDIT and has the currency's.
//   - creditBalanceUpdated: a wallet when credits are granted, voided or consumed.
//   - packagePublished: by [Emulator.Publish], or POST /_emulator/packages
//     {"packageId": "plan-revvenu-pro", "migrationType": "ALL_CUSTOMERS"}.
//
// What the passing of time brings, such as the end of a promotion, is told when the
// clock is moved over it, and not when it gets there by itself: clients have validUntil
// for that. A subscription has begun when a ping after it is answered. A reader that
// is 256 events behind is cut off. The id of the account and the type of a package
// (Plan, Addon) are made up.
//
// Sockets fail on command too ([Emulator.SocketFault]), and [WithoutEvents] makes a
// server that doesn't know the newer events:
//
//	POST /_emulator/sockets {"do": "close", "code": 4500}
//	POST /_emulator/sockets {"do": "noAck", "count": 3}
//	GET /_emulator/sockets
//
// # Webhooks and rate limits
//
// [Emulator.SetWebhook] has everything that happens delivered to a URL, with Stigg's
// retries; [Emulator.Deliveries] is the record. [Emulator.SetRateLimit] limits a class
// of operations, [WithStiggLimits] all of them as Stigg does; without it nothing is
// limited and no answer has X-RateLimit headers.
//
//	POST /_emulator/webhooks {"url": "http://127.0.0.1:8080/stigg", "secret": "..."}
//	POST /_emulator/limits {"class": "reads", "requests": 100, "per": "1s"}
//
// # Credits
//
// A catalog may have currencies, credits that a plan gives every month or year, and
// features whose usage costs credits; [WithCreditsDemo] is one. A wallet belongs to a
// customer or to one of its resources. What Stigg's public pages leave open is chosen
// so: credits are taken from the grants in force at the time of the consumption, first
// those of the lower priority number, then those that end first. What no grant has is
// overdrawn, never refused; it counts in the period of the plan's credits that it was
// overdrawn in, and a grant that comes later in that period pays it. Credits of a plan
// don't carry over. Usage draws for each unit that it grows by, and what is given back
// returns no credits. A costFormula is shown and not evaluated.
//
// # What it does not do
//
// No money moves, and nobody is told by email. Not modelled, and refused where an input
// asks for it: prices in tiers or blocks, charges of credits beyond a plan's, package
// groups, experiments, and a balance that a credit of a downgrade would be kept in. A
// grant of credits of the type PAID is in force without a payment. Customers are imported
// without any billing to import them from.
//
// It keeps every measurement, event and idempotency key in memory for as long as it lives:
// it is a test double, not a server to leave running for months. [WithState] keeps them
// in a file.
package emulator
