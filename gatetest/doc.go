// Package gatetest holds what plugs into Gate to one behaviour: routers' adapters
// (Run), sources of entitlements (RunSource), reporters of usage (RunReporter) and
// outboxes (RunOutbox), Gate's own and those of others. Each suite is a table of rows with a
// sentence for a name; that of the adapters is served over real sockets on 127.0.0.1,
// so that one more router behaves as all the others do, to the byte.
//
// # An adapter's test
//
// Say in an Adapter how your router is put together, and run the suite, best with -race:
//
//	func TestAdapter(t *testing.T) {
//		gatetest.Run(t, gatetest.Adapter{Guarded: guarded, Tabled: tabled, Verify: verify})
//	}
//
//	go test -race -run 'TestAdapter/panics' ./youradapter
//
// Guarded is given routes and registers each as an app would: what Recovery and Before
// ask for first, then a gate for each of Policies, then the handler, with the router's
// own writer and request, or what answers Body. The example of Run is a whole adapter with its test.
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
// # What a router gets wrong
//
// A row that no adapter could pass on your router is skipped by name, with the
// router's own issue (Adapter.Skip). It is run all the same: the day that it
// passes, the suite fails until the skip is gone.
package gatetest
