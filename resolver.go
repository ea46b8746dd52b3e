package gate

import (
	"context"
	"errors"
	"net/http"
)

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
		return errors.New("the resolver, which says what customer a request is made for, is nil")
	}
	return nil
}

// Validator is a Resolver that knows what is wrong with how it was made. New asks it.
type Validator interface {
	// Validate is nil, or says what is wrong.
	Validate() error
}

func validateResolver(who Resolver) error {
	if who == nil {
		return ResolverFunc(nil).Validate()
	}
	if v, ok := who.(Validator); ok {
		return v.Validate()
	}
	return nil
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
