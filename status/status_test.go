package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/outbox"
	"github.com/stiggate/gate/status"
)

const customer = "customer-4711"

// served is a gate that has let a request in, refused one, and delivered what was used.
func served(t *testing.T) *gate.Gate {
	stigg := gatetest.New(t)
	stigg.Plan("free", gatetest.Metered("seats", 1))
	stigg.Customer(customer).On("free")
	g := stigg.Gate(identity.FromTrustedHeader("X-Customer-ID", ""))
	for _, n := range []float64{1, 2} {
		if ticket, _ := g.Admit(t.Context(), gate.Customer{ID: customer}, gate.Feature("seats").Uses(n)); ticket != nil {
			if err := ticket.Settle(); err != nil {
				t.Fatal(err)
			}
		}
	}
	synctest.Wait()
	return g
}

func get(g *gate.Gate, method, accept string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, "/status", nil), httptest.NewRecorder()
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	status.Handler(g).ServeHTTP(w, r)
	return w
}

func TestItIsJSONForProgramsAndAPageForBrowsers(t *testing.T) { synctest.Test(t, jsonForPrograms) }

func jsonForPrograms(t *testing.T) {
	g := served(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/json": "application/json",
		browser: "text/html; charset=utf-8", "text/html;q=0.4, application/json": "application/json",
	} {
		w := get(g, "GET", accept)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != want || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Accept" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("Accept %q: %d %v", accept, w.Code, h)
		}
		if strings.Contains(w.Body.String(), customer) {
			t.Errorf("Accept %q: the customer is in it: %s", accept, w.Body)
		}
	}
	if w := get(g, "POST", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// answer is what JSON has.
type answer struct {
	Ready     bool
	NotReady  string
	Degraded  []string
	Decisions map[string]any
	Reads     map[string]any
	Usage     map[string]any
}

func TestTheJSONTellsWhatTheGateCounts(t *testing.T) { synctest.Test(t, jsonCounts) }

func jsonCounts(t *testing.T) {
	var a answer
	body := get(served(t), "GET", "").Body.Bytes()
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatal(err)
	}
	fresh, _ := a.Decisions["fresh"].(map[string]any)
	if !a.Ready || a.Degraded == nil || len(a.Degraded) != 0 || fresh["allowed"] != 1.0 || fresh["denied"] != 1.0 || a.Reads["customers"] != 1.0 || a.Usage["acknowledged"] != 1.0 {
		t.Errorf("got %s", body)
	}
	if _, there := a.Usage["oldest"]; there {
		t.Errorf("nothing is queued, and there is an oldest: %s", body)
	}
}

// TestNoFigureIsForgotten holds the JSON against the fields of gate.Stats.
func TestNoFigureIsForgotten(t *testing.T) {
	var figures func(typ reflect.Type) int
	figures = func(typ reflect.Type) (n int) {
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			return 1
		}
		for i := range typ.NumField() {
			n += figures(typ.Field(i).Type)
		}
		return n
	}
	got := 0
	for _, part := range status.Parts {
		got += figures(part)
	}
	if want := figures(reflect.TypeFor[gate.Stats]()); got != want {
		t.Errorf("the answer has %d figures, and gate.Stats %d", got, want)
	}
}

func TestThePageIsWhole(t *testing.T) { synctest.Test(t, pageIsWhole) }

func pageIsWhole(t *testing.T) {
	g := served(t)
	body := get(g, "GET", "text/html").Body.String()
	for _, want := range []string{"<h1 class=\"well\">All is well</h1>", `<meta http-equiv="refresh" content="5">`, "<td>1</td><td>1</td><td>0</td>", "<dt>acknowledged</dt><dd>1</dd>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, never := range []string{"<script", "src=", " style=", "ZgotmplZ", "url("} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %q", never)
		}
	}
	var open []string
	for _, tag := range regexp.MustCompile(`<(/?)([a-z][a-z0-9]*)[^>]*>`).FindAllStringSubmatch(body, -1) {
		switch {
		case tag[2] == "meta":
		case tag[1] == "":
			open = append(open, tag[2])
		case len(open) == 0 || open[len(open)-1] != tag[2]:
			t.Fatalf("</%s> closes %v", tag[2], open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
	_ = g.Close(t.Context())
	if body := get(g, "GET", "text/html").Body.String(); !strings.Contains(body, "Not ready") || !strings.Contains(body, gate.ErrClosed.Error()) {
		t.Errorf("a closed gate is shown as %s", body)
	}
}

// unreported is a Stigg that lets everybody in and takes no usage.
type unreported struct{}

func (unreported) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "seats", Kind: gate.Metered, Granted: true, Unlimited: true}}}, nil
}

func (unreported) Report(context.Context, []gate.Usage) ([]gate.Ack, error) {
	return nil, errors.New("down")
}

func TestTheOutboxIsShown(t *testing.T) {
	shown := func(g *gate.Gate) (box map[string]any, page string) {
		var a struct{ Outbox map[string]any }
		if err := json.Unmarshal(get(g, "GET", "").Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		return a.Outbox, get(g, "GET", "text/html").Body.String()
	}
	made := func(options ...gate.Option) *gate.Gate {
		g, err := gate.New(unreported{}, identity.FromTrustedHeader("X-Customer-ID", ""), options...)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	without := made()
	if box, page := shown(without); box["maxBytes"] != 0.0 || strings.Contains(page, "<h2>Outbox") {
		t.Errorf("without an outbox: %v, %s", box, page)
	}
	_ = without.Close(t.Context())

	disk, err := outbox.Open(t.TempDir(), outbox.MaxBytes(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	g := made(gate.WithOutbox(disk))
	ticket, d := g.Admit(t.Context(), gate.Customer{ID: customer}, gate.Feature("seats").Uses(1))
	if err := ticket.Settle(); err != nil || !d.Allowed {
		t.Fatal(d, err)
	}
	box, page := shown(g)
	if box["pending"] != 1.0 || box["setAside"] != 0.0 || box["maxBytes"] != float64(64<<20) || box["bytes"] == 0.0 || box["syncSeconds"] == 0.0 || box["error"] != nil {
		t.Errorf("one is kept: %v", box)
	}
	if !strings.Contains(page, "<dt>pending</dt><dd>1</dd>") || strings.Contains(page, customer) {
		t.Errorf("one is kept: %s", page)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_ = g.Close(ended) // Stigg takes nothing, so there is nothing to wait for
	if box, page := shown(g); box["error"] != outbox.ErrClosed.Error() || !strings.Contains(page, "<p class=\"ill\">"+outbox.ErrClosed.Error()) {
		t.Errorf("closed: %v, %s", box, page)
	}
}

// silent is a Stigg that answers nothing.
type silent struct{}

func (silent) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{}, errors.New("silent")
}

func TestItTellsWhatTheGateGoesWithout(t *testing.T) {
	g, err := gate.New(silent{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	for i := range 10 {
		g.Check(t.Context(), gate.Customer{ID: fmt.Sprint("c", i)}, gate.Feature("seats"))
	}
	var a answer
	if err := json.Unmarshal(get(g, "GET", "").Body.Bytes(), &a); err != nil || !a.Ready || len(a.Degraded) == 0 || a.Reads["stoppedUntil"] == nil {
		t.Errorf("got %+v, %v", a, err)
	}
	if body := get(g, "GET", "text/html").Body.String(); !strings.Contains(body, "something is amiss") || !strings.Contains(body, "<li>"+strings.ReplaceAll(a.Degraded[0], "'", "&#39;")+"</li>") {
		t.Errorf("the page does not show %q: %s", a.Degraded, body)
	}
}
