package gate_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/outbox"
)

// Usage is on disk before the response leaves, and a process that is killed loses none.
func ExampleWithOutbox() {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		log.Fatal(err)
	}
	box, err := outbox.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithOutbox(box))
	if err != nil {
		log.Fatal(err)
	}
	ticket, d := g.Admit(context.Background(), gate.Customer{ID: "customer-1"}, gate.Feature("templates").Uses(1))
	fmt.Println("allowed:", d.Allowed)
	if err := ticket.Settle(); err != nil {
		log.Fatal(err)
	}
	if err := g.Close(context.Background()); err != nil { // delivers what is kept, and closes the outbox
		log.Fatal(err)
	}
	_ = os.RemoveAll(dir)
	// Output:
	// allowed: true
	// reported: 1 of templates
}

// Without a disk, what Stigg did not take by the end goes where the app has it: here into the log.
func ExampleWithUndelivered() {
	option := gate.WithUndelivered(func(usage []gate.Usage) {
		for _, u := range usage {
			log.Printf("not reported: %v of %s, key %s", u.Value, u.FeatureID, u.Key) // g.Report takes it again
		}
	})
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), option)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.Close(context.Background()))
	// Output: <nil>
}
