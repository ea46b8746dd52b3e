package world

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// Decoded is a Stigg that answers with what was just decoded: no answer shares any memory with another.
type Decoded struct {
	Features int
	// PerPlan customers have the same terms: the limits, the names, the anchor. Only what they use is
	// their own. 1: each has terms of its own.
	PerPlan int
	Source  // reports
}

// FeatureID is the i-th feature that everybody has.
func FeatureID(i int) string { return fmt.Sprintf("feature-%03d-of-the-plan", i) }

// Entitlements is the customer's set; the number at the end of its id says which.
func (d Decoded) Entitlements(_ context.Context, c gate.Customer) (gate.EntitlementSet, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(c.ID, "customer-"))
	if err != nil {
		return gate.EntitlementSet{}, err
	}
	plan := n / d.PerPlan
	anchor := time.Date(2026, 1, 1, 0, 0, plan%2_000_000, 0, time.UTC)
	all := make([]gate.Entitlement, d.Features)
	for i := range all {
		all[i] = gate.Entitlement{
			FeatureID: FeatureID(i), DisplayName: fmt.Sprintf("Feature number %d", i),
			Unit: strings.Clone("campaign"), Units: strings.Clone("campaigns"), Kind: gate.Metered, Granted: true,
			Limit: float64(1e9 + plan), Usage: float64(n % 1000), Reset: gate.ResetMonth, Anchor: anchor,
			PeriodStart: anchor.AddDate(0, 10, 0), PeriodEnd: anchor.AddDate(20, 11, 0),
		}
	}
	return gate.EntitlementSet{Features: all}, nil
}
