package settlement

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/stiggate/gate/internal/admission"
	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
	"github.com/stiggate/gate/internal/usage"
)

// TestWhatAHoldReports: few words, or all of them, say the same.
func TestWhatAHoldReports(t *testing.T) {
	near, far := time.Unix(1, 2).UTC(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	event := &admission.Event{Name: "e", AmountIn: "n", Dimensions: func(*http.Request) (map[string]any, error) { return nil, nil }}
	for name, tt := range map[string]struct {
		policy admission.Policy
		at     time.Time
		used   float64
		want   usage.Usage
	}{
		"all that was asked for": {admission.Policy{}, near, 3, usage.Usage{FeatureID: "f", Value: 3}},
		"less":                   {admission.Policy{}, near, 2, usage.Usage{FeatureID: "f", Value: 2}},
		"more":                   {admission.Policy{}, near, 5, usage.Usage{FeatureID: "f", Value: 5, Excess: 2}},
		"nothing":                {admission.Policy{}, near, 0, usage.Usage{}},
		"by a clock far away":    {admission.Policy{}, far, 3, usage.Usage{FeatureID: "f", Value: 3}},
		"given back":             {admission.Policy{Mode: rules.Frees}, near, 3, usage.Usage{FeatureID: "f", Value: -3}},
		"credits":                {admission.Policy{Kind: admission.Credits, Item: admission.Item{ID: "x", Currency: true}}, near, 3, usage.Usage{Kind: usage.Credits, Currency: "x", Value: 3}},
		"an event": {admission.Policy{Event: event}, near, 5,
			usage.Usage{Kind: usage.Event, Event: "e", FeatureID: "f", Value: 5, Excess: 2, Dimensions: map[string]any{"n": json.RawMessage("5")}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := settled(t, tt.policy, tt.at, tt.used)
			for i := range got {
				if got[i].Key == "" {
					t.Error("it has no key")
				}
				got[i].Key, got[i].CreatedAt = "", got[i].CreatedAt.UTC()
			}
			var want []usage.Usage
			if tt.want.Value != 0 {
				tt.want.Customer, tt.want.CreatedAt = ledger.Owner{ID: "c"}, tt.at
				want = append(want, tt.want)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// settled is what is reported of 3 units that are admitted at a time and used in part, or beyond.
func settled(t *testing.T, p admission.Policy, at time.Time, used float64) (reported []usage.Usage) {
	t.Helper()
	if p.Kind == admission.None {
		p.Kind, p.Item = admission.Feature, admission.Item{ID: "f"}
	}
	if p.Amount = 3; p.Mode == rules.Available {
		p.Mode = rules.Uses
	}
	q := delivery.New(delivery.Config[usage.Queued]{
		Header: usage.Queued.Header, Entry: (*usage.Queued).InLedger, Places: 1, Bytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	book := ledger.New().Open(ledger.Owner{ID: "c"}) // the pin is the request's
	rights := admission.NewPlans().Rights(book, "", []admission.Entitled{
		{Offer: admission.Offer{ID: "f"}, Feature: rules.Feature{Kind: rules.Metered, Granted: true, Limit: 10}},
		{Offer: admission.Offer{ID: "x", IsWallet: true}, Feature: rules.Feature{Limit: 10}},
	})
	var h Holds
	h.Begin(&rights, 1, nil)
	request := admission.Request{Rights: &rights, Now: at, Holds: &h}
	if err := q.Reserve(1); err != nil || !request.Evaluate(&p) {
		t.Fatal(err, request.Reason)
	}
	if err := h.Set(used); err != nil {
		t.Fatal(err)
	}
	err := End(&h, q, func() time.Time { return at }, true, func(all []usage.Queued) {
		for _, u := range all {
			reported = append(reported, u.Usage(q.Keys))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := q.Stats(); s.Queued != len(reported) || s.Reserved != 0 {
		t.Errorf("%d are reported, and of the queue it is told %+v", len(reported), s)
	}
	return reported
}
