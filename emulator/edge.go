package emulator

import (
	_ "embed"
	"net/http"
	"net/url"
	"strconv"
)

// edgeDocuments holds the operations that the edge's answers are made of: the
// fields that the official fragments select.
//
//go:embed edge.graphql
var edgeDocuments string

// Names of the edge reads, in Requests and in faults.
const (
	edgeState         = "edge.entitlements-state"
	edgeEntitlements  = "edge.entitlements"
	edgeSubscriptions = "edge.subscriptions"
	edgePaywall       = "edge.paywall"
	edgeConfiguration = "edge.sdk-configuration"
)

// edgeRead is one of Stigg's cached reads.
type edgeRead struct {
	name string
	// operation of the document, with the variables that a request gives it.
	operation string
	variables func(r *http.Request) map[string]any
	// single is what is read instead if the request names a feature, nil for nothing.
	single *edgeRead
}

// routeEdge serves Stigg's cached reads. ServeMux splits the path before it
// unescapes it, so that an id with an escaped slash stays one segment.
func (e *Emulator) routeEdge(mux *http.ServeMux) {
	paywall := edgeRead{name: edgePaywall, operation: "Paywall", variables: paywallWanted}
	configuration := edgeRead{name: edgeConfiguration, operation: "Configuration", variables: func(*http.Request) map[string]any { return nil }}
	// Stigg's client for Python asks for one feature by parameters of the list's path.
	one := edgeRead{name: edgeEntitlements, operation: "Entitlement", variables: entitlementWanted}
	for path, read := range map[string]edgeRead{
		"/v1/c/{customer}/entitlements-state.json": {name: edgeState, operation: "State", variables: entitlementsWanted},
		"/v1/c/{customer}/entitlements.json":       {name: edgeEntitlements, operation: "Entitlements", variables: entitlementsWanted, single: &one},
		"/v1/c/{customer}/subscriptions.json":      {name: edgeSubscriptions, operation: "Subscriptions", variables: subscriptionsWanted},
		"/v1/paywall.json":                         paywall,
		"/v1/p/{product}/paywall.json":             paywall,
		"/v1/config/server-sdk-configuration.json": configuration,
		"/v1/config/client-sdk-configuration.json": configuration,
	} {
		mux.Handle(path, e.openToPages(e.edge(read)))
	}
}

func (e *Emulator) edge(read edgeRead) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			e.write(w, e.failed(http.StatusMethodNotAllowed, codeBadRequest, "the edge is read by GET only"))
			return
		}
		if !e.authentic(r) {
			e.write(w, e.unauthenticated())
			return
		}
		read := read
		if read.single != nil && r.URL.Query().Has("featureId") {
			read = *read.single
		}
		e.serve(w, r, graphRequest{Query: edgeDocuments, OperationName: read.operation, Variables: read.variables(r)}, read.name)
	}
}

func entitlementsWanted(r *http.Request) map[string]any {
	return map[string]any{"query": ofCustomer(r, r.URL.Query())}
}

// entitlementWanted: an amount that is no number is left for the schema to refuse.
func entitlementWanted(r *http.Request) map[string]any {
	asked := r.URL.Query()
	in, options := ofCustomer(r, asked), map[string]any{}
	in["featureId"] = asked.Get("featureId")
	if asked.Has("requestedUsage") {
		options["requestedUsage"] = asked.Get("requestedUsage")
		if n, err := strconv.ParseFloat(asked.Get("requestedUsage"), 64); err == nil {
			options["requestedUsage"] = n
		}
	}
	if values := asked["requestedValues"]; len(values) > 0 {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		options["requestedValues"] = list
	}
	in["options"] = options
	return map[string]any{"query": in}
}

func subscriptionsWanted(r *http.Request) map[string]any {
	asked := r.URL.Query()
	in := ofCustomer(r, asked)
	var ids []any
	for _, id := range asked["resourceIds"] {
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		in["resourceIds"] = ids
	}
	return map[string]any{"input": in}
}

func ofCustomer(r *http.Request, asked url.Values) map[string]any {
	in := map[string]any{"customerId": r.PathValue("customer")}
	if resource := asked.Get("resourceId"); resource != "" {
		in["resourceId"] = resource
	}
	return in
}

// paywallWanted leaves out what is hidden: it changes no paywall.
func paywallWanted(r *http.Request) map[string]any {
	in := map[string]any{}
	if id := r.PathValue("product"); id != "" {
		in["productId"] = id
	}
	if code := r.URL.Query().Get("billingCountryCode"); code != "" {
		in["billingCountryCode"] = code
	}
	return map[string]any{"input": in}
}
