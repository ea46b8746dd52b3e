package conformance

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
	slow chan struct{} // what is read of the customer "slow" waits for it

	mu   sync.Mutex
	used map[string]float64 // by feature
	keys map[string]bool
	asks int
}

func newStigg() *stigg {
	return &stigg{
		slow: make(chan struct{}),
		used: map[string]float64{"near": 3, "monthly": 3},
		keys: make(map[string]bool),
	}
}

// month is the usage period of the feature "monthly".
var month = [2]time.Time{
	time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2030, time.February, 1, 0, 0, 0, 0, time.UTC),
}

// Entitlements gives all customers the same, but for those whose id says otherwise.
func (s *stigg) Entitlements(ctx context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	s.mu.Lock()
	s.asks++
	s.mu.Unlock()
	switch c.ID {
	case "slow":
		select {
		case <-s.slow:
		case <-ctx.Done():
			return gate.EntitlementSet{}, ctx.Err()
		}
	case "down":
		return gate.EntitlementSet{}, errors.New("conformance: down")
	case "none":
		return gate.EntitlementSet{Denied: gate.ReasonNoSubscription}, nil
	case "archived":
		return gate.EntitlementSet{Denied: gate.ReasonCustomerIsArchived}, nil
	case "unknown":
		return gate.EntitlementSet{Denied: gate.ReasonCustomerNotFound}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return gate.EntitlementSet{Features: []gate.Entitlement{
		{FeatureID: "many", DisplayName: "Many", Kind: gate.Metered, Granted: true, Limit: 1e6, Usage: s.used["many"]},
		{FeatureID: "other", DisplayName: "Other", Kind: gate.Metered, Granted: true, Limit: 1e6, Usage: s.used["other"]},
		{FeatureID: "near", DisplayName: "Near", Kind: gate.Metered, Granted: true, Limit: 5, Usage: s.used["near"]},
		{FeatureID: "twelve", DisplayName: "Twelve", Kind: gate.Metered, Granted: true, Limit: 12, Usage: s.used["twelve"]},
		{FeatureID: "hundred", DisplayName: "Hundred", Kind: gate.Metered, Granted: true, Limit: burstLimit, Usage: s.used["hundred"]},
		{
			FeatureID: "monthly", DisplayName: "Monthly", Kind: gate.Metered, Granted: true, Limit: 10, Usage: s.used["monthly"],
			Reset: gate.ResetMonth, Anchor: month[0], PeriodStart: month[0], PeriodEnd: month[1],
		},
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

// asked is how often entitlements were read.
func (s *stigg) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asks
}
