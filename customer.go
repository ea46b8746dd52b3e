package gate

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/stiggate/gate/internal/valid"
)

// Customer says who is asking: a customer of Stigg and, where plans are sold
// per workspace or site, one resource of that customer. It is a struct key
// everywhere in Gate, never a joined string: the official Node SDK's key "a:b"
// mixes customer "a:b" with customer "a" and resource "b".
type Customer struct {
	// ID is Stigg's customerId.
	ID string
	// Resource is Stigg's resourceId; empty reads the customer's own set.
	Resource string
}

// Validate reports whether both ids have the form that Stigg documents: a
// letter or digit, then up to 254 letters, digits, or any of _ | . - and, in a
// customer id, @. The error is an *InvalidIDError; it never quotes the id.
func (c Customer) Validate() error {
	if err := checkID("customer id", c.ID, true); err != nil || c.Resource == "" {
		return err
	}
	return checkID("resource id", c.Resource, false)
}

// own is c, checked, in memory of its own: fasthttp uses what it has of a request again for the next one.
func (c Customer) own() (Customer, error) {
	if err := c.Validate(); err != nil {
		return Customer{}, err
	}
	return Customer{strings.Clone(c.ID), strings.Clone(c.Resource)}, nil
}

// InvalidIDError says which id is malformed and how. It holds no part of the id, so
// it can be logged and shown.
type InvalidIDError struct {
	What    string // "customer id", "resource id" or "feature id"
	Problem string
}

func (e *InvalidIDError) Error() string { return "gate: " + e.What + " " + e.Problem }

func checkID(what, id string, at bool) error {
	if problem := valid.ID(id, at); problem != "" {
		return &InvalidIDError{What: what, Problem: problem}
	}
	return nil
}

// Resolver says which customer a request is made for. Package identity makes them. Take the
// identity from what authentication has verified, never from what a client can write by
// itself.
//
// An error means that nobody could be named, and the request is denied with 401
// customer_unresolved; one that is ErrCustomerConflict is denied with 403 customer_conflict.
// Either way nothing is asked of Stigg. The gate validates the Customer.
type Resolver interface {
	Resolve(r *http.Request) (Customer, error)
}

// ResolverFunc is a function as a Resolver.
type ResolverFunc func(*http.Request) (Customer, error)

// Resolve calls f.
func (f ResolverFunc) Resolve(r *http.Request) (Customer, error) { return f(r) }

// Validate is Validator's: a nil function can't resolve.
func (f ResolverFunc) Validate() error {
	if f == nil {
		return errors.New("the resolver, which says what customer a request is made for, is nil (an app without requests has identity.Nobody)")
	}
	return nil
}

// Validator is a Resolver that knows what is wrong with how it was made. New asks it.
type Validator interface {
	// Validate is nil, or says what is wrong.
	Validate() error
}

// ErrNoCustomer is what a Resolver returns when the request names no customer.
var ErrNoCustomer = errors.New("gate: the request names no customer")

// ErrCustomerConflict is what a Resolver returns when a verified customer asks for another's: who
// asks is known, so it is denied with 403.
var ErrCustomerConflict = errors.New("gate: the request names another customer than the one who is verified")

type customerKey struct{}

// ContextWithCustomer returns a context in which CustomerFromContext finds c. It is for
// authentication behind routers whose middlewares keep values to themselves, as gin's and echo's Set do;
// the gate sees only the request:
//
//	c.Request = c.Request.WithContext(gate.ContextWithCustomer(c.Request.Context(), customer))   // gin
//	c.SetRequest(c.Request().WithContext(gate.ContextWithCustomer(c.Request().Context(), customer))) // echo
//
// The Resolver for it is identity.FromContext(gate.CustomerFromContext). Hand over only what is verified.
func ContextWithCustomer(ctx context.Context, c Customer) context.Context {
	return context.WithValue(ctx, customerKey{}, c)
}

// CustomerFromContext returns the customer that ContextWithCustomer put in, and whether there
// is one.
func CustomerFromContext(ctx context.Context) (Customer, bool) {
	c, ok := ctx.Value(customerKey{}).(Customer)
	return c, ok
}
