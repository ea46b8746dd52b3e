package gate

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
)

// TestAFallbackFitsItsPolicy, or is told when the route is registered, with the route, the feature and
// what is wrong. An empty want means that it fits.
func TestAFallbackFitsItsPolicy(t *testing.T) {
	f, g := Feature("f"), Feature("g")
	on := FallbackEntitlement{HasAccess: true}
	values := func(v ...string) FallbackEntitlement { return FallbackEntitlement{HasAccess: true, EnumValues: v} }
	size := func(n float64) FallbackEntitlement { return FallbackEntitlement{HasAccess: true, Value: &n} }
	anAmount := func(*http.Request) (float64, error) { return 9, nil }
	for _, tt := range []struct {
		name   string
		policy Policy
		says   FallbackEntitlement // of f
		want   string
	}{
		{"a feature that is on", f, on, ""},
		{"what nobody has", f.Uses(7), FallbackEntitlement{}, ""},
		{"an amount and no access", f.Uses(1), FallbackEntitlement{UsageLimit: limit(3).UsageLimit}, `"f" says how much of it there is, and has no access`},
		{"an amount of what is on or off", f.Uses(1), on, `for "f": the policy's fallback can't decide Uses: that needs usageLimit or isUnlimited`},
		{"what is given back of what is on or off", f.Frees(1), on, "can't decide Frees"},
		{"an amount into a value", f.Asks(5), size(5), ""},
		{"an amount above the value", f.Asks(6), size(5), "the policy's fallback has 5 of it, and the policy asks for 6"},
		{"usage of a value", f.Uses(1), size(5), "can't decide Uses"},
		{"values of what is counted", f.Values("a"), limit(5), "can't decide Values: that needs enumValues"},
		{"a value that it has", f.Values("a"), values("a", "b"), ""},
		{"a value that it lacks", f.Values("a", "c"), values("a", "b"), `lack "c"`},
		{"a value that the request says", f.ValuesFunc(func(*http.Request) ([]string, error) { return nil, nil }), values("a"), ""},
		{"up to the limit", f.Uses(5), limit(5), ""},
		{"more than the limit", f.Uses(6), limit(5), "has 5 of it, and the policy asks for 6"},
		{"one of none", f, limit(0), "has 0 of it, and the policy asks for 1"},
		{"in the plan, whatever is left", f.Has(), limit(0), ""},
		{"0 of 0, and the handler says more", f.Uses(0), limit(0), ""},
		{"what is given back at a limit of 0", f.Frees(3), limit(0), ""},
		{"what is left of more", f.UsesUpTo(100), limit(5), ""},
		{"what is left of nothing", f.UsesUpTo(100), limit(0), "has 0 of it, and the policy asks for 1"},
		{"an amount that the request says", f.UsesFunc(anAmount), limit(1), ""},
		{"without a limit", f.Uses(1e6), FallbackEntitlement{HasAccess: true, IsUnlimited: true}, ""},
		{"another feature's", g, on, `for "g": the policy's fallback names nothing that the policy asks for`},
		{"one of several", All(f.Uses(2), g), limit(2), ""},
		{"one of several that does not fit", Any(g, f.Uses(2)), limit(1), `for "f": the policy's fallback has 1`},
		{"a currency's", Credits("f").Uses(1), limit(2), "a fallback is of features"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.policy.Fallback(Fallback{"f": tt.says, "others": on})
			gated := gateOf(t, &stub{})
			_, bound := gated.RouteGuards(Table{"POST /x": p}, DenyRest)
			decided := gated.Check(t.Context(), Customer{ID: "c"}, p).Err
			for who, err := range map[string]error{"Validate": p.Validate(), "RouteGuards": bound, "Check": decided} {
				switch {
				case tt.want == "" && err != nil && who != "Check":
					t.Errorf("%s: %v", who, err)
				case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("%s: got %v, want %q", who, err, tt.want)
				}
			}
			if tt.want != "" && !strings.Contains(bound.Error(), `route "POST /x"`) {
				t.Errorf("%v names no route", bound)
			}
		})
	}
}

// TestAPolicyFitsTheGatesFallback that decides it. An amount above the limit is no mistake there: what
// everybody has is no policy's.
func TestAPolicyFitsTheGatesFallback(t *testing.T) {
	on := FallbackEntitlement{HasAccess: true}
	for _, tt := range []struct {
		name   string
		policy Policy
		want   string
	}{
		{"on", Feature("on"), ""},
		{"an amount of what is on or off", Feature("on").Uses(1), `gate: policy of route "POST /x" for "on": the fallback of WithFallback can't decide Uses: that needs usageLimit or isUnlimited`},
		{"one of several", All(Feature("f"), Feature("on").Asks(1)), `for "on"`},
		{"more than there is", Feature("f").Uses(7), ""},
		{"what the policy says itself", Feature("on").Uses(1).Fallback(Fallback{"on": limit(3)}), ""},
		{"what the policy decides without", Feature("on").Uses(1).OnOutage(OutageDeny), ""},
		{"a currency of the same id", Credits("on").Uses(1), ""},
		{"another feature", Feature("g").Uses(1), ""},
	} {
		g := gateOf(t, &stub{}, WithFallback(Fallback{"on": on, "f": limit(2)}))
		_, err := g.RouteGuards(Table{"POST /x": tt.policy}, DenyRest)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestPoliciesThatMakeNoSense are errors, and tell of which feature.
func TestPoliciesThatMakeNoSense(t *testing.T) {
	f := Feature("f")
	answer := func(http.ResponseWriter, *http.Request, Denial) {}
	for _, tt := range []struct {
		name   string
		policy Policy
		want   string
	}{
		{"an open route with what a whole table is given", Public().Status(ReasonRevoked, 410).OnDenial(answer).OnOutage(OutageAllow).Fallback(Fallback{"f": limit(1)}).Shadow(), ""},
		{"an open route with a name", Public().Named("x"), "a name belongs to"},
		{"an open route for each replica", Public().PerReplica(), "PerReplica belongs to"},
		{"a name that is empty", f.Named(""), `for "f": the name is empty`},
		{"a value that is empty", f.Values("a", ""), "none that is empty"},
		{"a count for each replica of what is not counted", f.Has().PerReplica(), "PerReplica is of no use to Has"},
		{"values for each replica", f.PerReplica().Values("a"), "PerReplica is of no use to Values"},
		{"an answer inside of All", All(f.OnDenial(answer)), "outermost"},
		{"the feature of a mistake inside", All(f, Any(Feature("g").Uses(-1))), `for "g": gate: amount is negative`},
		{"an outage that is to be paid for", f.Status(ReasonUnavailable, 402), "paying is no remedy"},
		{"a mistake of the app's that is to be paid for", f.Status(ReasonFeatureNotFound, 402), "paying is no remedy"},
		{"a customer who is not there, to be signed up", f.Status(ReasonCustomerNotFound, 402), ""},
	} {
		err := tt.policy.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestOptionsThatMakeNoSenseTogether fail at New.
func TestOptionsThatMakeNoSenseTogether(t *testing.T) {
	store := func() fleet.Fleet {
		s, err := memory.New()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	refused, lost := WithRefused(func(Usage, error) {}), WithUndelivered(func([]Usage) {})
	everybody := Fallback{"f": limit(1)}
	for _, tt := range []struct {
		name    string
		source  Source
		options []Option
		want    string
	}{
		{"an outbox that may fail, and none", &stub{}, []Option{WithOutboxFailOpen()}, "WithOutboxFailOpen is of no use without WithOutbox"},
		{"a store that may fail, and none", &stub{}, []Option{WithFleetOutage(fleet.LocalShare)}, "WithFleetOutage is of no use without WithFleet"},
		{"usage that is refused, and nobody to report to", justSource{&stub{}}, []Option{refused}, "WithRefused is of no use without a Reporter"},
		{"usage that is lost, and nobody to report to", justSource{&stub{}}, []Option{lost}, "WithUndelivered is of no use without a Reporter"},
		{"an outbox, and nobody to report to", justSource{&stub{}}, []Option{WithOutbox(&memOutbox{})}, "an outbox needs a reporter"},
		{"a store, offline", &stub{}, []Option{WithOffline(), WithFallback(everybody), WithFleet(store())}, "no fleet"},
		{"news that make a set old sooner", &stub{}, []Option{WithTTL(time.Minute), WithLiveTTL(time.Second)}, "the TTL while news arrive, 1s, is below the TTL, 1m0s"},
		{"a set that is too old and fresh", &stub{}, []Option{WithTTL(time.Minute), WithMaxStale(10 * time.Second)}, "the longest staleness, 10s, is below the TTL, 1m0s"},
		{"a short staleness, which the TTL follows", &stub{}, []Option{WithMaxStale(10 * time.Second)}, ""},
		{"a short TTL while news arrive, which the other follows", &stub{}, []Option{WithLiveTTL(10 * time.Second)}, ""},
		{"a long TTL, which the others follow", &stub{}, []Option{WithTTL(2 * time.Hour)}, ""},
		{"a short TTL", &stub{}, []Option{WithTTL(time.Second)}, ""},
		{"milliseconds as nanoseconds", &stub{}, []Option{WithTTL(60_000)}, "a number alone counts nanoseconds"},
		{"two outboxes", &stub{}, []Option{WithOutbox(&memOutbox{}), WithOutbox(&memOutbox{})}, "the outbox is given twice"},
		{"two stores", &stub{}, []Option{WithFleet(store()), WithFleet(store())}, "the fleet is given twice"},
		{"two reporters, of which the last counts", &stub{}, []Option{WithReporter(&stub{}), WithReporter(&stub{})}, ""},
		{"two fallbacks", &stub{}, []Option{WithFallback(everybody), WithFallback(everybody)}, "the fallback is given twice"},
		{"a value that is given again", &stub{}, []Option{WithTTL(time.Minute), WithTTL(time.Hour)}, ""},
		{"an outage that is to be paid for", &stub{}, []Option{WithStatus(ReasonUnavailable, 402)}, "paying is no remedy"},
	} {
		g, err := New(tt.source, fromHeader("X", ""), tt.options...)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if g != nil {
			_ = g.Close(t.Context())
		}
	}
}

// nobody is a Resolver that is a pointer.
type nobody struct{}

func (*nobody) Resolve(*http.Request) (Customer, error) { return Customer{}, ErrNoCustomer }

func TestAResolverThatIsANilPointerIsNamed(t *testing.T) {
	if _, err := New(&stub{}, (*nobody)(nil)); err == nil || !strings.Contains(err.Error(), "the resolver") {
		t.Errorf("got %v", err)
	}
}

// TestATableThatGuardsNothing is refused, where what is not named is open.
func TestATableThatGuardsNothing(t *testing.T) {
	g := gateOf(t, &stub{})
	live, err := NewLiveTable(Table{})
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range map[string]Routing{"none": Table{}, "one to come": live} {
		if _, err := g.RouteGuards(table, PublicRest); err == nil || !strings.Contains(err.Error(), "nothing is guarded") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := g.RouteGuards(live, DenyRest); err != nil {
		t.Errorf("what denies all until there is a table: %v", err)
	}
	if err := live.Replace(Table{"GET /": Feature("f")}); err != nil {
		t.Fatal(err)
	}
	if err := live.Replace(Table{}); err == nil || len(live.Table()) != 1 {
		t.Errorf("an empty table takes the place of one: %v", err)
	}
}

func TestMistakesOfServe(t *testing.T) {
	for name, option := range map[string]ServeOption{
		"option 1 is nil":     nil,
		"the listener is nil": ServeOn((*net.TCPListener)(nil)),
		"must be positive":    ShutdownWithin(0),
		"nanoseconds":         DeliverWithin(10),
	} {
		g := gateOf(t, &stub{})
		if err := Serve(t.Context(), &http.Server{Addr: "127.0.0.1:0"}, g, option); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
