package webhook

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

const (
	seats   = `{"feature":{"id":"feature-seats","name":"Seats","featureType":"NUMBER","meterType":"FLUCTUATING"},"usageLimit":10,"hasUnlimitedUsage":false,"hasSoftLimit":false,"currentUsage":3,"usagePeriodAnchor":null,"resetPeriod":null,"enumValues":null,"creditBalance":null}`
	insight = `{"feature":{"id":"feature-insight","featureType":"BOOLEAN","meterType":null},"usageLimit":null,"hasUnlimitedUsage":false}`
)

func setJSON(at string, members ...string) string {
	return `{"type":"entitlements.updated","trigger":"subscription_updated","customer":{"id":"acme"},"resource":{"id":"site-1"},"entitlementsUpdatedAt":"` + at +
		`","entitlements":[` + strings.Join(members, ",") + `]}`
}

func TestEventsAreTakenIntoTheGate(t *testing.T) {
	const who = `"customer":{"id":"acme"},"resource":{"id":"site-1"}`
	for name, test := range map[string]struct {
		body string
		want string // "" means ignored
	}{
		"a set":                         {setJSON("2026-05-04T11:59:58Z", seats, insight), "replace acme|site-1 feature-seats=3/10,feature-insight=0/0,2s old"},
		"a limit of null, which is 0":   {setJSON("2026-05-04T11:59:58Z", strings.Replace(seats, `"usageLimit":10`, `"usageLimit":null`, 1)), "replace acme|site-1 feature-seats=3/0,2s old"},
		"a set of the customer":         {`{"type":"entitlementsUpdated","customer":{"id":"acme"},"resource":null,"entitlementsUpdatedAt":"2026-05-04T12:00:00Z","entitlements":[` + seats + `]}`, "replace acme| feature-seats=3/10"},
		"a set that was under way long": {setJSON("2026-05-04T11:59:50Z", seats), "stale acme|site-1"},
		"a set from the future":         {setJSON("2026-05-04T12:00:10Z", seats), "stale acme|site-1"},
		"a set without a time":          {setJSON("", seats), "stale acme|site-1"},
		"an empty set":                  {setJSON("2026-05-04T12:00:00Z"), "stale acme|site-1"},
		"a set paid in credits":         {setJSON("2026-05-04T12:00:00Z", seats, strings.Replace(seats, `"creditBalance":null`, `"creditBalance":{"balance":5}`, 1)), "stale acme|site-1"},
		"a set with another kind":       {setJSON("2026-05-04T12:00:00Z", seats, strings.Replace(insight, "BOOLEAN", "QUANTUM", 1)), "stale acme|site-1"},
		"a set with a feature of no id": {setJSON("2026-05-04T12:00:00Z", strings.Replace(seats, "feature-seats", "", 1)), "stale acme|site-1"},
		"a set that can't be read":      {setJSON("2026-05-04T12:00:00Z", `7`), "stale acme|site-1"},
		"a set of nobody":               {`{"type":"entitlements.updated","entitlements":[` + seats + `]}`, ""},
		"a set of a malformed id":       {strings.Replace(setJSON("2026-05-04T12:00:00Z", seats), `"acme"`, `"../acme"`, 1), ""},
		"a set of a malformed resource": {strings.Replace(setJSON("2026-05-04T12:00:00Z", seats), `"site-1"`, `"a b"`, 1), ""},
		"a set of a resource of no id":  {strings.Replace(setJSON("2026-05-04T12:00:00Z", seats), `{"id":"site-1"}`, `{"name":"site-1"}`, 1), "stale acme|"},
		"a set of a resource's id":      {strings.Replace(setJSON("2026-05-04T12:00:00Z", seats), `{"id":"site-1"}`, `"site-1"`, 1), "replace acme|site-1 feature-seats=3/10"},
		"a set of a numbered resource":  {strings.Replace(setJSON("2026-05-04T12:00:00Z", seats), `{"id":"site-1"}`, `{"id":7}`, 1), "stale acme|"},
		"a measurement of an odd one":   {`{"type":"measurement.reported","timestamp":"2026-05-04T12:00:00Z","customer":{"id":"acme"},"resourceId":7,"feature":{"id":"feature-seats"},"currentUsage":4}`, "stale acme|"},
		"a measurement":                 {`{"type":"measurement.reported","timestamp":"2026-05-04T12:00:00Z",` + who + `,"feature":{"id":"feature-seats"},"currentUsage":4}`, "patch acme|site-1 feature-seats 4 at 2026-05-04T12:00:00Z"},
		"a measurement without a time":  {`{"type":"measurement.reported",` + who + `,"feature":{"id":"feature-seats"},"currentUsage":4}`, "stale acme|site-1"},
		"a measurement without a count": {`{"type":"measurement.reported",` + who + `,"feature":{"id":"feature-seats"}}`, "stale acme|site-1"},
		"a measurement of a large one":  {`{"type":"measurement.reported",` + who + `,"feature":{"id":"feature-seats"},"currentUsage":1e999}`, "stale acme|site-1"},
		"a measurement of no feature":   {`{"type":"measurement.reported",` + who + `,"currentUsage":4}`, "stale acme|site-1"},
		"a customer":                    {`{"type":"customer.created","id":"acme","email":"a@example.com"}`, "stale acme|"},
		"a customer with a resource":    {`{"type":"customer.updated",` + who + `}`, "stale acme|"},
		"a subscription of all":         {`{"type":"subscription.created","id":"sub-1","customer":{"id":"acme"}}`, "stale acme|"},
		"a measurement below 0":         {`{"type":"measurement.reported",` + who + `,"feature":{"id":"feature-seats"},"currentUsage":-4}`, "stale acme|site-1"},
		"a measurement of a text":       {`{"type":"measurement.reported",` + who + `,"feature":{"id":"feature-seats"},"currentUsage":"4"}`, "stale acme|site-1"},
		"a measurement of no period":    {`{"type":"measurement.reported",` + who + `,"feature":{"id":"feature-seats"},"currentUsage":4,"usagePeriodEnd":"soon"}`, "stale acme|site-1"},
		"a customer within":             {`{"type":"customer.deleted","customer":{"id":"acme"}}`, "stale acme|"},
		"a subscription":                {`{"type":"subscription.created","id":"sub-1",` + who + `}`, "stale acme|site-1"},
		"a subscription of nobody":      {`{"type":"subscription.expired","id":"sub-1"}`, ""},
		"a trial":                       {`{"type":"trial.expired",` + who + `}`, "stale acme|site-1"},
		"a trial of another spelling":   {`{"type":"subscription.trial_expired",` + who + `}`, "stale acme|site-1"},
		"a promotion":                   {`{"type":"promotional_entitlement.granted",` + who + `}`, "stale acme|site-1"},
		"a promotion otherwise spelled": {`{"type":"promotionalEntitlement.expired",` + who + `}`, "stale acme|site-1"},
		"a promotion all upper":         {`{"type":"PROMOTIONAL_ENTITLEMENT_REVOKED",` + who + `}`, "stale acme|site-1"},
		"credits":                       {`{"type":"credit.balance.low","customerId":"acme"}`, "stale acme|"},
		"credits otherwise spelled":     {`{"type":"credit_balance.depleted","customer_id":"acme","resource_id":"site-1"}`, "stale acme|site-1"},
		"credits in plural":             {`{"type":"credits.granted",` + who + `}`, "stale acme|site-1"},
		"a usage that is exceeded":      {`{"type":"entitlement.usage_exceeded",` + who + `}`, "stale acme|site-1"},
		"a plan":                        {`{"type":"plan.updated","id":"plan-1"}`, "stale all"},
		"an add-on":                     {`{"type":"addon.created"}`, "stale all"},
		"an add-on otherwise spelled":   {`{"type":"add_on.deleted"}`, "stale all"},
		"a feature":                     {`{"type":"feature.updated"}`, "stale all"},
		"a package":                     {`{"type":"package.published"}`, "stale all"},
		"something unknown":             {`{"type":"moon.landed",` + who + `}`, ""},
		"a product":                     {`{"type":"product.created"}`, ""},
		"no type":                       {`{` + who + `}`, ""},
		"a type that is none":           {`{"type":["customer.created"],"id":"acme"}`, ""},
		"a customer that is none":       {`{"type":"subscription.created","customer":"acme"}`, ""},
		"an id that is none":            {`{"type":"customer.created","id":7}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t)
			e.deliver(t, 204, test.body)
			stats := Stats{Received: 1, Applied: 1}
			if test.want == "" {
				stats = Stats{Received: 1, Ignored: 1}
				e.expect(t)
			} else {
				e.expect(t, test.want)
			}
			if e.Stats() != stats {
				t.Errorf("the stats are %+v, want %+v", e.Stats(), stats)
			}
		})
	}
}

func TestASetIsMappedFieldByField(t *testing.T) {
	set, whole := setOf(json.RawMessage(`[
		{"feature":{"id":"metered","name":"Metered","featureType":"NUMBER","meterType":"INCREMENTAL"},"usageLimit":2.5,"currentUsage":3,"hasSoftLimit":true,
		 "usagePeriodAnchor":"2026-01-31T00:00:00Z","usagePeriodStart":"2026-04-30T00:00:00Z","usagePeriodEnd":"2026-05-31T00:00:00.000Z","resetPeriod":"Month"},
		{"feature":{"id":"over","featureType":"NUMBER","meterType":"FLUCTUATING"},"usageLimit":1,"currentUsage":2},
		{"feature":{"id":"unlimited","featureType":"NUMBER","meterType":"FLUCTUATING"},"hasUnlimitedUsage":true,"currentUsage":9},
		{"feature":{"id":"size","featureType":"NUMBER","meterType":"None"},"usageLimit":100},
		{"feature":{"id":"region","featureType":"ENUM"},"enumValues":["eu","us"]}]`))
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	want := []gate.Entitlement{
		{FeatureID: "metered", DisplayName: "Metered", Kind: gate.Metered, Granted: true, Limit: 2.5, SoftLimit: true, Usage: 3,
			Reset: gate.ResetMonth, Anchor: day(1, 31), PeriodStart: day(4, 30), PeriodEnd: day(5, 31)},
		{FeatureID: "over", Kind: gate.Metered, Limit: 1, Usage: 2},
		{FeatureID: "unlimited", Kind: gate.Metered, Granted: true, Unlimited: true, Usage: 9},
		{FeatureID: "size", Kind: gate.Configuration, Granted: true, Limit: 100},
		{FeatureID: "region", Kind: gate.Enum, Granted: true, Values: []string{"eu", "us"}},
	}
	if !whole || !reflect.DeepEqual(set.Features, want) {
		t.Errorf("got %+v", set.Features)
	}
}

func TestTheOlderOfTwoSetsIsNotApplied(t *testing.T) {
	older, newer := setJSON("2026-05-04T11:59:57Z", insight), setJSON("2026-05-04T11:59:58Z", seats)
	e := serve(t)
	other := strings.Replace(older, "site-1", "site-2", 1)
	e.deliver(t, 204, newer, older, newer, other)
	e.expect(t, "replace acme|site-1 feature-seats=3/10,2s old", "replace acme|site-1 feature-seats=3/10,2s old", "replace acme|site-2 feature-insight=0/0,3s old")
	if stats := e.Stats(); stats.Older != 1 || stats.Applied != 3 {
		t.Errorf("the stats are %+v", stats)
	}
}

func TestATimeToComeHidesNoLaterSet(t *testing.T) {
	e := serve(t)
	e.deliver(t, 204, setJSON("2099-05-04T12:00:00Z", seats), setJSON("2026-05-04T12:00:00Z", insight))
	e.expect(t, "stale acme|site-1", "replace acme|site-1 feature-insight=0/0")
}

func TestSetsCanAlwaysBeRead(t *testing.T) {
	e := serve(t, AlwaysRead())
	e.deliver(t, 204, setJSON("2026-05-04T12:00:00Z", seats))
	e.expect(t, "stale acme|site-1")
}

// latest is a sink that holds what was replaced last.
type latest struct {
	heard
	limit float64
}

func (l *latest) Replace(_ gate.Customer, set gate.EntitlementSet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = set.Features[0].Limit
}

func TestOfConcurrentSetsTheNewestStays(t *testing.T) {
	for range 20 {
		sink := &latest{}
		h, err := New(sink, []string{testSecret})
		if err != nil {
			t.Fatal(err)
		}
		h.now = func() time.Time { return noon }
		var wg sync.WaitGroup
		for _, second := range []string{"0", "3", "1", "2"} {
			body := setJSON("2026-05-04T12:00:0"+second+"Z", strings.Replace(seats, `"usageLimit":10`, `"usageLimit":`+second, 1))
			wg.Go(func() { h.deliver(t.Context(), []byte(body)) })
		}
		wg.Wait()
		if sink.limit != 3 {
			t.Fatalf("the set of second %v stays", sink.limit)
		}
	}
}

// valid is a sink that takes nothing malformed.
type valid struct{ t *testing.T }

func (v valid) customer(c gate.Customer) {
	if err := c.Validate(); err != nil {
		v.t.Error(err)
	}
}

func (v valid) Replace(c gate.Customer, set gate.EntitlementSet) {
	v.customer(c)
	for _, f := range set.Features {
		v.customer(gate.Customer{ID: "any", Resource: f.FeatureID})
		if f.FeatureID == "" || f.Kind == gate.KindUnknown {
			v.t.Errorf("the set has %+v", f)
		}
	}
}

func (v valid) Patch(c gate.Customer, p gate.Patch) {
	v.customer(c)
	v.customer(gate.Customer{ID: "any", Resource: p.FeatureID})
	if p.FeatureID == "" || p.Currency != "" || p.Usage-p.Usage != 0 {
		v.t.Errorf("patched with %+v", p)
	}
}

func (v valid) Invalidate(c gate.Customer) { v.customer(c) }
func (v valid) InvalidateAll()             {}
func (v valid) SetLive(bool)               { v.t.Error("a webhook says nothing of SetLive") }

// FuzzWebhook: whatever is delivered, nothing panics and no malformed id is passed on.
func FuzzWebhook(f *testing.F) {
	for _, body := range []string{upgraded, setJSON("2026-05-04T12:00:00Z", seats, insight), `{"type":"measurement.reported","customer":{"id":"a"},"feature":{"id":"f"},"currentUsage":4,"timestamp":1777896000000}`,
		`{"type":"customer.created","id":"a"}`, `{"type":"plan.updated","messageId":"m"}`, `{`, `null`, `{"type":"entitlements.updated","customer":{"id":"a"},"entitlements":[null,{}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := New(valid{t}, []string{testSecret}, Remember(4))
		if err != nil {
			t.Fatal(err)
		}
		h.now = func() time.Time { return noon }
		for range 2 {
			if got := h.deliver(t.Context(), body); got != 204 && got != 400 || got == 400 && json.Valid(body) && body[0] == '{' {
				t.Errorf("answered with %d", got)
			}
		}
	})
}

// TestWhatCannotBeReadGrantsNothingMore: a set with a member that can't be read, or lacks what
// a decision needs, is read from Stigg instead.
func TestWhatCannotBeReadGrantsNothingMore(t *testing.T) {
	size := strings.NewReplacer(`"FLUCTUATING"`, `"None"`).Replace(seats)
	for name, member := range map[string]string{
		"a limit below 0":               strings.Replace(seats, `"usageLimit":10`, `"usageLimit":-1`, 1),
		"a limit that is a text":        strings.Replace(seats, `"usageLimit":10`, `"usageLimit":"10"`, 1),
		"a limit that is an object":     strings.Replace(seats, `"usageLimit":10`, `"usageLimit":{"value":10}`, 1),
		"a limit without an end":        strings.Replace(seats, `"usageLimit":10`, `"usageLimit":1e999`, 1),
		"no limit":                      strings.Replace(seats, `"usageLimit":10,`, ``, 1),
		"a usage below 0":               strings.Replace(seats, `"currentUsage":3`, `"currentUsage":-3`, 1),
		"a usage that is a text":        strings.Replace(seats, `"currentUsage":3`, `"currentUsage":"NaN"`, 1),
		"a usage without an end":        strings.Replace(seats, `"currentUsage":3`, `"currentUsage":-1e999`, 1),
		"a usage that is true":          strings.Replace(seats, `"currentUsage":3`, `"currentUsage":true`, 1),
		"no usage":                      strings.Replace(seats, `"currentUsage":3,`, ``, 1),
		"a usage that is null":          strings.Replace(seats, `"currentUsage":3`, `"currentUsage":null`, 1),
		"a flag that is a text":         strings.Replace(seats, `"hasUnlimitedUsage":false`, `"hasUnlimitedUsage":"false"`, 1),
		"a flag that is a number":       strings.Replace(seats, `"hasSoftLimit":false`, `"hasSoftLimit":0`, 1),
		"a flag that is a list":         strings.Replace(seats, `"hasSoftLimit":false`, `"hasSoftLimit":[true]`, 1),
		"an anchor that is none":        strings.Replace(seats, `"usagePeriodAnchor":null`, `"usagePeriodAnchor":"monthly"`, 1),
		"an end of the period, neither": strings.Replace(seats, `"usagePeriodAnchor":null`, `"usagePeriodEnd":-7`, 1),
		"a value below 0":               strings.Replace(size, `"usageLimit":10`, `"usageLimit":-10`, 1),
		"no value":                      strings.Replace(size, `"usageLimit":10,`, ``, 1),
		"the same feature twice":        seats + "," + strings.Replace(seats, `"usageLimit":10`, `"usageLimit":1000`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t)
			e.deliver(t, 204, setJSON("2026-05-04T12:00:00Z", insight, member))
			e.expect(t, "stale acme|site-1")
		})
	}
}

func TestASetIsHeldAgainstAMeasurement(t *testing.T) {
	measured := func(at string) string {
		return `{"type":"measurement.reported","timestamp":"` + at + `","customer":{"id":"acme"},"resource":{"id":"site-1"},"feature":{"id":"feature-seats"},"currentUsage":9}`
	}
	const patched = "patch acme|site-1 feature-seats 9 at "
	for name, tt := range map[string]struct {
		bodies []string
		want   []string
	}{
		"the set is older":  {[]string{measured("2026-05-04T11:59:59Z"), setJSON("2026-05-04T11:59:58Z", seats)}, []string{patched + "2026-05-04T11:59:59Z", "stale acme|site-1"}},
		"the set is as old": {[]string{measured("2026-05-04T11:59:58Z"), setJSON("2026-05-04T11:59:58Z", seats)}, []string{patched + "2026-05-04T11:59:58Z", "stale acme|site-1"}},
		"the set is newer":  {[]string{measured("2026-05-04T11:59:57Z"), setJSON("2026-05-04T11:59:58Z", seats)}, []string{patched + "2026-05-04T11:59:57Z", "replace acme|site-1 feature-seats=3/10,2s old"}},
		"the measurement has no time": {[]string{measured(""), setJSON("2026-05-04T11:59:58Z", seats)},
			[]string{"stale acme|site-1", "stale acme|site-1"}},
		"the measurement is of a time to come": {[]string{measured("2099-05-04T11:59:57Z"), setJSON("2026-05-04T12:00:01Z", seats)},
			[]string{patched + "2099-05-04T11:59:57Z", "replace acme|site-1 feature-seats=3/10"}},
		"the measurement is of another resource": {[]string{strings.Replace(measured("2026-05-04T11:59:59Z"), "site-1", "site-2", 1), setJSON("2026-05-04T11:59:58Z", seats)},
			[]string{"patch acme|site-2 feature-seats 9 at 2026-05-04T11:59:59Z", "replace acme|site-1 feature-seats=3/10,2s old"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t)
			e.deliver(t, 204, tt.bodies...)
			e.expect(t, tt.want...)
		})
	}
}

func TestAnotherEnvironmentSaysNothing(t *testing.T) {
	heard := 0
	e := serve(t, Environment("production"), OnEvent(func(context.Context, Event) error { heard++; return nil }))
	for _, environment := range []string{`"environmentId":"staging",`, ``, `"environmentId":null,`, `"environmentId":7,`, `"environmentId":"Production",`} {
		e.deliver(t, 204, `{`+environment+`"type":"customer.updated","id":"acme"}`)
	}
	e.expect(t)
	e.deliver(t, 204, `{"environmentId":"production","type":"customer.updated","id":"acme"}`)
	e.expect(t, "stale acme|")
	if stats := e.Stats(); stats != (Stats{Received: 6, Applied: 1, Elsewhere: 5}) || heard != 1 {
		t.Errorf("the stats are %+v; heard of %d", stats, heard)
	}
}
