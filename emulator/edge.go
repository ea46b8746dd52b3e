package emulator

import (
	_ "embed"
	"net/http"
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
	edgeConfiguration = "edge.sdk-configuration"
)

// routeEdge serves Stigg's cached reads. ServeMux splits the path before it
// unescapes it, so that an id with an escaped slash stays one segment.
func (e *Emulator) routeEdge(mux *http.ServeMux) {
	mux.HandleFunc("/v1/c/{customer}/entitlements-state.json", e.edge(edgeState, "State"))
	mux.HandleFunc("/v1/c/{customer}/entitlements.json", e.edge(edgeEntitlements, "Entitlements"))
	mux.HandleFunc("/v1/config/server-sdk-configuration.json", e.edge(edgeConfiguration, "Configuration"))
}

func (e *Emulator) edge(name, operation string) http.HandlerFunc {
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
		req := graphRequest{Query: edgeDocuments, OperationName: operation}
		if id := r.PathValue("customer"); id != "" {
			query := map[string]any{"customerId": id}
			if resource := r.URL.Query().Get("resourceId"); resource != "" {
				query["resourceId"] = resource
			}
			req.Variables = map[string]any{"query": query}
		}
		e.serve(w, r, req, name)
	}
}
