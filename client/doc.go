// Package client speaks Stigg's GraphQL API: what a customer may do, what was
// used, who the customers are and what they subscribed to.
//
// A [Client] is a gate.Source, a gate.Reporter and a gate.Watcher. It holds no state
// of its own beyond its configuration and some counters, keeps nothing in memory
// between calls, leaves no goroutine behind one, and needs no closing. All methods may
// be called from many goroutines at once, return as soon as their context ends, and
// send nothing when an argument is malformed.
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
// twice: reads, and usage, whose idempotency keys are fixed before the first
// attempt. A provisioning call is sent once.
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
