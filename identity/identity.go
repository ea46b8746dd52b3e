// Package identity says who is asking: it makes the Resolver that gate.New needs, of what
// authentication in front of the gate has verified (FromContext, FromContextValue,
// FromClaims, FromTrustedHeader). What a client chooses by itself, a path or a subdomain
// (FromPath, FromPathValue, FromSubdomain), only names a customer: Agree holds it against a
// verified identity. FirstOf tries several. Nobody is for an app that answers no requests.
//
// A Resolver that can't be, of a nil function or a template that names nobody, keeps what is
// wrong with it, as a gate.Policy does, and gate.New says it. Without New it resolves nobody:
// Resolve returns the same error.
package identity

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/stiggate/gate"
)

// resolver is a Resolver and what is wrong with how it was made.
type resolver struct {
	resolve func(*http.Request) (gate.Customer, error)
	err     error
	names   string // the function that made it, if what it returns was chosen by the client
}

// Resolve is gate.Resolver's.
func (r resolver) Resolve(request *http.Request) (gate.Customer, error) {
	if r.err != nil {
		return gate.Customer{}, r.err
	}
	return r.resolve(request)
}

// Validate is gate.Validator's.
func (r resolver) Validate() error { return r.err }

// Nobody names nobody, so that every request is denied with 401. It is for an app that answers no
// requests, such as a worker that calls [gate.Gate.Admit] and [gate.Gate.Report].
func Nobody() gate.Resolver {
	return resolver{resolve: func(*http.Request) (gate.Customer, error) { return gate.Customer{}, gate.ErrNoCustomer }}
}

// wrong is a Resolver that can't be.
func wrong(name, problem string) gate.Resolver {
	return resolver{err: &ResolverError{Resolver: name, Problem: problem}}
}

// ResolverError says which Resolver can't be, and why.
type ResolverError struct {
	Resolver string // the function that should make it, such as "FromPath"
	Problem  string
}

func (e *ResolverError) Error() string { return "identity: " + e.Resolver + ": " + e.Problem }

// UntrustedIdentityError says that a request may name a customer, but not in a way that can be
// trusted to mean one. It holds nothing of what the request says, so it can be logged
// and shown.
type UntrustedIdentityError struct {
	Source  string // where: such as "header X-Customer-Id", "claim org_id" or "host"
	Problem string
}

func (e *UntrustedIdentityError) Error() string { return "identity: " + e.Source + " " + e.Problem }

// together is what is wrong with the Resolvers that another is made of.
func together(name string, parts []gate.Resolver) error {
	var problems []error
	for i, part := range parts {
		if part == nil {
			problems = append(problems, &ResolverError{Resolver: name, Problem: fmt.Sprintf("Resolver %d is nil", i+1)})
		} else if v, ok := part.(gate.Validator); ok {
			problems = append(problems, v.Validate())
		}
	}
	return errors.Join(problems...)
}
