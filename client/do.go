package client

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Do sends a document of your own, for what this package has no method for: introspection, a field
// that is selected nowhere. The document has one query or mutation, with a name or without one;
// variables, which may be nil, are encoded as JSON, and the answer's data is decoded into out, a
// pointer.
//
// Headers, bounds and errors are those of every call. A query is repeated as [WithRetry] says, a
// mutation is sent once; tell the gate of what it changes (gate.Gate.Invalidate).
func (c *Client) Do(ctx context.Context, document string, variables, out any) error {
	const op = "Do"
	if v := reflect.ValueOf(out); v.Kind() != reflect.Pointer || v.IsNil() {
		return invalid(op, "out is no pointer", nil)
	}
	parsed, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil || len(parsed.Operations) != 1 {
		return invalid(op, "the document is not one operation of GraphQL", nil)
	}
	operation := operation{name: parsed.Operations[0].Name, mutation: parsed.Operations[0].Operation == ast.Mutation}
	switch {
	case parsed.Operations[0].Operation == ast.Subscription:
		return invalid(op, "a subscription is not for Do: use Subscribe", nil)
	case operation.name == "":
		operation.name = op
	}
	request := struct {
		Query     string `json:"query"`
		Variables any    `json:"variables,omitempty"`
		Name      string `json:"operationName,omitempty"`
	}{document, variables, parsed.Operations[0].Name}
	body, err := json.Marshal(request)
	if err != nil {
		return invalid(operation.name, "the variables can't be encoded as JSON", nil)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, http.NoBody)
	if err != nil {
		return invalid(operation.name, "no request can be made of it", nil)
	}
	return c.send(ctx, req, operation, body, out)
}
