package identity

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/stiggate/gate"
)

// FromContext resolves the customer from the request's context, where the
// authentication middleware in front of the gate has put it. account reports
// false when the context carries none.
func FromContext(account func(context.Context) (gate.Customer, bool)) gate.Resolver {
	if account == nil {
		return wrong("FromContext", "the function is nil")
	}
	return resolver{resolve: func(r *http.Request) (gate.Customer, error) {
		c, ok := account(r.Context())
		if !ok {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		return c, nil
	}}
}

// FromContextValue resolves the customer from the value that the authentication
// middleware has put into the request's context under key: the app's own user, or the
// claims in a struct. customer reports false when the value belongs to none; it is not
// called for a value that is absent or a nil pointer. A value of another type is an
// *UntrustedIdentityError.
func FromContextValue[T any](key any, customer func(T) (gate.Customer, bool)) gate.Resolver {
	switch {
	case customer == nil:
		return wrong("FromContextValue", "the function is nil")
	case key == nil || !reflect.TypeOf(key).Comparable():
		return wrong("FromContextValue", "the key is nil, or of a type that can't be compared")
	}
	return resolver{resolve: func(r *http.Request) (gate.Customer, error) {
		value := r.Context().Value(key)
		if value == nil {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		v, ok := value.(T)
		if !ok {
			return gate.Customer{}, &UntrustedIdentityError{"value in the context", fmt.Sprintf("is a %T and no %v", value, reflect.TypeFor[T]())}
		}
		if rv := reflect.ValueOf(value); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		c, ok := customer(v)
		if !ok {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		return c, nil
	}}
}

// FromClaims resolves the customer from the claims of a token that authentication in
// front of the gate has verified: its signature, its times, its audience. claims returns
// them from the request's context, and false when there are none; any map of claims will
// do, such as golang-jwt's MapClaims. customer and resource name the claims that hold the
// ids ("org_id", or "https://example.com/org"); an empty resource leaves it out.
//
// Without claims, or without the customer's claim, it returns gate.ErrNoCustomer. A claim that
// is anything but a string with something in it is an *UntrustedIdentityError: a number (1e3 and
// 1000 would be two customers), a list, null. Without the resource's claim the customer's
// own set is meant.
func FromClaims[M ~map[string]any](claims func(context.Context) (M, bool), customer, resource string) gate.Resolver {
	switch {
	case claims == nil:
		return wrong("FromClaims", "the function is nil")
	case customer == "":
		return wrong("FromClaims", "there is no name of the customer's claim")
	}
	return resolver{resolve: func(r *http.Request) (c gate.Customer, err error) {
		m, ok := claims(r.Context())
		if _, named := m[customer]; !ok || !named {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		if c.ID, err = claim(m, customer); err != nil {
			return gate.Customer{}, err
		}
		if _, named := m[resource]; resource == "" || !named {
			return c, nil
		}
		if c.Resource, err = claim(m, resource); err != nil {
			return gate.Customer{}, err
		}
		return c, nil
	}}
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
