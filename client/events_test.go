package client

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func TestReportEventSendsWhatItIsGiven(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"reportEvent":null}}`))
	c.now = func() time.Time { return day(9) }
	err := c.ReportEvent(context.Background(), []Event{
		{Customer: gate.Customer{ID: "acme", Resource: "site-1"}, Name: "login", Key: "k1", At: day(4), Dimensions: map[string]any{"n": 0.0000001}},
		{Customer: acme, Name: "login", Key: "k2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"usageEvents":[{"customerId":"acme","dimensions":{"n":1e-7},"eventName":"login","idempotencyKey":"k1","resourceId":"site-1","timestamp":"2026-05-04T12:30:00.000Z"},` +
		`{"customerId":"acme","eventName":"login","idempotencyKey":"k2","timestamp":"2026-05-09T12:30:00.000Z"}]}`
	if got := string(rec.last(t).body.Variables["events"]); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestReportEventNeedsAnAnswer(t *testing.T) {
	for _, body := range []string{`{}`, `{"data":null}`, `{"data":{}}`, ``, `<html>`, `{"data":{"reportEvent":7}}`} {
		c, _ := serve(t, says(200, body))
		err := c.ReportEvent(context.Background(), []Event{{Customer: acme, Name: "e", Key: "k"}})
		if e := errorOf(t, err); !errors.Is(err, ErrBadResponse) || e.Permanent() {
			t.Errorf("%s: the error is %v", body, err)
		}
	}
}

func TestMalformedEventsAreNotSent(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"reportEvent":null}}`))
	good := Event{Customer: acme, Name: "e", Key: "k"}
	cyclic := map[string]any{}
	cyclic["victim"] = cyclic
	for name, spoil := range map[string]func(*Event){
		"no customer":    func(e *Event) { e.Customer = gate.Customer{} },
		"a bad customer": func(e *Event) { e.Customer.ID = "victim " },
		"no name":        func(e *Event) { e.Name = "" },
		"no key":         func(e *Event) { e.Key = "" },
		"a far time":     func(e *Event) { e.At = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a channel":      func(e *Event) { e.Dimensions = map[string]any{"c": make(chan int)} },
		"a function":     func(e *Event) { e.Dimensions = map[string]any{"c": func() {}} },
		"NaN":            func(e *Event) { e.Dimensions = map[string]any{"c": math.NaN()} },
		"infinity":       func(e *Event) { e.Dimensions = map[string]any{"c": []float64{math.Inf(1)}} },
		"a cycle":        func(e *Event) { e.Dimensions = cyclic },
		"over 1 MB":      func(e *Event) { e.Dimensions = map[string]any{"c": strings.Repeat("x", MaxEventSize)} },
		"a name over 1 MB, which is of the event too": func(e *Event) { e.Name = strings.Repeat("x", MaxEventSize) },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			refusedHere(t, c.ReportEvent(context.Background(), []Event{good, bad}))
		})
	}
	t.Run("more than a batch", func(t *testing.T) {
		many := make([]Event, MaxEvents+1)
		for i := range many {
			many[i] = good
		}
		refusedHere(t, c.ReportEvent(context.Background(), many))
	})
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}
