// Package client speaks Stigg's GraphQL API: what a customer may do, what was
// used, who the customers are and what they subscribed to, what that costs, and the
// catalog. docs/stigg-api.md names the method for each of the API's operations; for
// anything else there is [Client.Do].
//
// A [Client] is a gate.Source, a gate.Reporter and a gate.Watcher. It holds no state
// of its own beyond its configuration and some counters, keeps nothing in memory
// between calls, leaves no goroutine behind one, and needs no closing. All methods may
// be called from many goroutines at once, return as soon as their context ends, and
// send nothing when an argument is malformed.
//
// # Types
//
// What a gate asks for at every request (entitlements, usage, credits, events) has gate's
// types. Everything else has types of this package, written once: their JSON names are those
// of Stigg's schema, so an answer is decoded into them, and an input is made of them, without
// a second form. What may be null is at its zero, and a pointer only where that would mean
// something else. Enums are strings, of which values that this version does not know are kept.
// The documents, the inputs and the calls are generated from Stigg's schema (package gql).
//
// # Lists
//
// A list is read page by page ([Paging], [Page]), or as a whole by its All method, an
// iter.Seq2 that reads the next page when it gets there:
//
//	for customer, err := range c.AllCustomers(ctx, client.CustomerQuery{}) { ... }
//
// # Mutations
//
// What changes a customer is felt by the next check of a gate that uses this Client, for
// that customer, or its resource, alone. It is sent once and given at least 30 s, for Stigg
// may call a billing provider: after an error that is not Permanent it is unknown whether it
// was done.
//
// # Errors
//
// What goes wrong is an [*Error]. Neither it nor the Client ever shows the API key,
// a request or an answer, however it is printed. Compare with errors.Is:
//
//	if errors.Is(err, client.ErrRateLimited) { ... }
//
// # Repeating
//
// A failed call is repeated (see [WithRetry]) only if that can't do anything
// twice: reads, estimates, and usage, whose idempotency keys are fixed before the first
// attempt. Any other mutation is sent once.
//
// # Limits
//
// Stigg counts requests per API key and minute: 6,000 reads of entitlements, 3,000
// ReportUsage, 600 ReportUsageBulk (of 100 measurements each), 3,000 reads of
// customers and subscriptions, 250 provisioning calls, and 30 mutations of any one
// customer or subscription. What goes over is an error that is ErrRateLimited and
// knows its RetryAfter. Reads of entitlements and reports learn from the headers of
// Stigg's answers and from its 429s what is left: beyond that they are not sent, and fail
// in the same way at once, for a minute at most.
package client

//go:generate go tool gqlgenc
