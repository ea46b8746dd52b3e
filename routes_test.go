package gate

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestALiveTableServesAllWhoAreBoundToIt(t *testing.T) {
	g, other := gateOf(t, &stub{}), gateOf(t, &stub{})
	live, err := NewLiveTable(Table{"GET /a": Public()})
	if err != nil {
		t.Fatal(err)
	}
	all := []*RouteGuards{g.MustRouteGuards(live, DenyRest), g.MustRouteGuards(live, PublicRest), other.MustRouteGuards(live, DenyRest)}
	b := Table{"GET /b": Feature("f")}
	if err := live.Replace(b); err != nil {
		t.Fatal(err)
	}
	b["GET /a"] = Public() // the caller's own, from here on
	for i, guards := range all {
		if guard, named := guards.Find("GET", "/b"); !named || guard.gate != guards.gate {
			t.Errorf("%d: the new table is not in force", i)
		}
		if _, named := guards.Find("GET", "/a"); named {
			t.Errorf("%d: the old table is in force", i)
		}
	}
	if now := live.Table(); len(now) != 1 {
		t.Errorf("in force is %v", now)
	}
}

// TestATableThatOneGateCantTakeReplacesNone: the gates of one table never part.
func TestATableThatOneGateCantTakeReplacesNone(t *testing.T) {
	silent := gateOf(t, struct{ Source }{&stub{}}) // it reports to nobody
	live, err := NewLiveTable(Table{"GET /a": Public()})
	if err != nil {
		t.Fatal(err)
	}
	all := []*RouteGuards{gateOf(t, &stub{}).MustRouteGuards(live, DenyRest), silent.MustRouteGuards(live, DenyRest)}
	err = live.Replace(Table{"POST /a": Feature("f").Uses(1)})
	var wrong *PolicyError
	if !errors.As(err, &wrong) || wrong.Route != "POST /a" || !errors.Is(err, ErrNoReporter) {
		t.Errorf("got %v", err)
	}
	for i, guards := range all {
		if _, named := guards.Find("GET", "/a"); !named {
			t.Errorf("%d: the table before is gone", i)
		}
	}
}

func TestVerifyKnowsTheTableInForceAlone(t *testing.T) {
	inCatalog(t, &catalogued{}, func(t *testing.T, g *Gate, _ *bytes.Buffer) {
		live, err := NewLiveTable(Table{"GET /a": Feature("misspelt")})
		if err != nil {
			t.Fatal(err)
		}
		g.MustRouteGuards(live, DenyRest)
		var wrong *VerifyError
		if err := g.Verify(t.Context()); !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
		if err := live.Replace(Table{"GET /a": Feature("feature-1")}); err != nil {
			t.Fatal(err)
		}
		if err := g.Verify(t.Context()); err != nil {
			t.Errorf("of the table before: %v", err)
		}
	})
}

func TestAForgottenRouteIsLoggedForWhatItIs(t *testing.T) {
	var log bytes.Buffer
	g := gateOf(t, &stub{}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	guard := g.MustRouteGuards(Table{}, DenyRest).Match(httptest.NewRequest("GET", "/v1/forgotten", nil), "GET", "/v1/forgotten")
	for _, method := range []string{"GET", "PURGE"} { // whose methods there may be any number of
		r := httptest.NewRequest(method, "/v1/forgotten", nil)
		guard.Serve(Call{Request: r, Writer: httptest.NewRecorder(), Route: "/v1/forgotten"}, func(Decision) {}, func(http.ResponseWriter, *http.Request) bool { return true }, nil)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=ERROR msg="gate: the table names no policy for a route; its requests are denied" method=GET route=/v1/forgotten`) {
		t.Errorf("got %s", got)
	}
}
