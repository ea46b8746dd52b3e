package gate

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestMistakesInPolicies(t *testing.T) {
	ok := Feature("f")
	tests := []struct {
		name   string
		policy Policy
		want   string // part of the error; empty: none
	}{
		{"none", ok.Uses(1), ""},
		{"zero is allowed, the handler may say more", ok.Uses(0), ""},
		{"the zero policy", Policy{}, "is empty"},
		{"an empty feature id", Feature(""), "feature id is empty"},
		{"a feature id with a slash", Feature("a/b").Uses(1), "feature id has a byte"},
		{"a feature id with an at sign", Feature("a@b"), "feature id has a byte"},
		{"not a number", ok.Uses(math.NaN()), "is not a number"},
		{"infinite", ok.Asks(math.Inf(1)), "is infinite"},
		{"negative", ok.Uses(-1), "is negative"},
		{"too large to count", ok.Uses(1e308), "too large"},
		{"as large as can be", ok.Uses(1 << 53), ""},
		{"giving back a negative amount", ok.Frees(-1), "is negative"},
		{"two amounts", ok.Uses(1).Frees(1), "one of"},
		{"an amount and values", ok.Uses(1).Values("a"), "one of"},
		{"no values", ok.Values(), "at least one value"},
		{"no values function", ok.ValuesFunc(nil), "ValuesFunc is nil"},
		{"no amount function", ok.UsesFunc(nil), "is nil"},
		{"an amount of a combined policy", All(ok).Uses(1), "belong to a Feature policy"},
		{"an empty All", All(), "All needs at least one policy"},
		{"an empty Any", Any(), "Any needs at least one policy"},
		{"a mistake inside", All(ok, Any(ok, Feature("f").Uses(-1))), "is negative"},
		{"an empty policy inside", All(ok, Policy{}), "holds an empty policy"},
		{"two amounts of one feature", All(ok.Uses(1), Any(Feature("g"), ok.Asks(2))), `two amounts of "f"`},
		{"a choice of amounts is none", Any(ok.Uses(2), ok.Uses(1)), ""},
		{"a public part", Any(ok, Public()), "can't hold a Public policy"},
		{"a status of success", ok.Status(ReasonRevoked, 200), "not between 400 and 599"},
		{"a status without a reason", ok.Status("", 402), "needs a reason"},
		{"no report function", ok.Uses(1).ReportIf(nil), "ReportIf is nil"},
		{"a rule inside All", All(ok.Uses(1).ReportIf(Outcome.Succeeded)), "outermost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.policy.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			var wrong *PolicyError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a *PolicyError about %q", err, tt.want)
			}
			g := gateOf(t, &stub{})
			if _, err := g.Guard(tt.policy); err == nil {
				t.Error("Guard takes it")
			}
			if d := g.Check(t.Context(), Customer{ID: "c"}, tt.policy); d.Allowed || d.Err == nil {
				t.Errorf("Check: got allowed %v, error %v", d.Allowed, d.Err)
			}
			defer func() {
				if _, ok := recover().(*PolicyError); !ok {
					t.Error("MustGuard does not panic with a *PolicyError")
				}
			}()
			g.MustGuard(tt.policy)
		})
	}
}

func TestAmountErrorsKeepTheirType(t *testing.T) {
	var amount *AmountError
	if err := All(Feature("f").Uses(math.NaN())).Validate(); !errors.As(err, &amount) {
		t.Errorf("%v holds no *AmountError", err)
	}
	var id *InvalidIDError
	if err := Feature("").Validate(); !errors.As(err, &id) {
		t.Errorf("%v holds no *InvalidIDError", err)
	}
}

func TestPoliciesAreValues(t *testing.T) {
	base := Feature("f").Status(ReasonRevoked, 451)
	_ = base.Status(ReasonRevoked, 410)
	values := []string{"a"}
	withValues := Feature("f").Values(values...)
	values[0] = "b"
	parts := []Policy{Feature("f"), Feature("g")}
	all := All(parts...)
	parts[0] = Feature("h")
	if base.statuses[string(ReasonRevoked)] != 451 || withValues.asks.Values[0] != "a" || all.asks.Parts[0].Item.ID != "f" {
		t.Error("a policy changed after it was made")
	}
}

// justSource is a Source that can't report.
type justSource struct{ *stub }

func (s justSource) Report() {}

func TestUsageNeedsAReporter(t *testing.T) {
	g := gateOf(t, justSource{&stub{}})
	if _, err := g.Guard(Feature("f").Uses(1)); err == nil || !strings.Contains(err.Error(), "Reporter") {
		t.Errorf("got %v", err)
	}
	if _, err := g.Guard(Feature("f").Asks(1)); err != nil {
		t.Errorf("a policy that reports nothing: %v", err)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMistakesInOptions(t *testing.T) {
	source, who := &stub{}, fromHeader("X", "")
	tests := []struct {
		name   string
		source Source
		who    Resolver
		option Option
	}{
		{"no source", nil, who, WithTTL(time.Second)},
		{"no resolver", source, nil, WithTTL(time.Second)},
		{"a resolver without a function", source, ResolverFunc(nil), WithTTL(time.Second)},
		{"no TTL", source, who, WithTTL(0)},
		{"a negative deadline", source, who, WithDecisionTimeout(-1)},
		{"a TTL without a unit", source, who, WithTTL(60)},
		{"an option that is nil", source, who, nil},
		{"a source that is a nil pointer", (*stub)(nil), who, WithTTL(time.Second)},
		{"a reporter that is a nil pointer", source, who, WithReporter((*stub)(nil))},
		{"an upgrade link with a misspelt place for the feature", source, who, WithUpgradeLink("/upgrade?feature={Feature}")},
		{"no customers", source, who, WithCacheSize(0)},
		{"no queue", source, who, WithQueueSize(0)},
		{"no logger", source, who, WithLogger(nil)},
		{"no clock", source, who, WithClock(nil)},
		{"no reporter", source, who, WithReporter(nil)},
		{"no observer", source, who, WithObserver(Observer{})},
		{"no refusal function", source, who, WithRefused(nil)},
		{"a status of success", source, who, WithStatus(ReasonRevoked, 204)},
		{"an upgrade link without a host", source, who, WithUpgradeLink("https:///upgrade")},
		{"an upgrade link of another host in disguise", source, who, WithUpgradeLink("//example.com/upgrade")},
		{"an upgrade link that browsers take for a host", source, who, WithUpgradeLink("/\\example.com")},
		{"an upgrade link beside the page", source, who, WithUpgradeLink("upgrade")},
		{"no function for denials", source, who, WithDenial(nil)},
		{"no function for texts", source, who, WithTexts(nil)},
		{"no function for upgrade links", source, who, WithUpgrade(nil)},
		{"an empty challenge", source, who, WithChallenge("")},
		{"a challenge without a scheme", source, who, WithChallenge(` realm="api"`)},
		{"a challenge of two lines", source, who, WithChallenge("Bearer\r\nSet-Cookie: a=b")},
		{"an upgrade link that runs code", source, who, WithUpgradeLink("javascript:alert(1)")},
		{"a problem base that is no URI", source, who, WithProblemBase("problems")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if g, err := New(tt.source, tt.who, tt.option); err == nil || g != nil || !strings.HasPrefix(err.Error(), "gate: new: ") {
				t.Errorf("got %v, %v", g, err)
			}
		})
	}
}

func TestATableThatIsNilIsNamed(t *testing.T) {
	g := gateOf(t, &stub{})
	for name, table := range map[string]Routing{"nothing": nil, "a live table that could not be made": (*LiveTable)(nil)} {
		if _, err := g.RouteGuards(table, DenyRest); err == nil || !strings.Contains(err.Error(), "the table is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.RouteGuards(Table(nil), DenyRest); err != nil {
		t.Errorf("a table without routes: %v", err)
	}
}

func TestMistakesInTables(t *testing.T) {
	g := gateOf(t, &stub{})
	tests := []struct {
		name  string
		table Table
		rest  Rest
		want  string
	}{
		{"no rest", Table{"GET /": Public()}, 0, "DenyRest or PublicRest"},
		{"a key without a path", Table{"GET": Public()}, DenyRest, `route "GET"`},
		{"a method in lower case", Table{"get /": Public()}, DenyRest, "upper case"},
		{"a key with two spaces", Table{"GET  /": Public()}, DenyRest, "space"},
		{"a wrong policy", Table{"GET /a": Feature("f").Uses(-1)}, DenyRest, `route "GET /a" for "f": gate: amount is negative`},
		{"an empty policy", Table{"GET /a": {}}, PublicRest, "is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := g.RouteGuards(tt.table, tt.rest); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAllAndAny(t *testing.T) {
	set := features(metered("a", 0, 5), metered("b", 0, 1), Entitlement{FeatureID: "on", Kind: Boolean})
	uses := func(id string, n float64) Policy { return Feature(id).Uses(n) }
	tests := []struct {
		name   string
		policy Policy
		want   Reason
		used   map[string]float64
	}{
		{"all are granted", All(uses("a", 2), uses("b", 1), Feature("on")), "", map[string]float64{"a": 2, "b": 1}},
		{"the second is refused, the first is undone", All(uses("a", 2), uses("b", 2)), ReasonLimitExceeded, nil},
		{"any takes the first that is granted", Any(uses("b", 2), uses("a", 2), uses("a", 1)), "", map[string]float64{"a": 2}},
		{"any tells of the first refusal", Any(Feature("off"), uses("b", 2)), ReasonNotInPlan, nil},
		{"a branch of any is undone whole", Any(All(uses("a", 2), uses("b", 2)), uses("a", 1)), "", map[string]float64{"a": 1}},
		{"giving back and using", All(Feature("b").Frees(1), uses("a", 1)), "", map[string]float64{"b": -1, "a": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: set}
			g := gateOf(t, s)
			ticket, d := g.Admit(t.Context(), Customer{ID: "c"}, tt.policy)
			if d.Reason != tt.want {
				t.Fatalf("got %q, want %q", d.Reason, tt.want)
			}
			_ = ticket.Settle()
			if err := g.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, u := range s.usages() {
				got[u.FeatureID] += u.Value
			}
			if len(got) != len(tt.used) {
				t.Errorf("reported %v, want %v", got, tt.used)
			}
			for id, n := range tt.used {
				if got[id] != n {
					t.Errorf("reported %v, want %v", got, tt.used)
				}
			}
		})
	}
}

func TestAPolicyThatNeedsARequestSaysSo(t *testing.T) {
	p := Feature("f").UsesFunc(func(*http.Request) (float64, error) { return 1, nil })
	d := gateOf(t, &stub{set: features(metered("f", 0, 5))}).Check(context.Background(), Customer{ID: "c"}, p)
	if d.Allowed || d.Reason != ReasonBadRequest || d.Err == nil {
		t.Errorf("got %+v", d)
	}
}

func TestAnAmountThatASumCanLoseIsRefused(t *testing.T) {
	for amount, want := range map[float64]int{1e-300: 400, 1e-7: 400, 1e-6: 402, 1: 402} {
		g := gateOf(t, &stub{set: features(metered("f", 5, 5))})
		w := serve(t, g, Feature("f").UsesFunc(func(*http.Request) (float64, error) { return amount, nil }), request("POST", "/", "c"), func(http.ResponseWriter, *http.Request) {})
		if w.Code != want {
			t.Errorf("%v: got %d, want %d", amount, w.Code, want)
		}
	}
}
