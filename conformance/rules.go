package conformance

import (
	"strings"
	"testing"
)

// rules says, for each group of rows, what holds for every router; a row that fails shows
// its group's.
var rules = map[string]string{
	"requests":        "a request is asked for, held and billed by its route's policy, whatever its method; it is billed once, if the client is answered with a status below 400",
	"tables":          "a table guards the route that the router has matched, and a path that no route matches is the router's own to answer, free of charge",
	"verify":          "a key of the table that fits no route, and a policy that can't work, are told at start-up",
	"denials":         "a denial has the same bytes on every router, the instance apart; nothing follows it, and the handler does not run",
	"quota headers":   "quota headers are set when the header is written, and only for who asked for them",
	"writer":          "the handler's writer has the abilities that the server's own has, no more and no fewer, and Unwrap leads to it",
	"files":           "http.ServeContent behind the gate answers as without it; a 304 and a part of a file are successes",
	"hijack":          "a connection that is taken over is settled at that moment, by whatever way it was taken",
	"streams":         "what a client was sent before it left is billed as OnClientGone says",
	"body":            "the handler gets the request's body as the client sent it",
	"panics":          "a panic passes through the gate as it is; what had been sent by then is billed, and nothing where nothing was sent",
	"answered":        "what was answered counts, not how the handler ended",
	"in front":        "status and bytes are counted at the gate's own writer, and header fields that others have set stay",
	"tickets":         "a ticket that the handler settles or releases is not settled again when the handler returns",
	"chains":          "the request has its values behind the gate, and what was in front of the gate has its own request back after it",
	"groups":          "a gate that is a group's middleware guards the group's routes as a gate of each route would",
	"returned errors": "an error that the handler returns reaches the router; it is no success unless an answer below 400 was written before",
	"many":            "of many requests at once exactly as many are let in as the limit allows, and nothing is left running",
	"source":          "a source answers for the customer that it is asked about, within its context, and names what Stigg denied",
	"reporter":        "a reporter answers with one Ack for each usage, in order, and tells what Stigg refused for good from what may be tried again",
}

// rule is that of a row's group.
func (r row) rule() string { return rules[strings.TrimSuffix(r.group, " over HTTP/2")] }

// explain shows, if the row fails, the rule that it breaks.
func (r row) explain(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the rule: %s", r.rule())
		}
	})
}
