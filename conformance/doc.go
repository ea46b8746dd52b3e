// Package conformance holds what plugs into Gate to one behaviour: routers' adapters
// (RunAdapter), sources of entitlements (RunSource), reporters of usage (RunReporter),
// outboxes (RunOutbox) and stores of fleets (RunFleet, and RunBurst with a router in front), Gate's own and those of others. Each suite
// is a table of rows with a sentence for a name; that of the adapters is served over real sockets on 127.0.0.1,
// so that one more router behaves as all the others do, to the byte.
//
// # An adapter's test
//
// Say in an Adapter how your router is put together, and run the suite, best with -race:
//
//	func TestAdapter(t *testing.T) {
//		conformance.RunAdapter(t, conformance.Adapter{Guarded: guarded, Tabled: tabled, Verify: verify})
//	}
//
//	go test -race -run 'TestAdapter/panics' ./youradapter
//
// Guarded is given routes and registers each as an app would: what Recovery and Before
// ask for first, then a gate for each of Policies, then the handler, with the router's
// own writer and request, or what answers Body. The example of RunAdapter is a whole adapter with its test.
//
// Patterns come spelled as the router has them, if the Adapter says how (Spell); so
// do the tables' keys, and so must be the route that a decision names. Where handlers
// return errors, Error adds rows about them; Grouped adds rows for every way to group
// routes. What is nil adds none.
//
// # What the suite wants of an adapter
//
// What a row is about is in its name. On the whole: usage is reported once, if the
// client is answered with a status below 400, and however the handler ends; the method makes
// no difference; the writer has the
// abilities that it has without a gate, and unwraps; the request has its body, its
// values and, for those in front, its identity; a denial is the same bytes
// everywhere, the instance apart, and nothing comes after it; requests that no route
// matches are the router's to answer, and free.
//
// A row that fails shows the rule that it breaks and what the clients have seen.
//
// # A checklist for an adapter
//
//   - One gate.Guard per policy, made at start-up; nothing of it is made per request.
//   - Guard.Serve is called once for a request, with the request that the router has now
//     and the writer that the handler is to use, and its three functions do one thing each:
//     deny writes the denial and keeps the router from going on, next runs the rest of the
//     chain, outcome adds what the router alone knows (an error that was returned).
//   - The handler gets the request and the writer that next is given, for the time of next
//     alone: afterwards the router has its own again, if what it has is still the gate's.
//   - The route of a decision is the pattern that the router has matched, in the router's
//     spelling, and never the path.
//   - Status and bytes are the recorder's, never asked of the router's own writer.
//   - Verify lists what the router has registered, and tells the keys that fit none of it.
//   - The adapter has no lock, no goroutine and no memory of requests.
//
// # What a router gets wrong
//
// A row that no adapter could pass on your router is skipped by name, with the
// router's own issue (Adapter.Skip); one name stands for HTTP/1 and HTTP/2. It is run
// all the same: the day that it passes over both, the suite fails until the skip is gone.
package conformance
