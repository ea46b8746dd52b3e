package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
)

// Resolver says which customer a request is made for. An error means that
// nobody could be named: the request is denied with 401 customer_unresolved and
// nothing is asked of Stigg. What it returns is validated by the gate.
//
// Take the identity from what authentication has verified (FromContext,
// FromContextValue, FromClaims), never from what a client can write by itself. A path
// or a subdomain (FromPath, FromPathValue, FromSubdomain) only names: Agree holds it
// against a verified identity.
//
// The functions of this package that make a Resolver return nil if they can't: for a
// nil function or Resolver, or for a name that can name nothing. New refuses a nil
// Resolver.
type Resolver func(*http.Request) (Customer, error)

// ErrNoCustomer is what a Resolver returns when the request names no customer.
var ErrNoCustomer = errors.New("gate: the request names no customer")

// ErrCustomerConflict is returned by Agree's Resolver when the sources name different customers
// or different resources.
var ErrCustomerConflict = errors.New("gate: the request names two customers")

// UntrustedIdentityError says that a request may name a customer, but not in a way that can be
// trusted to mean one. It holds nothing of what the request says, so it can be logged
// and shown.
type UntrustedIdentityError struct {
	Source  string // where: such as "header X-Customer-Id", "claim org_id" or "host"
	Problem string
}

func (e *UntrustedIdentityError) Error() string { return "gate: " + e.Source + " " + e.Problem }

// FromContext resolves the customer from the request's context, where the
// authentication middleware in front of the gate has put it. account reports
// false when the context carries none.
func FromContext(account func(context.Context) (Customer, bool)) Resolver {
	if account == nil {
		return nil
	}
	return func(r *http.Request) (Customer, error) {
		c, ok := account(r.Context())
		if !ok {
			return Customer{}, ErrNoCustomer
		}
		return c, nil
	}
}

// FromContextValue resolves the customer from the value that the authentication
// middleware has put into the request's context under key: the app's own user, or the
// claims in a struct. customer reports false when the value belongs to none; it is not
// called for a value that is absent or a nil pointer. A value of another type is an
// *UntrustedIdentityError.
func FromContextValue[T any](key any, customer func(T) (Customer, bool)) Resolver {
	if customer == nil || key == nil || !reflect.TypeOf(key).Comparable() {
		return nil
	}
	return func(r *http.Request) (Customer, error) {
		value := r.Context().Value(key)
		if value == nil {
			return Customer{}, ErrNoCustomer
		}
		v, ok := value.(T)
		if !ok {
			return Customer{}, &UntrustedIdentityError{"value in the context", fmt.Sprintf("is a %T and no %v", value, reflect.TypeFor[T]())}
		}
		if rv := reflect.ValueOf(value); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return Customer{}, ErrNoCustomer
		}
		c, ok := customer(v)
		if !ok {
			return Customer{}, ErrNoCustomer
		}
		return c, nil
	}
}

type customerKey struct{}

// ContextWithCustomer returns a context in which CustomerFromContext finds c. It is for authentication
// behind routers whose middlewares keep values to themselves, as gin's and echo's Set do;
// the gate sees only the request:
//
//	c.Request = c.Request.WithContext(gate.ContextWithCustomer(c.Request.Context(), customer))   // gin
//	c.SetRequest(c.Request().WithContext(gate.ContextWithCustomer(c.Request().Context(), customer))) // echo
//
// The Resolver for it is FromContext(CustomerFromContext). Hand over only what is verified.
func ContextWithCustomer(ctx context.Context, c Customer) context.Context {
	return context.WithValue(ctx, customerKey{}, c)
}

// CustomerFromContext returns the customer that ContextWithCustomer put in, and whether there is one.
func CustomerFromContext(ctx context.Context) (Customer, bool) {
	c, ok := ctx.Value(customerKey{}).(Customer)
	return c, ok
}

// FromClaims resolves the customer from the claims of a token that authentication in
// front of the gate has verified: its signature, its times, its audience. claims returns
// them from the request's context, and false when there are none; any map of claims will
// do, such as golang-jwt's MapClaims. customer and resource name the claims that hold the
// ids ("org_id", or "https://example.com/org"); an empty resource leaves it out.
//
// Without claims, or without the customer's claim, it returns ErrNoCustomer. A claim that
// is anything but a string with something in it is an *UntrustedIdentityError: a number (1e3 and
// 1000 would be two customers), a list, null. Without the resource's claim the customer's
// own set is meant.
func FromClaims[M ~map[string]any](claims func(context.Context) (M, bool), customer, resource string) Resolver {
	if claims == nil || customer == "" {
		return nil
	}
	return func(r *http.Request) (c Customer, err error) {
		m, ok := claims(r.Context())
		if _, named := m[customer]; !ok || !named {
			return Customer{}, ErrNoCustomer
		}
		if c.ID, err = claim(m, customer); err != nil {
			return Customer{}, err
		}
		if _, named := m[resource]; resource == "" || !named {
			return c, nil
		}
		if c.Resource, err = claim(m, resource); err != nil {
			return Customer{}, err
		}
		return c, nil
	}
}

func claim[M ~map[string]any](m M, name string) (string, error) {
	s, ok := m[name].(string)
	switch {
	case !ok:
		return "", &UntrustedIdentityError{"claim " + name, "is no string"}
	case s == "":
		return "", &UntrustedIdentityError{"claim " + name, "is empty"}
	}
	return s, nil
}

// FromTrustedHeader resolves the customer from one header and, if resource is
// not empty, the resource from another. Use it only behind a proxy that sets
// both headers itself and drops what clients send under these names. A header
// that comes twice is an *UntrustedIdentityError: nobody can say which of the two is meant.
func FromTrustedHeader(customer, resource string) Resolver {
	if customer == "" {
		return nil
	}
	customer = http.CanonicalHeaderKey(customer)
	resource = http.CanonicalHeaderKey(resource)
	return func(r *http.Request) (Customer, error) {
		id, err := single(r.Header, customer)
		if err != nil {
			return Customer{}, err
		}
		if id == "" {
			return Customer{}, ErrNoCustomer
		}
		c := Customer{ID: id}
		if resource == "" {
			return c, nil
		}
		if c.Resource, err = single(r.Header, resource); err != nil {
			return Customer{}, err
		}
		return c, nil
	}
}

func single(h http.Header, name string) (string, error) {
	switch values := h[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", &UntrustedIdentityError{"header " + name, fmt.Sprintf("comes %d times", len(values))}
	}
}

// Agree resolves the customer that verified names, and holds against it what the request
// names elsewhere: every other Resolver must name the same customer or, by ErrNoCustomer,
// nobody. So a path may say for whom a request is made, and nobody but that customer gets
// in by it:
//
//	gate.Agree(gate.FromClaims(claims, "org_id", ""), gate.FromPath("/orgs/{customer}"))
//
// verified has to name somebody by itself: a path alone admits nobody. Names are compared
// byte by byte. One that differs is ErrCustomerConflict, and any other error of any of them is
// returned as it is: both deny. A customer who may act for several others needs a
// Resolver of your own, which looks that up.
//
// The resource is the one that any of them names: where several do, they must name the
// same, so a resource that the verified identity has is never left. Where it has none,
// a path chooses among that customer's resources; whether this user may see it is for
// your authorization to say. A Resolver that names a resource alone agrees with every
// customer.
func Agree(verified Resolver, named ...Resolver) Resolver {
	if verified == nil || anyNil(named) {
		return nil
	}
	return func(r *http.Request) (Customer, error) {
		c, err := verified(r)
		if err == nil && c.ID == "" {
			err = ErrNoCustomer
		}
		if err != nil {
			return Customer{}, err
		}
		for _, resolve := range named {
			other, err := resolve(r)
			switch {
			case errors.Is(err, ErrNoCustomer):
				continue
			case err != nil:
				return Customer{}, err
			case differ(c.ID, other.ID), differ(c.Resource, other.Resource):
				return Customer{}, ErrCustomerConflict
			case c.Resource == "":
				c.Resource = other.Resource
			}
		}
		return c, nil
	}
}

// differ reports whether both name something, and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// FirstOf asks one Resolver after the other until one names a customer: a session, then an
// API key. Only ErrNoCustomer goes on to the next; any other error denies, so that a
// forged session is not mended by something else. Each of them is trusted alone, so each
// must be verified: put a path or a subdomain into Agree.
func FirstOf(resolvers ...Resolver) Resolver {
	if len(resolvers) == 0 || anyNil(resolvers) {
		return nil
	}
	return func(r *http.Request) (Customer, error) {
		for _, resolve := range resolvers {
			if c, err := resolve(r); !errors.Is(err, ErrNoCustomer) {
				return c, err
			}
		}
		return Customer{}, ErrNoCustomer
	}
}

func anyNil(resolvers []Resolver) bool {
	for _, r := range resolvers {
		if r == nil {
			return true
		}
	}
	return false
}
