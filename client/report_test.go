package client

import (
	"context"
	"reflect"
	"testing"

	"github.com/stiggate/gate"
)

func TestReportSendsEachKindByItsOperation(t *testing.T) {
	at := day(4)
	dimensions := map[string]any{"a": 1}
	tests := []struct {
		name   string
		batch  []gate.Usage
		answer string
		sent   string
		acks   []gate.Ack
	}{
		{"a total", []gate.Usage{{Customer: acme, Kind: gate.UsageTotal, FeatureID: "feature-a", Value: 12, Key: "k", CreatedAt: at, Dimensions: dimensions}},
			`{"reportUsageBulk":[` + measuredJSON + `]}`,
			`{"usages":[{"createdAt":"2026-05-04T12:30:00.000Z","customerId":"acme","dimensions":{"a":1},"featureId":"feature-a","idempotencyKey":"k","updateBehavior":"SET","value":12}]}`,
			[]gate.Ack{measuredAck()}},
		{"an event", []gate.Usage{{Customer: acme, Kind: gate.UsageEvent, FeatureID: "feature-a", Event: "e", Value: 3, Key: "k", CreatedAt: at, Dimensions: dimensions}},
			`{"reportEvent":null}`,
			`{"usageEvents":[{"customerId":"acme","dimensions":{"a":1},"eventName":"e","idempotencyKey":"k","timestamp":"2026-05-04T12:30:00.000Z"}]}`,
			[]gate.Ack{{Delayed: true}}},
		{"credits", []gate.Usage{{Customer: acme, Kind: gate.UsageCredits, Currency: "tokens", Value: 3, Key: "k", CreatedAt: at}},
			`{"consumeCreditsAsync":null}`,
			`{"consumptions":[{"amount":3,"createdAt":"2026-05-04T12:30:00.000Z","currencyId":"tokens","customerId":"acme","idempotencyKey":"k"}]}`,
			[]gate.Ack{{Delayed: true}}},
		{"several credits", []gate.Usage{
			{Customer: acme, Kind: gate.UsageCredits, Currency: "tokens", Value: 3, Key: "k1", CreatedAt: at},
			{Customer: acme, Kind: gate.UsageCredits, Currency: "tokens", Value: 4, Key: "k2", CreatedAt: at}},
			`{"consumeCreditsAsync":null}`,
			`{"consumptions":[{"amount":3,"createdAt":"2026-05-04T12:30:00.000Z","currencyId":"tokens","customerId":"acme","idempotencyKey":"k1"},` +
				`{"amount":4,"createdAt":"2026-05-04T12:30:00.000Z","currencyId":"tokens","customerId":"acme","idempotencyKey":"k2"}]}`,
			[]gate.Ack{{Delayed: true}, {Delayed: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, rec := serve(t, says(200, `{"data":`+tt.answer+`}`))
			acks, err := c.Report(context.Background(), tt.batch)
			if err != nil || !reflect.DeepEqual(acks, tt.acks) {
				t.Errorf("got %+v, %v, want %+v", acks, err, tt.acks)
			}
			for _, sent := range rec.last(t).body.Variables {
				if string(sent) != tt.sent {
					t.Errorf("sent %s\nwant %s", sent, tt.sent)
				}
			}
		})
	}
}

func TestReportRefusesBatchesThatCannotBeSent(t *testing.T) {
	c, rec := serve(t, says(200, `{}`))
	event := gate.Usage{Customer: acme, Kind: gate.UsageEvent, Event: "e", Key: "k", CreatedAt: day(4)}
	for name, batch := range map[string][]gate.Usage{
		"several sorts":  {usage("k"), event},
		"no time":        {{Customer: acme, Kind: gate.UsageEvent, Event: "e", Key: "k"}},
		"no known kind":  {{Customer: acme, Kind: 9, Key: "k", CreatedAt: day(4)}},
		"no currency":    {{Customer: acme, Kind: gate.UsageCredits, Value: 1, Key: "k", CreatedAt: day(4)}},
		"101 changes":    make101(usage("k")),
		"1,001 events":   repeat(event, MaxEvents+1),
		"1,001 of a sum": repeat(gate.Usage{Customer: acme, Kind: gate.UsageCredits, Currency: "x", Value: 1, Key: "k", CreatedAt: day(4)}, MaxConsumptions+1),
	} {
		if _, err := c.Report(context.Background(), batch); !errorOf(t, err).Permanent() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if acks, err := c.Report(context.Background(), nil); acks != nil || err != nil || rec.count() != 0 {
		t.Errorf("got %v, %v after %d requests", acks, err, rec.count())
	}
}

func make101(u gate.Usage) []gate.Usage { return repeat(u, MaxBatch+1) }

func repeat(u gate.Usage, n int) []gate.Usage {
	batch := make([]gate.Usage, n)
	for i := range batch {
		batch[i] = u
	}
	return batch
}
