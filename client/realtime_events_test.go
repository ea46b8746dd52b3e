package client

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stiggate/gate"
)

// The forms by name, for tests that say what they mean.
func formOf(t testing.TB, name string) form {
	t.Helper()
	for _, st := range wantedStreams() {
		for _, f := range st.forms {
			if f.name == name {
				return f
			}
		}
	}
	t.Fatalf("no form is called %s", name)
	return form{}
}

func TestEventsArePassedOn(t *testing.T) {
	const who = `"customerId":"acme","resourceId":"site-1"`
	for name, test := range map[string]struct {
		op, payload string
		want        string // "" means ignored
	}{
		"a whole set": {"OnEntitlementsUpdatedV2", `{` + who + `,"accessDeniedReason":null,"entitlements":[
			{"__typename":"FeatureEntitlement","isGranted":true,"usageLimit":10,"currentUsage":3,"feature":{"refId":"feature-a","featureType":"NUMBER","meterType":"Incremental"}},
			{"__typename":"CreditEntitlement","isGranted":true,"usageLimit":100,"currentUsage":40,"currency":{"currencyId":"tokens"}},
			{"__typename":"NewEntitlement"}]}`, "replace acme|site-1 feature-a=3/10,tokens=40/100"},
		"a whole set of the customer":  {"OnEntitlementsUpdatedV2", `{"customerId":"acme","resourceId":null,"entitlements":[{"__typename":"FeatureEntitlement","feature":{"refId":"f"}}]}`, "replace acme| f=0/0"},
		"an empty set with a reason":   {"OnEntitlementsUpdatedV2", `{` + who + `,"accessDeniedReason":"NoActiveSubscription","entitlements":[]}`, "replace acme|site-1 NoActiveSubscription"},
		"an empty set without":         {"OnEntitlementsUpdatedV2", `{` + who + `,"entitlements":[]}`, "stale acme|site-1"},
		"a set that can't be read":     {"OnEntitlementsUpdatedV2", `{` + who + `,"entitlements":"all"}`, "stale acme|site-1"},
		"a set of nobody":              {"OnEntitlementsUpdatedV2", `{"entitlements":[]}`, ""},
		"a set of a malformed id":      {"OnEntitlementsUpdatedV2", `{"customerId":"../acme","entitlements":[]}`, ""},
		"a set of an id that is none":  {"OnEntitlementsUpdatedV2", `{"customerId":7,"entitlements":[]}`, ""},
		"a set of a malformed site":    {"OnEntitlementsUpdatedV2", `{"customerId":"acme","resourceId":"a b","accessDeniedReason":"CustomerIsArchived","entitlements":[]}`, "stale acme|"},
		"a set of a site that is none": {"OnEntitlementsUpdatedV2", `{"customerId":"acme","resourceId":{"id":"site-1"},"accessDeniedReason":"CustomerIsArchived"}`, "stale acme|"},
		"usage of a site that is none": {"OnUsageUpdatedV2", `{"customerId":"acme","resourceId":7,"entitlementReference":{"id":"feature-a","type":"FEATURE"},"usage":{"currentUsage":5}}`, "stale acme|"},
		"older usage of no site":       {"OnUsageUpdated", `{"usage":{"customerId":"acme","resourceId":[],"featureId":"feature-a","currentUsage":5}}`, "stale acme|"},
		"a wallet of a malformed site": {"OnCreditBalanceUpdated", `{"customerId":"acme","resourceId":"a/b","currencyId":"tokens","currentBalance":70,"totalConsumed":30,"totalGranted":100}`, "stale acme|"},
		"the older news of a set":      {"OnEntitlementsUpdated", `{` + who + `}`, "stale acme|site-1"},
		"the older news of nobody":     {"OnEntitlementsUpdated", `{"resourceId":"site-1"}`, ""},
		"usage of a feature":           {"OnUsageUpdatedV2", usageJSON(`"id":"feature-a","type":"FEATURE"`, `"currentUsage":5,"usageUpdatedAt":"2026-05-04T12:00:00Z"`), "patch acme|site-1 feature-a 5/0,false at 2026-05-04T12:00:00Z"},
		"usage of a wallet":            {"OnUsageUpdatedV2", usageJSON(`"id":"tokens","type":"CREDIT"`, `"currentUsage":5`), "patch acme|site-1 tokens 5/0,false at -"},
		"usage of something new":       {"OnUsageUpdatedV2", usageJSON(`"id":"x","type":"SEAT"`, `"currentUsage":5`), "stale acme|site-1"},
		"usage of nothing":             {"OnUsageUpdatedV2", usageJSON(`"type":"FEATURE"`, `"currentUsage":5`), "stale acme|site-1"},
		"usage of a malformed feature": {"OnUsageUpdatedV2", usageJSON(`"id":"a/b","type":"FEATURE"`, `"currentUsage":5`), "stale acme|site-1"},
		"usage without a count":        {"OnUsageUpdatedV2", usageJSON(`"id":"feature-a","type":"FEATURE"`, `"usageUpdatedAt":"2026-05-04T12:00:00Z"`), "stale acme|site-1"},
		"usage too large for a number": {"OnUsageUpdatedV2", usageJSON(`"id":"feature-a","type":"FEATURE"`, `"currentUsage":1e999`), "stale acme|site-1"},
		"usage of nobody":              {"OnUsageUpdatedV2", `{"entitlementReference":{"id":"feature-a","type":"FEATURE"},"usage":{"currentUsage":5}}`, ""},
		"the older news of usage":      {"OnUsageUpdated", `{"usage":{` + who + `,"featureId":"feature-a","currentUsage":5},"entitlement":{"usageUpdatedAt":"2026-05-04T12:00:00Z"}}`, "patch acme|site-1 feature-a 5/0,false at 2026-05-04T12:00:00Z"},
		"older usage without a time":   {"OnUsageUpdated", `{"usage":{` + who + `,"featureId":"feature-a","currentUsage":5}}`, "patch acme|site-1 feature-a 5/0,false at -"},
		"older usage without a count":  {"OnUsageUpdated", `{"usage":{` + who + `,"featureId":"feature-a"}}`, "stale acme|site-1"},
		"older usage of nobody":        {"OnUsageUpdated", `{"usage":{"featureId":"feature-a","currentUsage":5}}`, ""},
		"older usage of nothing":       {"OnUsageUpdated", `{"usage":{` + who + `,"currentUsage":5}}`, "stale acme|site-1"},
		"a plan for all customers":     {"OnPackagePublished", `{"packageRefId":"plan-a","migrationType":"ALL_CUSTOMERS"}`, "stale all"},
		"a plan for new customers":     {"OnPackagePublished", `{"packageRefId":"plan-a","migrationType":"NEW_CUSTOMERS"}`, "-"},
		"a plan for somebody else":     {"OnPackagePublished", `{"packageRefId":"plan-a","migrationType":"SOME"}`, "stale all"},
		"a plan for nobody knows":      {"OnPackagePublished", `{"packageRefId":"plan-a"}`, "stale all"},
		"a plan of other types":        {"OnPackagePublished", `{"packageRefId":"plan-a","migrationType":1}`, "stale all"},
		"a plan that is none":          {"OnPackagePublished", `["plan-a"]`, "stale all"},
		"nothing of a plan":            {"OnPackagePublished", `{}`, ""},
		"a plan without an id":         {"OnPackagePublished", `{"migrationType":"ALL_CUSTOMERS"}`, "stale all"},
		"a wallet":                     {"OnCreditBalanceUpdated", `{` + who + `,"currencyId":"tokens","currentBalance":70,"totalConsumed":30,"totalGranted":100}`, "patch acme|site-1 tokens 30/100,true at -"},
		"a wallet of other sums":       {"OnCreditBalanceUpdated", `{` + who + `,"currencyId":"tokens","currentBalance":60,"totalConsumed":30,"totalGranted":100}`, "stale acme|site-1"},
		"a wallet without sums":        {"OnCreditBalanceUpdated", `{` + who + `,"currencyId":"tokens"}`, "stale acme|site-1"},
		"a wallet without a currency":  {"OnCreditBalanceUpdated", `{` + who + `,"currentBalance":70,"totalConsumed":30,"totalGranted":100}`, "stale acme|site-1"},
		"a wallet of nobody":           {"OnCreditBalanceUpdated", `{"currencyId":"tokens","currentBalance":70,"totalConsumed":30,"totalGranted":100}`, ""},
		"null":                         {"OnEntitlementsUpdatedV2", `null`, ""},
		"a list":                       {"OnUsageUpdated", `[]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sink := &heard{}
			passed := formOf(t, test.op).pass(sink, json.RawMessage(test.payload))
			if passed != (test.want != "") {
				t.Errorf("passed on: %t", passed)
			}
			var want []string
			if test.want != "" && test.want != "-" {
				want = []string{test.want}
			}
			sink.expect(t, want...)
		})
	}
}

func usageJSON(of, usage string) string {
	return `{"customerId":"acme","resourceId":"site-1","entitlementReference":{` + of + `},"usage":{` + usage + `}}`
}

func TestPeriodsComeAlong(t *testing.T) {
	start, end := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for op, payload := range map[string]string{
		"OnUsageUpdatedV2": usageJSON(`"id":"feature-a","type":"FEATURE"`, `"currentUsage":5,"usagePeriodStart":"2026-05-01T00:00:00Z","usagePeriodEnd":"2026-06-01T00:00:00Z"`),
		"OnUsageUpdated":   `{"usage":{"customerId":"acme","featureId":"feature-a","currentUsage":5,"usagePeriodStart":1777593600000,"usagePeriodEnd":1780272000000}}`,
	} {
		var got gate.Patch
		formOf(t, op).pass(patched{&heard{}, &got}, json.RawMessage(payload))
		if !got.PeriodStart.Equal(start) || !got.PeriodEnd.Equal(end) {
			t.Errorf("%s: the period is %v to %v", op, got.PeriodStart, got.PeriodEnd)
		}
	}
}

type patched struct {
	*heard
	last *gate.Patch
}

func (p patched) Patch(_ gate.Customer, patch gate.Patch) { *p.last = patch }

func TestNewsOfACustomerReachTheSink(t *testing.T) {
	watched(t, func(s *socket) {
		s.stand()
		time.Sleep(time.Second)
		s.event("OnEntitlementsUpdatedV2", `{"data":{"entitlementsUpdatedV2":{"customerId":"acme","accessDeniedReason":"CustomerIsArchived","entitlements":[]}}}`)
		s.event("OnUsageUpdatedV2", `{"data":{"usageUpdatedV2":`+usageJSON(`"id":"feature-a","type":"FEATURE"`, `"currentUsage":5`)+`}}`)
		s.event("OnPackagePublished", `{"data":{"packagePublished":{"packageRefId":"p","migrationType":"ALL_CUSTOMERS"}}}`)
		s.event("OnUsageUpdatedV2", `{"data":{"usageUpdatedV2":{"customerId":"globex"}},"errors":[{"message":"half"}]}`)
		s.event("OnUsageUpdatedV2", `{"data":null,"errors":[{"message":"none"}]}`)
		s.event("OnEntitlementsUpdatedV2", `{"data":{"entitlementsUpdatedV2":{"customerId":"half","accessDeniedReason":"CustomerIsArchived"}},"errors":[{"message":"half"}]}`)
		s.event("OnPackagePublished", `{"data":{"packagePublished":{"packageRefId":"p","migrationType":"NEW_CUSTOMERS"}},"errors":[{"message":"half"}]}`)
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(2 * time.Second)
		sc.heard.expect(t, "live true", "replace acme| CustomerIsArchived", "patch acme|site-1 feature-a 5/0,false at -", "stale all", "stale globex|", "stale half|", "stale all")
		if stats := sc.c.RealtimeStats(); stats.Events != 6 || stats.Ignored != 1 {
			t.Errorf("the stats are %+v", stats)
		}
	})
}

func TestFramesOfNoUseAreCountedAndPassedOnInNoPart(t *testing.T) {
	event := `{"data":{"entitlementsUpdated":{"customerId":"acme"},"packagePublished":{"packageRefId":"p","migrationType":"ALL_CUSTOMERS"}}}`
	frames := []string{``, `?`, `null`, `[]`, `"next"`, `{}`, `{"type":1}`, `{"type":"data"}`, `{"type":"ka"}`, `{"type":"connection_init"}`, `{"type":"connection_ack"}`,
		`{"type":"next"}`, `{"type":"next","id":"1"}`, `{"type":"next","id":"99","payload":` + event + `}`, `{"type":"next","id":1,"payload":` + event + `}`,
		`{"type":"next","id":"1","payload":[]}`, `{"type":"next","id":"1","payload":{"data":{"entitlementsUpdated":{"customerId":"acme"}}}}`,
		`{"type":"error"}`, `{"type":"error","id":"99","payload":[]}`, `{"type":"complete"}`, `{"type":"complete","id":"99"}`,
		`{"type":"next","id":"3","payload":{"data":{"packagePublished":null}}}`}
	watched(t, func(s *socket) {
		s.stand()
		time.Sleep(time.Second)
		for _, f := range frames {
			s.send(f)
		}
		_ = s.conn.Write(context.Background(), websocket.MessageBinary, []byte(`{"type":"next","id":"3","payload":`+event+`}`))
		s.idle()
	}, func(t *testing.T, sc *scene) {
		after(10 * time.Second)
		sc.heard.expect(t, "live true")
		if stats := sc.c.RealtimeStats(); stats.Ignored != uint64(len(frames)+1) || stats.Events != 0 || stats.Lost != 0 {
			t.Errorf("of %d frames the stats are %+v", len(frames)+1, stats)
		}
	})
}

func TestAFrameThatIsTooLargeClosesTheSocket(t *testing.T) {
	written := 0
	watched(t, func(s *socket) {
		s.stand()
		if s.n > 1 {
			s.idle()
			return
		}
		w, err := s.conn.Writer(context.Background(), websocket.MessageText)
		part := []byte(strings.Repeat(" ", 1<<20))
		for ; err == nil && written < 100<<20; written += len(part) {
			_, err = w.Write(part)
		}
	}, func(t *testing.T, sc *scene) {
		after(5 * time.Second)
		if written > 12<<20 {
			t.Errorf("%d MB of it were read", written>>20)
		}
		if heard := sc.heard.all(); !slices.Equal(heard, []string{"live true"}) {
			t.Errorf("heard %v", heard)
		}
		if n := sc.stigg.connections(); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// FuzzRealtime holds the reader of frames to this: whatever Stigg sends, nothing panics,
// and no id that is none reaches a sink.
func FuzzRealtime(f *testing.F) {
	for _, frame := range []string{`{"type":"next","id":"1","payload":{"data":{"entitlementsUpdatedV2":{"customerId":"a","entitlements":[null,{"__typename":"FeatureEntitlement"}]}}}}`,
		`{"type":"next","id":"2","payload":{"data":{"usageUpdatedV2":` + usageJSON(`"id":"f","type":"FEATURE"`, `"currentUsage":5`) + `}}}`,
		`{"type":"next","id":"3","payload":{"data":{"packagePublished":{}}}}`, `{"type":"next","id":"4","payload":{"errors":[{"extensions":{"code":"Unauthenticated"}}]}}`,
		`{"type":"next","id":"4","payload":{"data":{"creditBalanceUpdated":{"customerId":"a","currencyId":"c","currentBalance":1,"totalConsumed":1,"totalGranted":2}}}}`,
		`{"type":"error","id":"1","payload":[{}]}`, `{"type":"complete","id":"2"}`, `{"type":"pong"}`} {
		f.Add(frame)
	}
	c, err := New(testKey, WithHTTPClient(&http.Client{}))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s := newSession(c, valid{t}, 0)
		s.acked, s.key = true, newSecret(testKey)
		for _, st := range s.streams {
			st.id = s.routes.open(st.forms[0])
		}
		frame, ok := parseFrame([]byte(raw))
		if ok && frame.Type == "next" {
			var lost *ending
			if frame, ok, lost = s.event(frame); lost != nil {
				t.Errorf("the sink was made to panic: %v", lost.err)
			}
		}
		if ok && frame.Type != "ping" {
			if lost := s.handle(t.Context(), frame); lost != nil && strings.Contains(lost.err.Error(), testKey) {
				t.Errorf("the error is %v", lost.err)
			}
		}
	})
}

// valid is a sink that takes nothing malformed.
type valid struct{ t *testing.T }

func (v valid) customer(c gate.Customer) {
	if err := c.Validate(); err != nil {
		v.t.Error(err)
	}
}

func (v valid) Replace(c gate.Customer, _ gate.EntitlementSet) { v.customer(c) }

func (v valid) Patch(c gate.Customer, p gate.Patch) {
	v.customer(c)
	if checkFeatureID(p.FeatureID+p.Currency) != nil || p.FeatureID != "" && p.Currency != "" || !finite(p.Usage) || !finite(p.Limit) {
		v.t.Errorf("patched with %+v", p)
	}
}

func (v valid) Invalidate(c gate.Customer) { v.customer(c) }
func (v valid) InvalidateAll()             {}
func (v valid) SetLive(bool)               {}
