package policyfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

func TestAFileOfYAMLAndOneOfJSONAreATable(t *testing.T) {
	want := gate.Table{
		"POST /campaigns": gate.Feature("feature-02-campaigns").Uses(1),
		"GET /analytics":  gate.Feature("feature-04-analytics"),
		"DELETE /seats":   gate.Feature("seats").Frees(0.5),
		"GET /cities":     gate.Feature("cities").Values("NY", "LA"),
		"POST /prompts":   gate.Credits("tokens").Asks(10),
		"GET /health":     gate.Public(),
	}
	for name, text := range map[string]string{
		"YAML": `
# what product people change
routes:
  POST /campaigns: {feature: feature-02-campaigns, uses: 1}
  GET /analytics:
    feature: feature-04-analytics
  DELETE /seats: {feature: seats, frees: 0.5}
  GET /cities: {feature: cities, values: [NY, LA]}
  POST /prompts: {currency: tokens, asks: 10}
  GET /health: {public: true}
`,
		"JSON": `{"routes": {"POST /campaigns": {"feature": "feature-02-campaigns", "uses": 1}, "GET /analytics": {"feature": "feature-04-analytics"},
			"DELETE /seats": {"feature": "seats", "frees": 0.5}, "GET /cities": {"feature": "cities", "values": ["NY", "LA"]},
			"POST /prompts": {"currency": "tokens", "asks": 10}, "GET /health": {"public": true}}}`,
	} {
		if got, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) { //nolint:govet // these policies have no error
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestWhatIsNoPolicyFileIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "no routes"},
		{"no routes", "routes: {}", "no routes"},
		{"another key", "routes:\n  GET /a: {feature: f}\nroute: 1\n", "[3:1]"},
		{"a misspelt word", "routes:\n  GET /a: {feature: f, use: 1}\n", "[2:"},
		{"no YAML", "routes: [", "[1:"},
		{"twice the same route", "routes:\n  GET /a: {feature: f}\n  GET /a: {feature: g}\n", "[3:"},
		{"text for a number", "routes:\n  GET /a: {feature: f, uses: many}\n", "[2:"},
		{"nothing named", "routes:\n  GET /a: {uses: 1}\n", `route "GET /a": it takes one of`},
		{"two named", "routes:\n  GET /a: {feature: f, currency: c}\n", `route "GET /a": it takes one of`},
		{"two amounts", "routes:\n  GET /a: {feature: f, uses: 1, asks: 1}\n", `route "GET /a": gate: policy for "f"`},
		{"an amount of what is public", "routes:\n  GET /a: {public: true, uses: 1}\n", `route "GET /a": gate: policy`},
		{"an id that can't be", "routes:\n  GET /a: {feature: a/b}\n", `route "GET /a": gate: policy`},
		{"not a number", "routes:\n  GET /a: {feature: f, uses: .nan}\n", "not a number"},
	} {
		_, err := Parse([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	var wrong *gate.PolicyError
	if _, err := Parse([]byte("routes:\n  GET /a: {feature: a/b}\n")); !errors.As(err, &wrong) {
		t.Errorf("%T", err)
	}
}
