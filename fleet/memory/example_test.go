package memory_test

import (
	"context"
	"fmt"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/fleet/memory"
	"github.com/stiggate/gate/identity"
)

// plan is a Stigg where everybody has 3 seats, and the gates' usage arrives.
type plan struct{}

func (plan) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "seats", Kind: gate.Metered, Granted: true, Limit: 3}}}, nil
}

func (plan) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return make([]gate.Ack, len(batch)), nil
}

// Two gates in one process are two replicas of an app: with one store they give out a limit once.
func Example() {
	store, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	replicas := make([]*gate.Gate, 2)
	for i := range replicas {
		if replicas[i], err = gate.New(plan{}, identity.Nobody(), gate.WithFleet(store)); err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _ = replicas[i].Close(context.Background()) }()
	}
	admitted := 0
	for i := range 10 {
		if ticket, d := replicas[i%2].Admit(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("seats").Uses(1)); d.Allowed {
			admitted++
			_ = ticket.Settle()
		}
	}
	fmt.Println(admitted)
	// Output: 3
}
