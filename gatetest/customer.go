package gatetest

import (
	"slices"

	"github.com/stiggate/gate"
)

// Customer is one customer of a Stigg, or one of its resources.
type Customer struct {
	stigg *Stigg
	of    gate.Customer
}

// Customer is the customer with this id. Until something is said of it, it has what everybody
// has.
func (s *Stigg) Customer(id string) *Customer { return &Customer{s, gate.Customer{ID: id}} }

// Resource is one of the customer's resources. Until something is said of it, it has what
// the customer has.
func (c *Customer) Resource(id string) *Customer {
	return &Customer{c.stigg, gate.Customer{ID: c.of.ID, Resource: id}}
}

// On puts the customer on a plan, which Plan has named; nothing else that was said of it
// holds any more, but what it has used.
func (c *Customer) On(plan string) *Customer {
	c.stigg.t.Helper()
	c.stigg.mu.Lock()
	_, known := c.stigg.plans[plan]
	c.stigg.mu.Unlock()
	if !known {
		c.stigg.t.Fatalf("gatetest: no plan is named %q: name it with Plan before", plan)
	}
	return c.change(func(h *holding) { *h = holding{plan: plan} })
}

// Has gives the customer these beside its plan, in place of what the plan says of them.
func (c *Customer) Has(also ...Entitlement) *Customer {
	return c.change(func(h *holding) { h.own, h.denied = append(slices.Clone(also), h.own...), "" })
}

// Denied refuses the customer whatever is asked, for this reason, such as
// gate.ReasonNoSubscription. On and Has end it.
func (c *Customer) Denied(reason gate.Reason) *Customer {
	return c.change(func(h *holding) { h.denied = reason })
}

// Used sets what the customer has used of a feature, or of a credit currency.
func (c *Customer) Used(feature string, n float64) *Customer {
	c.stigg.change(func() { c.stigg.usage(c.of)[feature] = n })
	return c
}

func (c *Customer) change(f func(*holding)) *Customer {
	c.stigg.change(func() {
		h := c.stigg.customers[c.of]
		if h == nil {
			h = &holding{}
			c.stigg.customers[c.of] = h
		}
		f(h)
	})
	return c
}

// usage is what a customer has used; the caller has the lock.
func (s *Stigg) usage(c gate.Customer) map[string]float64 {
	if s.used[c] == nil {
		s.used[c] = make(map[string]float64)
	}
	return s.used[c]
}
