package gatetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stiggate/gate"
)

// source is a Stigg as gates see it.
type source struct{ *Stigg }

// failure is what a Stigg that is down says; the caller has the lock.
func (s source) failure() error {
	if !s.down {
		return nil
	}
	return &gate.UpstreamError{Kind: gate.UpstreamDown, Err: errors.New("gatetest: Stigg is down")}
}

// Entitlements is what a customer has.
func (s source) Entitlements(_ context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[c.ID] = true
	if err := s.failure(); err != nil {
		return gate.EntitlementSet{}, err
	}
	return s.set(c), nil
}

// set is what a customer has; the caller has the lock.
func (s *Stigg) set(c gate.Customer) (set gate.EntitlementSet) {
	h := s.customers[c]
	if h == nil {
		h = s.customers[gate.Customer{ID: c.ID}]
	}
	if h == nil {
		h = &holding{}
	}
	if h.denied != "" {
		return gate.EntitlementSet{Denied: h.denied}
	}
	plan, named := s.plans[h.plan]
	switch {
	case named:
	case s.all:
		set.Everything = true
	case len(s.plans) > 0:
		plan = s.plans[s.plan]
	case len(h.own) == 0:
		set.Denied = gate.ReasonNoSubscription
	}
	used, has := s.usage(c), make(map[string]bool)
	for _, e := range append(slices.Clone(h.own), plan...) {
		id := e.id()
		if has[id] {
			continue
		}
		has[id] = true
		if e.wallet.CurrencyID != "" {
			e.wallet.Usage = used[id]
			set.Credits = append(set.Credits, e.wallet)
		} else {
			e.feature.Usage = used[id]
			set.Features = append(set.Features, e.feature)
		}
	}
	return set
}

// Report counts a batch, each usage once.
func (s source) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failure(); err != nil {
		return nil, err
	}
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		acks[i] = s.count(u)
	}
	return acks, nil
}

// count counts a usage that is reported; the caller has the lock.
func (s *Stigg) count(u gate.Usage) gate.Ack {
	used, what, before := s.usage(u.Customer), u.FeatureID+u.Currency, 0.0
	fresh := !s.delivered[u.Key]
	if fresh {
		s.note(u)
		s.delivered[u.Key] = true
		if before = used[what]; u.Kind == gate.UsageTotal {
			used[what] = 0
		}
		used[what] += u.Value
	}
	ack := gate.Ack{Known: true, Usage: used[what], At: time.Now()}
	for _, e := range s.set(u.Customer).Features {
		if rate := e.CreditRate; rate != nil && e.FeatureID == u.FeatureID {
			if fresh {
				used[rate.CurrencyID] += (used[what] - before) * rate.Amount
			}
			ack.Credit = &gate.CreditAck{CurrencyID: rate.CurrencyID, Usage: used[rate.CurrencyID], At: ack.At}
		}
	}
	return ack
}
