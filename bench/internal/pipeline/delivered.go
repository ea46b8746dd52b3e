package pipeline

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/outbox"
)

// Catalog is one of customers who have plenty of a metered feature.
func Catalog(customers int) string {
	var all []string
	for _, c := range world.Customers(customers) {
		all = append(all, fmt.Sprintf(`{"id":%q,"createdAt":"2024-01-01T00:00:00Z","subscriptions":[{"id":"subscription-%s","planId":"plan-bench","startDate":"2024-01-01T00:00:00Z"}]}`, c.ID, c.ID))
	}
	return fmt.Sprintf(`{"product":{"id":"product-bench","displayName":"Bench"},
		"features":[{"id":%q,"displayName":"Campaigns","featureType":"NUMBER","meterType":"INCREMENTAL"}],
		"plans":[{"id":"plan-bench","displayName":"Bench","pricingType":"FREE","entitlements":[{"featureId":%q,"hasUnlimitedUsage":true}]}],
		"customers":[%s]}`, world.Metered, world.Metered, strings.Join(all, ","))
}

// Stigg starts an emulated Stigg with so many customers, and its client.
func Stigg(customers int, options ...client.Option) (*emulator.Server, *client.Client, error) {
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithCatalog(strings.NewReader(Catalog(customers))))
	if err != nil {
		return nil, nil, err
	}
	c, err := client.New(emulator.DefaultKey, append(options, client.WithEndpoint(stigg.URL()))...)
	return stigg, c, err
}

// delivered measures usage from the queue to the emulator's acknowledgement.
func delivered(b *measure.Bench) error {
	g := measure.Group{Name: Delivery, Base: "the client alone, 100 a call", Note: "Usage a second that the emulated Stigg, which runs in the same process and sets no limit, has acknowledged; Close delivers what was settled."}
	calls := measure.Group{Name: Calls, Note: "Calls of reportUsageBulk for 1,000 usages that were settled before; a call takes at most 100."}
	g.Series = []measure.Series{{Name: g.Base, Unit: "/s"}, {Name: "Gate", Unit: "/s"}, {Name: "Gate, with an outbox", Unit: "/s"}}
	calls.Series = []measure.Series{{Name: "Gate", Unit: "calls"}, {Name: "Gate, with an outbox", Unit: "calls"}}
	n := b.Size(10_000, 200)
	for round := range b.Rounds {
		b.Logf("%s: round %d of %d", g.Name, round+1, b.Rounds)
		rate, err := alone(n)
		if err != nil {
			return err
		}
		g.Series[0].Rounds = append(g.Series[0].Rounds, rate)
		for i, durable := range []bool{false, true} {
			rate, perThousand, err := through(n, durable)
			if err != nil {
				return err
			}
			g.Series[i+1].Rounds = append(g.Series[i+1].Rounds, rate)
			calls.Series[i].Rounds = append(calls.Series[i].Rounds, perThousand)
		}
	}
	b.Add(g)
	b.Add(calls)
	return nil
}

// alone reports by the client, in full batches.
func alone(n int) (float64, error) {
	stigg, c, err := Stigg(16, client.WithoutRealtime())
	if err != nil {
		return 0, err
	}
	defer func() { _ = stigg.Close() }()
	customers := world.Customers(16)
	begun := time.Now()
	for done := 0; done < n; done += 100 {
		batch := make([]gate.Usage, 100)
		for i := range batch {
			batch[i] = gate.Usage{Customer: customers[i%16], FeatureID: world.Metered, Value: 1, Key: fmt.Sprintf("bench-%d-%d", done, i), CreatedAt: time.Now()}
		}
		if _, err := c.Report(context.Background(), batch); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// through settles n usages and has Close deliver them.
func through(n int, durable bool) (rate, perThousand float64, err error) {
	stigg, c, err := Stigg(16, client.WithoutRealtime())
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = stigg.Close() }()
	var options []gate.Option
	if durable {
		dir, err := os.MkdirTemp("", "gate-bench-")
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		box, err := outbox.Open(dir, outbox.NoWait()) // settling is not what is measured
		if err != nil {
			return 0, 0, err
		}
		options = append(options, gate.WithOutbox(box))
	}
	customers := world.Customers(16)
	g, err := world.Gate(c, customers, options...)
	if err != nil {
		return 0, 0, err
	}
	p := gate.Feature(world.Metered).Uses(1)
	for i := range n {
		t, d := g.Admit(context.Background(), customers[i%16], p)
		if !d.Allowed {
			return 0, 0, fmt.Errorf("refused: %s", d.Reason)
		}
		if err := t.Settle(); err != nil {
			return 0, 0, err
		}
	}
	left, begun := g.Stats().Queued, time.Now()
	if err := g.Close(context.Background()); err != nil {
		return 0, 0, err
	}
	took := time.Since(begun).Seconds()
	if counted := len(stigg.Usage()); counted != n {
		return 0, 0, fmt.Errorf("%d of %d usages were counted", counted, n)
	}
	return float64(left) / took, 1000 * float64(stigg.Requests()["reportUsageBulk"]) / float64(n), nil
}
