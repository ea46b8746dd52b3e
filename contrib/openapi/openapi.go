// Package openapi reads policies by route from an OpenAPI document of version 3.0 or 3.1, where each
// operation says what it asks of a customer's plan:
//
//	servers: [{url: https://api.example.com/v1}]
//	paths:
//	  /campaigns/{id}:
//	    post:
//	      operationId: createCampaign
//	      x-gate: {feature: feature-02-campaigns, uses: 1}
//	    get:
//	      x-gate: public
//
// What stands behind x-gate has the words of a policy file, which are listed in docs/policies.md. At
// a path item, or at the document's root, it is for the operations there that have none of their
// own; an operation that has none at all is refused. The document is read as package policyfile
// reads its files, and reloaded as those are:
//
//	policies, err := policyfile.Open("openapi.yaml", openapi.Document())
//
// The routes are spelled as net/http and chi do, with the base path of the document's servers in
// front: "POST /v1/campaigns/{id}". WithPaths spells them for other routers.
//
// A path item may be a reference within the document; one of another file is refused, so bundle a
// document of several files. References of everything else (schemas, answers) are not followed.
// Callbacks and webhooks are requests that the app makes; x-gate is refused there.
//
// The documents are read by github.com/pb33f/libopenapi: it keeps the lines and columns of
// extensions, which github.com/getkin/kin-openapi makes plain values of, and it knows 3.1's path
// items among the components. Both are well kept.
package openapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stiggate/gate/internal/declared"
	"github.com/stiggate/gate/policyfile"
)

// Option changes how a document's routes are named.
type Option func(*options) error

type options struct {
	spell    func(path string) (string, error)
	basePath *string
}

// WithPaths has spell write every path, with its base path, as the router does: Colons for gin, echo
// and others that write ":id". One of the app's own may know catch-alls, which OpenAPI has not:
// "/files/{path}" is "/files/{path...}" of net/http.
func WithPaths(spell func(path string) (string, error)) Option {
	return func(o *options) error {
		if spell == nil {
			return errors.New("openapi: the function that spells paths is nil")
		}
		o.spell = spell
		return nil
	}
}

// WithBasePath says what the router has in front of the document's paths, in place of what the
// servers say: "" where a proxy takes it away, or "/v1" where there are servers of several.
func WithBasePath(path string) Option {
	return func(o *options) error {
		if path != "" && (path[0] != '/' || strings.HasSuffix(path, "/")) {
			return fmt.Errorf("openapi: a base path begins with a slash and ends without: %q", path)
		}
		o.basePath = &path
		return nil
	}
}

// Colons spells a path as gin and echo do: "/items/:id" for "/items/{id}". They have no route for a
// path with a parameter in a part of a segment, a colon or a star.
func Colons(path string) (string, error) {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		name, isParameter := strings.CutPrefix(s, "{")
		if isParameter {
			name, isParameter = strings.CutSuffix(name, "}")
		}
		if strings.ContainsAny(name, "{}:*") {
			return "", fmt.Errorf("the segment %q can't be written with colons", s)
		}
		if isParameter {
			segments[i] = ":" + name
		}
	}
	return strings.Join(segments, "/"), nil
}

// Document has policyfile.Open and policyfile.Parse read an OpenAPI document.
func Document(with ...Option) policyfile.Option {
	o := options{spell: func(path string) (string, error) { return path, nil }}
	var problems []error
	for _, option := range with {
		problems = append(problems, option(&o))
	}
	if err := errors.Join(problems...); err != nil {
		return policyfile.WithSyntax(func([]byte) (*declared.Node, error) { return nil, err })
	}
	return policyfile.WithSyntax(o.read)
}
