package gate

import "fmt"

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
// customer id, @. The error is an *InvalidIDError; it never quotes the id.
func (c Customer) Validate() error {
	if problem := checkID(c.ID, true); problem != "" {
		return &InvalidIDError{What: "customer id", Problem: problem}
	}
	if c.Resource == "" {
		return nil
	}
	if problem := checkID(c.Resource, false); problem != "" {
		return &InvalidIDError{What: "resource id", Problem: problem}
	}
	return nil
}

// InvalidIDError says which id is malformed and how. It holds no part of the id, so
// it can be logged and shown.
type InvalidIDError struct {
	What    string // "customer id", "resource id" or "feature id"
	Problem string
}

func (e *InvalidIDError) Error() string { return "gate: " + e.What + " " + e.Problem }

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
