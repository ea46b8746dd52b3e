package identity

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/stiggate/gate"
)

// Agree resolves the customer that verified names, and holds against it what the request
// names elsewhere: every other Resolver must name the same customer or, by gate.ErrNoCustomer,
// nobody. So a path may say for whom a request is made, and nobody but that customer gets
// in by it:
//
//	identity.Agree(identity.FromClaims(claims, "org_id", ""), identity.FromPath("/orgs/{customer}"))
//
// verified has to name somebody by itself: a path alone admits nobody, so FromPath, FromPathValue
// and FromSubdomain in its place are refused by gate.New. Names are compared byte by byte. One that
// differs is gate.ErrCustomerConflict, answered with 403, and any other error of any of them is
// returned as it is, and answered with 401. A customer who may act for several others needs a
// Resolver of your own, which looks that up.
//
// The resource is the one that any of them names: where several do, they must name the
// same, so a resource that the verified identity has is never left. Where it has none,
// a path chooses among that customer's resources; whether this user may see it is for
// your authorization to say. A Resolver that names a resource alone agrees with every
// customer.
func Agree(verified gate.Resolver, named ...gate.Resolver) gate.Resolver {
	if err := together("Agree", append([]gate.Resolver{verified}, named...)); err != nil {
		return resolver{err: err}
	}
	if v, ok := verified.(resolver); ok && v.names != "" {
		return wrong("Agree", "the first Resolver is what authentication has verified, and "+v.names+" reads what a client chooses: put it behind one that is")
	}
	return resolver{resolve: func(r *http.Request) (gate.Customer, error) {
		c, err := verified.Resolve(r)
		if err == nil && c.ID == "" {
			err = gate.ErrNoCustomer
		}
		if err != nil {
			return gate.Customer{}, err
		}
		for _, name := range named {
			other, err := name.Resolve(r)
			switch {
			case errors.Is(err, gate.ErrNoCustomer):
				continue
			case err != nil:
				return gate.Customer{}, err
			case differ(c.ID, other.ID), differ(c.Resource, other.Resource):
				return gate.Customer{}, gate.ErrCustomerConflict
			case c.Resource == "":
				c.Resource = other.Resource
			}
		}
		return c, nil
	}}
}

// differ reports whether both name something, and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// FirstOf asks one Resolver after the other until one names a customer: a session, then an
// API key. Only gate.ErrNoCustomer goes on to the next; any other error denies, so that a
// forged session is not mended by something else. Each of them is trusted alone, so each
// must be verified: put a path or a subdomain into Agree.
func FirstOf(resolvers ...gate.Resolver) gate.Resolver {
	if len(resolvers) == 0 {
		return wrong("FirstOf", "there is no Resolver")
	}
	if err := together("FirstOf", resolvers); err != nil {
		return resolver{err: err}
	}
	names := ""
	for _, part := range resolvers {
		if v, ok := part.(resolver); ok {
			names = cmp.Or(names, v.names)
		}
	}
	return resolver{names: names, resolve: func(r *http.Request) (gate.Customer, error) {
		for _, first := range resolvers {
			if c, err := first.Resolve(r); !errors.Is(err, gate.ErrNoCustomer) {
				return c, err
			}
		}
		return gate.Customer{}, gate.ErrNoCustomer
	}}
}
