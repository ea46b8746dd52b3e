package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// usage is a well-formed measurement.
func usage(key string) gate.Usage {
	return gate.Usage{Customer: acme, FeatureID: "feature-a", Value: 1, Key: key, CreatedAt: day(4)}
}

// measuredJSON is Stigg's answer to usage.
const measuredJSON = `{"featureId":"feature-a","customerId":"acme","resourceId":null,"currentUsage":7.5,
	"usagePeriodStart":"2026-05-01T12:30:00Z","usagePeriodEnd":"2026-05-02T12:30:00Z","timestamp":"2026-05-03T12:30:00Z",
	"credit":{"currencyId":"tokens","currentUsage":40.25,"usagePeriodEnd":"2026-05-05T12:30:00Z","timestamp":"2026-05-06T12:30:00Z"}}`

func measuredAck() gate.Ack {
	return gate.Ack{Known: true, Usage: 7.5, PeriodStart: day(1), PeriodEnd: day(2), At: day(3),
		Credit: &gate.CreditAck{CurrencyID: "tokens", Usage: 40.25, PeriodEnd: day(5), At: day(6)}}
}

func TestReportSendsKeysTimesAndDelta(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"reportUsageBulk":[`+measuredJSON+`,
		{"featureId":"feature-b","customerId":"b@x","resourceId":"site-1","currentUsage":null,"timestamp":"?"}]}}`))
	second := gate.Usage{Customer: gate.Customer{ID: "b@x", Resource: "site-1"}, FeatureID: "feature-b", Value: -0.0000001,
		Key: "k2", CreatedAt: time.Date(2026, 5, 4, 14, 30, 0, 999999999, time.FixedZone("", 7200))}
	acks, err := c.Report(context.Background(), []gate.Usage{usage("k1"), second})
	if err != nil {
		t.Fatal(err)
	}
	if want := []gate.Ack{measuredAck(), {}}; !reflect.DeepEqual(acks, want) {
		t.Errorf("got  %+v\nwant %+v", acks, want)
	}
	want := `{"usages":[{"createdAt":"2026-05-04T12:30:00.000Z","customerId":"acme","featureId":"feature-a","idempotencyKey":"k1","updateBehavior":"DELTA","value":1},` +
		`{"createdAt":"2026-05-04T12:30:00.999Z","customerId":"b@x","featureId":"feature-b","idempotencyKey":"k2","resourceId":"site-1","updateBehavior":"DELTA","value":-1e-7}]}`
	if got := string(rec.last(t).body.Variables["input"]); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestReportUsageSendsWhatItIsGiven(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"reportUsage":`+measuredJSON+`}}`))
	c.now = func() time.Time { return day(9) }
	ack, err := c.ReportUsage(context.Background(), Measurement{Customer: acme, FeatureID: "feature-a", Value: 12, Behavior: Set,
		Key: "k", Dimensions: map[string]any{"region": "eu", "size": 0.0000001, "tags": []string{"a"}, "raw": json.RawMessage(`{"x":1}`)}})
	if err != nil || !reflect.DeepEqual(ack, measuredAck()) {
		t.Fatalf("got %+v, %v", ack, err)
	}
	want := `{"createdAt":"2026-05-09T12:30:00.000Z","customerId":"acme","dimensions":{"raw":{"x":1},"region":"eu","size":1e-7,"tags":["a"]},` +
		`"featureId":"feature-a","idempotencyKey":"k","updateBehavior":"SET","value":12}`
	if got := string(rec.last(t).body.Variables["input"]); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestAnswersMustMatchTheMeasurements(t *testing.T) {
	other := func(old, now string) string { return strings.Replace(measuredJSON, old, now, 1) }
	for name, list := range map[string]string{
		"none":                 ``,
		"one of two":           measuredJSON,
		"three of two":         measuredJSON + "," + measuredJSON + "," + measuredJSON,
		"one of no feature":    measuredJSON + "," + other("feature-a", ""),
		"one of another":       measuredJSON + "," + other("feature-a", "feature-b"),
		"another customer's":   other(`"acme"`, `"evil"`) + "," + measuredJSON,
		"another resource's":   other(`"resourceId":null`, `"resourceId":"r"`) + "," + measuredJSON,
		"a null":               measuredJSON + ",null",
		"an empty measurement": measuredJSON + ",{}",
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, `{"data":{"reportUsageBulk":[`+list+`]}}`))
			acks, err := c.Report(context.Background(), []gate.Usage{usage("k1"), usage("k2")})
			if e := errorOf(t, err); !errors.Is(err, ErrBadResponse) || e.Permanent() || acks != nil {
				t.Errorf("got %v, %v", acks, err)
			}
		})
	}
	t.Run("a single one", func(t *testing.T) {
		c, _ := serve(t, says(200, `{"data":{"reportUsage":`+other("feature-a", "feature-b")+`}}`))
		_, err := c.ReportUsage(context.Background(), Measurement{Customer: acme, FeatureID: "feature-a", Key: "k"})
		if !errors.Is(err, ErrBadResponse) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestAnEmptyBatchIsNotSent(t *testing.T) {
	c, rec := serve(t, says(500, ""))
	if acks, err := c.Report(context.Background(), nil); acks != nil || err != nil {
		t.Errorf("got %v, %v", acks, err)
	}
	if err := c.ReportEvent(context.Background(), nil); err != nil {
		t.Error(err)
	}
	if rec.count() != 0 {
		t.Error("a request was made")
	}
}

func TestMalformedUsageIsNotSent(t *testing.T) {
	c, rec := serve(t, says(200, "{}"))
	ctx := context.Background()
	many := make([]gate.Usage, MaxBatch+1)
	for i := range many {
		many[i] = usage(fmt.Sprint(i))
	}
	t.Run("more than a batch", func(t *testing.T) {
		_, err := c.Report(ctx, many)
		refusedHere(t, err)
	})
	for name, spoil := range map[string]func(*gate.Usage){
		"NaN":              func(u *gate.Usage) { u.Value = math.NaN() },
		"infinity":         func(u *gate.Usage) { u.Value = math.Inf(1) },
		"minus infinity":   func(u *gate.Usage) { u.Value = math.Inf(-1) },
		"no key":           func(u *gate.Usage) { u.Key = "" },
		"no time":          func(u *gate.Usage) { u.CreatedAt = time.Time{} },
		"a far time":       func(u *gate.Usage) { u.CreatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no customer":      func(u *gate.Usage) { u.Customer = gate.Customer{} },
		"a bad customer":   func(u *gate.Usage) { u.Customer.ID = "victim\n" },
		"a bad resource":   func(u *gate.Usage) { u.Customer.Resource = "victim/x" },
		"no feature":       func(u *gate.Usage) { u.FeatureID = "" },
		"a bad feature id": func(u *gate.Usage) { u.FeatureID = "victim@x" },
	} {
		t.Run(name, func(t *testing.T) {
			u := usage("k2")
			spoil(&u)
			_, err := c.Report(ctx, []gate.Usage{usage("k1"), u})
			refusedHere(t, err)
		})
	}
	for name, m := range map[string]Measurement{
		"a channel": {Dimensions: map[string]any{"victim": make(chan int)}},
		"a nested NaN": {Dimensions: map[string]any{"a": []any{
			math.NaN()}}},
		"an odd behavior": {Behavior: "victim"},
	} {
		t.Run(name, func(t *testing.T) {
			m.Customer, m.FeatureID, m.Key = acme, "feature-a", "k"
			_, err := c.ReportUsage(ctx, m)
			refusedHere(t, err)
		})
	}
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}
