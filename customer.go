package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// maxIDLength is the longest customer, resource or feature id that Stigg takes.
const maxIDLength = 255

// Validate reports whether both ids have the form that Stigg documents: a
// letter or digit, then up to 254 letters, digits, or any of _ | . - and, in a
// customer id, @. The error is an *IDError; it never quotes the id.
func (c Customer) Validate() error {
	if problem := checkID(c.ID, true); problem != "" {
		return &IDError{What: "customer id", Problem: problem}
	}
	if c.Resource == "" {
		return nil
	}
	if problem := checkID(c.Resource, false); problem != "" {
		return &IDError{What: "resource id", Problem: problem}
	}
	return nil
}

// IDError says which id is malformed and how. It holds no part of the id, so
// it can be logged and shown.
type IDError struct {
	What    string // "customer id", "resource id" or "feature id"
	Problem string
}

func (e *IDError) Error() string { return "gate: " + e.What + " " + e.Problem }

// checkID returns what is wrong with an id, or "".
func checkID(id string, at bool) string {
	if id == "" {
		return "is empty"
	}
	if len(id) > maxIDLength {
		return fmt.Sprintf("is longer than %d bytes", maxIDLength)
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i == 0:
			return "does not begin with a letter or a digit"
		case c == '_', c == '|', c == '.', c == '-', at && c == '@':
		default:
			return fmt.Sprintf("has a byte that is not allowed at position %d", i)
		}
	}
	return ""
}

// Resolver says which customer a request is made for. An error means that
// nobody could be named: the request is denied with 401 customer_unresolved and
// nothing is asked of Stigg. What it returns is validated by the gate.
//
// Take the identity from what authentication has verified (FromContext), never
// from what a client can write by itself.
type Resolver func(*http.Request) (Customer, error)

// ErrNoCustomer is what a Resolver returns when the request names no customer.
var ErrNoCustomer = errors.New("gate: the request names no customer")

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

// FromTrustedHeader resolves the customer from one header and, if resource is
// not empty, the resource from another. Use it only behind a proxy that sets
// both headers itself and drops what clients send under these names. A header
// that comes twice is refused: nobody can say which of the two is meant.
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
		if resource != "" {
			c.Resource, err = single(r.Header, resource)
		}
		return c, err
	}
}

func single(h http.Header, name string) (string, error) {
	switch values := h[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", fmt.Errorf("gate: header %s comes %d times", name, len(values))
	}
}
