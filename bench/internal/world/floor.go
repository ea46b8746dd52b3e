package world

import (
	"sync/atomic"
	"time"

	"github.com/stiggate/gate"
)

// Counter is the least that a check needs to know of a customer.
type Counter struct {
	Used, Limit int64
	Fresh       time.Time
}

// Counters has one for each of the customers.
func Counters(customers []gate.Customer) map[gate.Customer]*Counter {
	m := make(map[gate.Customer]*Counter, len(customers))
	for _, c := range customers {
		m[c] = &Counter{Limit: 1 << 50, Fresh: time.Now().Add(time.Hour)}
	}
	return m
}

// Floor is the least that a check can be: a lookup in a map that writers replace, and a clock read.
func Floor(customers []gate.Customer) func(gate.Customer) {
	var table atomic.Pointer[map[gate.Customer]*Counter]
	m := Counters(customers)
	table.Store(&m)
	return func(who gate.Customer) {
		c := (*table.Load())[who]
		if time.Now().After(c.Fresh) || c.Used >= c.Limit {
			panic("refused")
		}
	}
}
