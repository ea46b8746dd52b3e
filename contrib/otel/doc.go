// Package gateotel has the metrics and traces of a gate for OpenTelemetry.
//
//	t, err := gateotel.New()
//	g, err := gate.New(stigg, who, gate.WithObserver(t.Observer()))
//	err = t.Watch(g) // and t.Close() at the end
//
// A request's span gets an event gate.decision, and a child gate.wait if the decision waited for
// Stigg. Reads and deliveries, which serve many requests and belong to none, are spans of their
// own traces: gate.read, with the client's spans in it, and gate.deliver. The spans of all requests
// that wait for one read are linked to it. [Transport] names the client's spans after their operation.
//
// Nothing of a customer's is in an attribute. Features, codes and routes of the metrics have 1,000 values
// each at most, and "other" for all more, should an app make them of what a request says.
package gateotel
