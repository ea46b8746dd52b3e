package gatetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stiggate/gate"
)

// stigg is what the suite's customers have, and the record of what they used. It
// counts each measurement once, by its key.
type stigg struct {
	mu   sync.Mutex
	used map[string]float64 // by feature
	keys map[string]bool
	asks int
}

func newStigg() *stigg {
	return &stigg{used: map[string]float64{"near": 3}, keys: make(map[string]bool)}
}

// Entitlements gives all customers the same, but for those whose id says otherwise.
func (s *stigg) Entitlements(_ context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks++
	switch c.ID {
	case "down":
		return gate.EntitlementSet{}, errors.New("gatetest: down")
	case "none":
		return gate.EntitlementSet{Denied: gate.ReasonNoSubscription}, nil
	case "archived":
		return gate.EntitlementSet{Denied: gate.ReasonCustomerIsArchived}, nil
	case "unknown":
		return gate.EntitlementSet{Denied: gate.ReasonCustomerNotFound}, nil
	}
	return gate.EntitlementSet{Features: []gate.Entitlement{
		{FeatureID: "many", DisplayName: "Many", Kind: gate.Metered, Granted: true, Limit: 1e6, Usage: s.used["many"]},
		{FeatureID: "near", DisplayName: "Near", Kind: gate.Metered, Granted: true, Limit: 5, Usage: s.used["near"]},
		{FeatureID: "twelve", DisplayName: "Twelve", Kind: gate.Metered, Granted: true, Limit: 12, Usage: s.used["twelve"]},
		{FeatureID: "on", DisplayName: "On", Kind: gate.Boolean, Granted: true},
		{FeatureID: "size", DisplayName: "Size", Kind: gate.Configuration, Granted: true, Limit: 5},
		{FeatureID: "cities", DisplayName: "Cities", Kind: gate.Enum, Granted: true, Values: []string{"NY", "LA"}},
	}}, nil
}

// Report counts a batch.
func (s *stigg) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acks := make([]gate.Ack, len(batch))
	for i, u := range batch {
		if !s.keys[u.Key] {
			s.keys[u.Key] = true
			s.used[u.FeatureID] += u.Value
		}
		acks[i] = gate.Ack{Known: true, Usage: s.used[u.FeatureID], At: time.Now()}
	}
	return acks, nil
}

// reported is what was counted of a feature since the start.
func (s *stigg) reported(feature string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[feature] - newStigg().used[feature]
}
