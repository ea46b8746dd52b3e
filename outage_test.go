package gate

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

func limit(n float64) FallbackEntitlement {
	return FallbackEntitlement{HasAccess: true, UsageLimit: &n}
}

func TestWhatAnOutageMeans(t *testing.T) {
	on, none := FallbackEntitlement{HasAccess: true}, FallbackEntitlement{}
	f, uses := Feature("f"), Feature("f").Uses(2)
	ny := FallbackEntitlement{HasAccess: true, EnumValues: []string{"NY"}}
	five := 5.0
	size := FallbackEntitlement{HasAccess: true, Value: &five}
	tests := []struct {
		name   string
		gate   []Option
		policy Policy
		reason Reason // empty: allowed
	}{
		{"by default", nil, f, ReasonUnavailable},
		{"the gate allows", []Option{WithOutage(OutageAllow)}, f, ""},
		{"the gate allows any amount", []Option{WithOutage(OutageAllow)}, Feature("f").Uses(1e15), ""},
		{"the gate allows any value", []Option{WithOutage(OutageAllow)}, f.Values("NY", "LA"), ""},
		{"the gate allows credits", []Option{WithOutage(OutageAllow)}, Credits("x").Uses(7), ""},
		{"the policy allows", nil, f.OnOutage(OutageAllow), ""},
		{"the policy denies what the gate allows", []Option{WithOutage(OutageAllow)}, f.OnOutage(OutageDeny), ReasonUnavailable},
		{"the policy denies what the gate has a fallback for", []Option{WithFallback(Fallback{"f": on})}, f.OnOutage(OutageDeny), ReasonUnavailable},
		{"a fallback of the gate", []Option{WithFallback(Fallback{"f": on})}, f, ""},
		{"a fallback of another feature", []Option{WithFallback(Fallback{"g": on})}, f, ReasonUnavailable},
		{"a fallback of another feature, else allow", []Option{WithFallback(Fallback{"g": none}), WithOutage(OutageAllow)}, f, ""},
		{"a fallback without access comes before allow", []Option{WithFallback(Fallback{"f": none}), WithOutage(OutageAllow)}, f, ReasonUnavailable},
		{"a fallback of the policy comes before its word", nil, f.Fallback(Fallback{"f": on}).OnOutage(OutageDeny), ""},
		{"and before the gate's", []Option{WithFallback(Fallback{"f": on})}, f.Fallback(Fallback{"f": none}), ReasonUnavailable},
		{"within the limit", []Option{WithFallback(Fallback{"f": limit(2)})}, uses, ""},
		{"past the limit, which may be another", []Option{WithFallback(Fallback{"f": limit(1)})}, uses, ReasonUnavailable},
		{"unlimited", []Option{WithFallback(Fallback{"f": {HasAccess: true, IsUnlimited: true}})}, uses, ""},
		{"a value", []Option{WithFallback(Fallback{"f": size})}, f.Asks(5), ""},
		{"past a value", []Option{WithFallback(Fallback{"f": size})}, f.Asks(6), ReasonUnavailable},
		{"one of the values", []Option{WithFallback(Fallback{"f": ny})}, f.Values("NY"), ""},
		{"none of the values", []Option{WithFallback(Fallback{"f": ny})}, f.Values("LA"), ReasonUnavailable},
		{"an amount of what is on or off never opens", []Option{WithFallback(Fallback{"f": on})}, uses, ReasonFeatureMismatch},
		{"values of what is counted never open", []Option{WithFallback(Fallback{"f": limit(5)})}, f.Values("NY"), ReasonFeatureMismatch},
		{"all, one of them without a fallback", []Option{WithFallback(Fallback{"f": on})}, All(f, Feature("g")), ReasonUnavailable},
		{"any, one of them without a fallback", []Option{WithFallback(Fallback{"g": limit(3)})}, Any(f, Feature("g").Uses(3)), ""},
		{"all of them", []Option{WithOutage(OutageAllow)}, All(f, Feature("g").Uses(3), Credits("x")), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFixture(t, func(f *fixture) {
				f.says(EntitlementSet{}, errStubDown)
				ticket, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, tt.policy)
				f.want(d, tt.reason == "", OriginFallback, tt.reason)
				if tt.reason == ReasonUnavailable && (d.Status != 503 || d.RetryAfter == 0 || !errors.Is(d.Err, errStubDown)) {
					t.Errorf("got %+v", d)
				}
				if ticket != nil {
					_ = ticket.Settle()
				}
				if err := f.gate.Close(f.Context()); err != nil {
					t.Error(err)
				}
				if s := f.gate.Stats(); s.Books+s.Open+s.Queued != 0 {
					t.Errorf("left behind: %+v", s)
				}
			}, tt.gate...)
		})
	}
}

func TestUsageOfAnOutageIsReportedAndCounts(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(EntitlementSet{}, errStubDown)
		down := true
		f.report = func([]Usage) ([]Ack, error) {
			if down {
				return nil, errStubDown
			}
			return nil, nil
		}
		admitted := 0
		for range 5 {
			if ticket, d := f.gate.Admit(f.Context(), Customer{ID: "c"}, Feature("f").Uses(1)); d.Allowed {
				admitted++
				_ = ticket.Settle()
			}
		}
		if admitted != 3 {
			t.Errorf("%d admitted, want 3: what is not reported yet counts", admitted)
		}
		f.mu.Lock()
		down, f.err, f.set = false, nil, features(metered("f", 1, 5))
		f.mu.Unlock()
		if err := f.gate.Close(f.Context()); err != nil || len(f.usages()) != 3 {
			t.Errorf("%v; %d reported, want 3", err, len(f.usages()))
		}
	}, WithFallback(Fallback{"f": limit(3)}))
}

func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(nil, fromHeader("X-Customer-ID", ""), WithOffline(), WithFallback(Fallback{"f": limit(2), "on": {HasAccess: true}}))
		if err != nil {
			t.Fatal(err)
		}
		answers := ""
		for range 3 {
			w := serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), status(201))
			answers += http.StatusText(w.Code) + "; "
			synctest.Wait()
		}
		if answers != "Created; Created; Payment Required; " {
			t.Error(answers)
		}
		f := &fixture{T: t}
		f.want(g.Check(t.Context(), Customer{ID: "c"}, Feature("on")), true, OriginOffline, "")
		f.want(g.Check(t.Context(), Customer{ID: "c"}, Feature("off")), false, OriginOffline, ReasonNotInPlan)
		if _, err := g.Entitlements(t.Context(), Customer{ID: "c"}); err == nil {
			t.Error("entitlements of a gate that is offline")
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	who := fromHeader("X-Customer-ID", "")
	for name, options := range map[string][]Option{
		"nothing to decide by": {WithOffline()},
		"an outbox":            {WithOffline(), WithOutage(OutageAllow), WithOutbox(&memOutbox{})},
		"a reporter":           {WithOffline(), WithOutage(OutageAllow), WithReporter(&stub{})},
	} {
		if _, err := New(nil, who, options...); err == nil {
			t.Errorf("a gate is offline with %s", name)
		}
	}
}

func TestShadowLooksOn(t *testing.T) {
	withFixture(t, func(f *fixture) {
		f.says(features(metered("f", 5, 5)), nil)
		p := Feature("f").Uses(1).Shadow()
		for _, customer := range []string{"c", ""} {
			r := request("POST", "/", customer)
			if w := serve(f.T, f.gate, p, r, status(201)); w.Code != 201 {
				t.Errorf("answered %d to customer %q", w.Code, customer)
			}
		}
		d := f.gate.Check(f.Context(), Customer{ID: "c"}, p)
		if d.Allowed || !d.Shadow || d.Code != "usage_limit_exceeded" {
			t.Errorf("got %+v", d)
		}
		if err := f.gate.Close(f.Context()); err != nil || len(f.usages()) != 0 {
			t.Errorf("%v; reported %+v", err, f.usages())
		}
	})
}

func TestParseFallback(t *testing.T) {
	f, err := ParseFallback([]byte(`{"on": {"hasAccess": true}, "f": {"hasAccess": true, "usageLimit": 5}, "u": {"hasAccess": true, "isUnlimited": true},
		"v": {"hasAccess": true, "value": 80}, "e": {"hasAccess": true, "enumValues": ["NY"]}, "off": {"hasAccess": false}}`))
	if err != nil || len(f) != 6 || *f["f"].UsageLimit != 5 || *f["v"].Value != 80 || !f["u"].IsUnlimited || f["e"].EnumValues[0] != "NY" || f["off"].HasAccess {
		t.Errorf("got %+v, %v", f, err)
	}
	for _, wrong := range []string{
		``, `null`, `{}`, `[]`, `{"f": {"hasAccess": true}} {}`, `{"f": {"hasAcces": true}}`, `{"f g": {"hasAccess": true}}`,
		`{"f": {"hasAccess": "yes"}}`, `{"f": {"hasAccess": true, "usageLimit": -1}}`, `{"f": {"hasAccess": true, "usageLimit": 1e300}}`,
		`{"f": {"hasAccess": true, "usageLimit": 1, "value": 2}}`, `{"f": {"hasAccess": true, "value": 1, "enumValues": []}}`,
	} {
		if _, err := ParseFallback([]byte(wrong)); err == nil || !strings.HasPrefix(err.Error(), "gate: ") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	for name, p := range map[string]Policy{
		"an empty fallback":      Feature("f").Fallback(nil),
		"no such outage":         Feature("f").OnOutage(0),
		"an outage inside All":   All(Feature("f").OnOutage(OutageAllow)),
		"a fallback inside Any":  Any(Feature("f").Fallback(Fallback{"f": limit(1)})),
		"a shadow inside of All": All(Feature("f").Shadow()),
	} {
		if p.Validate() == nil {
			t.Error(name)
		}
	}
	for name, o := range map[string]Option{"no such outage": WithOutage(9), "an empty fallback": WithFallback(nil)} {
		if _, err := New(&stub{}, fromHeader("X", ""), o); err == nil {
			t.Error(name)
		}
	}
}
