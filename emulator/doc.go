// Package emulator is a Stigg that runs inside your process: the pricing and
// entitlements service, small enough for a test and real enough that Stigg's
// official clients, pointed at it, work.
//
//	srv, err := emulator.Start("127.0.0.1:0")
//	if err != nil { ... }
//	defer srv.Close()
//	// GraphQL at srv.URL()+"/graphql", edge reads below srv.URL()+"/v1/",
//	// key emulator.DefaultKey in the header X-API-KEY.
//
// It holds a catalog (by default "Revvenu", the demo product of Stigg's own
// documentation) with customers, subscriptions, add-ons, promotional grants
// and usage by period. It decides entitlements by Stigg's rules with code of
// its own, so that a client's decisions can be checked against it.
//
// # What a test can do with it
//
// The clock can be moved ([Emulator.Advance]); customers, subscriptions and
// grants can be changed in Go ([Emulator.AddCustomer], [Emulator.Subscribe],
// [Emulator.Grant]) or over GraphQL; every usage measurement that arrived can
// be read back in order ([Emulator.Usage]), and every read can be counted
// ([Emulator.Requests]). The same is served as JSON below /_emulator/ for
// programs in other languages and for people with curl.
//
// # What it does not do
//
// Root fields of the schema that it does not model answer a GraphQL error with
// the code UnsupportedParameter, never a silent null. There is no billing:
// paid plans are provisioned at once, invoices and checkouts do not exist.
// It keeps every measurement, event and idempotency key in memory for as long
// as it lives: it is a test double, not a server to leave running for months.
package emulator
