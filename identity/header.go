package identity

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/stiggate/gate"
)

// FromTrustedHeader resolves the customer from one header and, if resource is
// not empty, the resource from another. Use it only behind a proxy that sets
// both headers itself and drops what clients send under these names. A header
// that comes twice is an *UntrustedIdentityError: nobody can say which of the two is meant.
func FromTrustedHeader(customer, resource string) gate.Resolver {
	if customer == "" {
		return wrong("FromTrustedHeader", "there is no name of the customer's header")
	}
	for _, name := range []string{customer, resource} {
		if strings.ContainsFunc(name, notOfToken) {
			return wrong("FromTrustedHeader", fmt.Sprintf("%q is no name of a header", name))
		}
	}
	customer = http.CanonicalHeaderKey(customer)
	resource = http.CanonicalHeaderKey(resource)
	return resolver{resolve: func(r *http.Request) (gate.Customer, error) {
		id, err := single(r.Header, customer)
		if err != nil {
			return gate.Customer{}, err
		}
		if id == "" {
			return gate.Customer{}, gate.ErrNoCustomer
		}
		c := gate.Customer{ID: id}
		if resource == "" {
			return c, nil
		}
		if c.Resource, err = single(r.Header, resource); err != nil {
			return gate.Customer{}, err
		}
		return c, nil
	}}
}

// notOfToken reports whether a field's name can't have the character (RFC 9110, section 5.6.2).
func notOfToken(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
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
