package policyfile

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/declared"
	"github.com/stiggate/gate/internal/stubstigg"
)

// functions are those that testdata names.
func functions() Functions {
	return Functions{
		Amounts:    map[string]gate.AmountFunc{"rows": func(*http.Request) (float64, error) { return 2, nil }},
		Values:     map[string]func(*http.Request) ([]string, error){"cities": func(*http.Request) ([]string, error) { return []string{"NY"}, nil }},
		Measures:   map[string]gate.MeasureFunc{"seconds": func(o gate.Outcome) (float64, error) { return o.Duration.Seconds(), nil }},
		ReportIf:   map[string]func(gate.Outcome) bool{"fine": func(o gate.Outcome) bool { return o.Status == 200 }},
		Dimensions: map[string]func(*http.Request) (map[string]any, error){"model": func(*http.Request) (map[string]any, error) { return map[string]any{"model": "m"}, nil }},
		Denials:    map[string]func(http.ResponseWriter, *http.Request, gate.Denial){"envelope": func(http.ResponseWriter, *http.Request, gate.Denial) {}},
	}
}

func TestAFileOfYAMLAndOneOfJSONAreATable(t *testing.T) {
	want := gate.Table{
		"POST /campaigns": gate.Feature("feature-02-campaigns").Uses(1),
		"GET /analytics":  gate.Feature("feature-04-analytics").Named("Analytics"),
		"DELETE /seats":   gate.Feature("seats").Frees(0.5),
		"GET /cities":     gate.Feature("cities").Values("NY", "LA"),
		"POST /prompts":   gate.Credits("tokens").Asks(10),
		"GET /health":     gate.Public(),
		"GET /open":       gate.Public(),
		"GET /both": gate.All(gate.Feature("a").Has(), gate.Any(gate.Feature("b"), gate.Feature("c").Uses(2))).
			Status(gate.ReasonRevoked, 404).OnClientGone(gate.BillAsked).FreeHead().OnOutage(gate.OutageAllow).Shadow(),
		"GET /outage": gate.Feature("a").Fallback(gate.Fallback{"a": {HasAccess: true, IsUnlimited: true}, "b": {HasAccess: true, EnumValues: []string{"x"}}}),
	}
	for name, text := range map[string]string{
		"YAML": `
# what product people change
routes:
  POST /campaigns: {feature: feature-02-campaigns, uses: 1}
  GET /analytics:
    feature: feature-04-analytics
    named: Analytics
  DELETE /seats: {feature: seats, frees: 0.5}
  GET /cities: {feature: cities, values: [NY, LA]}
  POST /prompts: {currency: tokens, asks: 10}
  GET /health: {public: true}
  GET /open: public
  GET /both:
    shadow: true
    all:
      - {feature: a, has: true}
      - any:
          - {feature: b}
          - {feature: c, uses: 2}
    status: {Revoked: 404}
    onClientGone: asked
    freeHead: true
    onOutage: allow
  GET /outage: {feature: a, fallback: {a: {hasAccess: true, isUnlimited: true}, b: {hasAccess: true, enumValues: [x]}}}
`,
		"JSON": `{"routes": {"POST /campaigns": {"feature": "feature-02-campaigns", "uses": 1}, "GET /analytics": {"feature": "feature-04-analytics", "named": "Analytics"},
			"DELETE /seats": {"feature": "seats", "frees": 0.5}, "GET /cities": {"feature": "cities", "values": ["NY", "LA"]},
			"POST /prompts": {"currency": "tokens", "asks": 10}, "GET /health": {"public": true}, "GET /open": "public",
			"GET /both": {"all": [{"feature": "a", "has": true}, {"any": [{"feature": "b"}, {"feature": "c", "uses": 2}]}], "status": {"Revoked": 404}, "onClientGone": "asked",
				"freeHead": true, "onOutage": "allow", "shadow": true},
			"GET /outage": {"feature": "a", "fallback": {"a": {"hasAccess": true, "isUnlimited": true}, "b": {"hasAccess": true, "enumValues": ["x"]}}}}}`,
	} {
		if got, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) { //nolint:govet // these policies have no error
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func examples(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + dir + "/*")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	all := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(text)
	}
	return all
}

func TestTheExamplesAreRight(t *testing.T) {
	for file, text := range examples(t, "valid") {
		table, err := Parse([]byte(text), WithFunctions(functions()))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for route, p := range table {
			if err := p.Validate(); err != nil {
				t.Errorf("%s: %s: %v", file, route, err)
			}
		}
		if strings.HasSuffix(file, "all.yaml") {
			for _, word := range declared.Words() {
				if !strings.Contains(text, word+":") {
					t.Errorf("%s has no %s", file, word)
				}
			}
			if _, err := Parse([]byte(text)); err == nil || strings.Count(err.Error(), "is registered for this") != 6 {
				t.Errorf("without the functions: %v", err)
			}
			if _, err := Parse([]byte(text), WithAnyFunction()); err != nil {
				t.Errorf("with any function: %v", err)
			}
		}
	}
}

// TestTheSchemaHasTheParsersWords, no more and no less.
func TestTheSchemaHasTheParsersWords(t *testing.T) {
	type properties struct {
		Properties map[string]json.RawMessage
	}
	var s struct {
		Defs struct {
			Asks   properties
			Policy struct{ OneOf []properties }
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(Schema()), &s); err != nil {
		t.Fatal(err)
	}
	words := slices.Collect(maps.Keys(s.Defs.Asks.Properties))
	for _, p := range s.Defs.Policy.OneOf {
		words = append(words, slices.Collect(maps.Keys(p.Properties))...)
	}
	slices.Sort(words)
	if want := declared.Words(); !slices.Equal(words, want) {
		t.Errorf("the schema has\n%q, the parser\n%q", words, want)
	}
}

// TestEveryMethodOfAPolicyIsAWord, so that a file can say what code can.
func TestEveryMethodOfAPolicyIsAWord(t *testing.T) {
	for i := range reflect.TypeFor[gate.Policy]().NumMethod() {
		name := strings.TrimSuffix(reflect.TypeFor[gate.Policy]().Method(i).Name, "Func")
		if word := strings.ToLower(name[:1]) + name[1:]; name != "Validate" && !slices.Contains(declared.Words(), word) {
			t.Errorf("there is no word %s", word)
		}
	}
}

// TestTheExamplesAreWrong where their first line says, and for that.
func TestTheExamplesAreWrong(t *testing.T) {
	for file, text := range examples(t, "invalid") {
		first, _, _ := strings.Cut(text, "\n")
		_, err := Parse([]byte(text))
		var wrong *Error
		if err == nil || !errors.As(err, &wrong) || !strings.HasPrefix((&declared.Error{Line: wrong.Line, Column: wrong.Column, Err: reason(wrong)}).Error(), strings.TrimPrefix(first, "# ")) {
			t.Errorf("%s: %v, want %s", file, err, first)
		}
	}
}

// reason is what is wrong, without the route.
func reason(e *Error) error {
	if p := (*gate.PolicyError)(nil); errors.As(e, &p) {
		return p.Err
	}
	return e.Err
}

func TestWhatIsNoPolicyFileIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "line 1:1: the file is empty"},
		{"no YAML", "routes: [", "line 1:"},
		{"a list", "- a\n", "line 1:1: this is a list"},
		{"twice the same route", "routes:\n  GET /a: {feature: f}\n  GET /a: {feature: g}\n", `line 3:`},
		{"twice the same word", "routes:\n  GET /a: {feature: f, feature: g}\n", "line 2:"},
		{"two documents", "routes:\n  GET /a: public\n---\nroutes:\n  GET /b: public\n", "line 4:1: a second document"},
		{"an anchor", "routes:\n  GET /a: &a {feature: f}\n  GET /b: *a\n", "a policy file takes no Anchor"},
		{"a merge", "routes:\n  GET /a: {<<: {feature: f}}\n", "a policy file takes no MergeKey"},
		{"a tag", "routes:\n  GET /a: !!map {feature: f}\n", "a policy file takes no Tag"},
		{"not a number", "routes:\n  GET /a: {feature: f, uses: .nan}\n", "a policy file takes no Nan"},
		{"infinite", "routes:\n  GET /a: {feature: f, uses: .inf}\n", "a policy file takes no Infinity"},
		{"a number for an id", "routes:\n  GET /a: {feature: 7}\n", "line 2:21: "},
		{"a key that is no text", "routes:\n  7: {feature: f}\n", "line 2:3: a key is text"},
		{"a file that is too long", "routes: {} #" + strings.Repeat("x", maxBytes), "is longer than"},
		{"nested too deeply, in brackets", "routes: " + strings.Repeat("[", 100_000), "line 1:109: the file is nested too deeply"},
		{"nested too deeply, in brackets that end", "routes: " + strings.Repeat("{a: [", 10_000) + strings.Repeat("]}", 10_000), "nested too deeply"},
		{"nested too deeply, by dashes", "routes:\n  " + strings.Repeat("- ", 100_000), "line 2:203: the file is nested too deeply"},
		{"nested too deeply, by dashes of many lines", dashes(40), "nested too deeply"},
		{"indented too far", "routes:\n" + strings.Repeat(" ", 600) + "GET /a: public\n", "line 2:601: the file is nested too deeply"},
		{"a name that nobody registered", "routes:\n  GET /a: {feature: f, uses: {func: row}}\n", `line 2:37: route "GET /a": there is no function "row": there are rows`},
	} {
		_, err := Parse([]byte(tt.text), WithFunctions(functions()))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// dashes is a list in a list and so on, with few dashes in each line.
func dashes(lines int) string {
	var b strings.Builder
	for i := range lines {
		b.WriteString(strings.Repeat(" ", i*100) + strings.Repeat("- ", 50) + "\n")
	}
	return b.String()
}

func TestEverythingThatIsWrongIsTold(t *testing.T) {
	_, err := Parse([]byte("routes:\n  GET /a: {feature: a/b}\n  GET /b: {feature: f, uses: 1, shadow: 1, freeHead: no}\n  GET /c: public\n"))
	var wrong *gate.PolicyError
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !errors.As(err, &wrong) || wrong.Route != "GET /a" {
		t.Errorf("got %v", err)
	}
}

func TestAmountsComeFromTheRequest(t *testing.T) {
	table, err := Parse([]byte(`
routes:
  /query: {feature: many, uses: {query: n}}
  /header: {feature: many, uses: {header: X-Rows, least: 0.5, default: 3}}
  /values: {feature: sizes, values: {query: size}}
  /func: {feature: many, uses: {func: rows}}
`), WithFunctions(functions()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		route, query string
		header       []string
		status       int
		billed       float64
	}{
		{"/query", "n=2", nil, 200, 2},
		{"/query", "n=1.5", nil, 200, 1.5},
		{"/query", "", nil, 400, 0},
		{"/query", "n=", nil, 400, 0},
		{"/query", "n=0", nil, 400, 0},
		{"/query", "n=0.9", nil, 400, 0},
		{"/query", "n=-1", nil, 400, 0},
		{"/query", "n=0x10", nil, 400, 0},
		{"/query", "n=inf", nil, 400, 0},
		{"/query", "n=%2B1", nil, 400, 0},
		{"/query", "n=1&n=500", nil, 400, 0},
		{"/header", "", nil, 200, 3},
		{"/header", "", []string{"0.5"}, 200, 0.5},
		{"/header", "", []string{"0.4"}, 400, 0},
		{"/header", "", []string{"1", "1"}, 400, 0},
		{"/values", "", nil, 400, 0},
		{"/func", "", nil, 200, 2},
	} {
		g, s := stubstigg.NewGate(t)
		r := stubstigg.Request("GET", tt.route+"?"+tt.query)
		r.Header["X-Rows"] = tt.header
		w := httptest.NewRecorder()
		guard, _ := g.MustRouteGuards(table, gate.DenyRest).Find("", tt.route)
		guard.Serve(gate.Call{Request: r, Writer: w}, func(d gate.Decision) { g.WriteDenial(w, r, d) }, func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusOK)
			return true
		}, nil)
		if billed := s.Billed(t, g); w.Code != tt.status || billed != tt.billed {
			t.Errorf("%s?%s %v: %d, %v billed, want %d, %v; %s", tt.route, tt.query, tt.header, w.Code, billed, tt.status, tt.billed, w.Body)
		}
	}
}
