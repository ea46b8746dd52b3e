package gate

import (
	"context"
	"errors"

	"github.com/stiggate/gate/fleet"
	replica "github.com/stiggate/gate/internal/fleet"
	"github.com/stiggate/gate/internal/option"
	"github.com/stiggate/gate/internal/swr"
)

// WithFleet has each limit count in all replicas of the app together, by a store that they share; Close
// closes it. Without it a limit counts in each process of its own, until the usage of the others is told
// by Stigg.
//
// The store is asked about metered features and credits with a hard limit, and only where what this
// replica has in hand is not enough; a request that needs it waits at most the decision timeout.
func WithFleet(store fleet.Fleet) Option {
	return option.Once("fleet", store, func(c *config) *fleet.Fleet { return &c.fleet.Store })
}

// WithFleetOutage says what is granted while the store can't be asked. Without it that is
// fleet.SpendLease: what is in hand, for some seconds, and then requests are denied with 503.
func WithFleetOutage(o fleet.Outage) Option {
	return option.Known("fleet.Outage", o, fleet.LocalLedger, func(c *config) { c.fleet.Outage = o })
}

// PerReplica has the limit count in each replica of its own, where the gate has WithFleet: no store is
// asked, and so many replicas let in so many times as much.
func (p Policy) PerReplica() Policy {
	if !p.asks.Asks() {
		p.fail(errors.New("PerReplica belongs to a Feature or a Credits policy"))
	}
	p.asks.PerReplica = true
	return p
}

// join has the accounts shared, if there is a store.
func (g *Gate) join(c replica.Config) {
	c.Now, c.Logger = g.now, g.logger
	c.Read = func(a fleet.Account) {
		who := Customer{a.Customer, a.Resource}
		g.cache.Outdate(who) // what is cached has no count that was asked for since, however fresh it is
		var found swr.Found[snapshot]
		if err := g.cache.Get(context.Background(), who, g.now(), true, &swr.Wait{}, &found); err == nil {
			found.Done()
		}
	}
	g.fleet = replica.Start(c, g.ledger)
}
