package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
)

const edgeSet = `{"data":{"entitlementsState":{"accessDeniedReason":null,"entitlementsV2":[{"__typename":"FeatureEntitlement","isGranted":true,
	"usageLimit":5,"currentUsage":3,"feature":{"refId":"feature-a","featureType":"NUMBER","meterType":"Incremental"}}]}}}`

// atEdge is a client whose edge answers as says and whose API denies the customer.
func atEdge(t *testing.T, edge http.HandlerFunc) (*Client, *recorder) {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			edge(w, r)
			return
		}
		says(200, `{"data":{"entitlementsState":{"accessDeniedReason":"CustomerNotFound","entitlementsV2":[]}}}`)(w, r)
	})
}

func TestTheEdgeIsReadFirst(t *testing.T) {
	c, rec := atEdge(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-KEY") != testKey || r.Header.Get("X-API-VERSION") != "1" || r.URL.Query().Get("resourceId") != "site|1" {
			t.Errorf("the edge got %v %v", r.URL, r.Header)
		}
		says(200, edgeSet)(w, r)
	})
	c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
	who := gate.Customer{ID: "acme|a@b.c", Resource: "site|1"}
	set, err := c.Entitlements(context.Background(), who)
	if err != nil || len(set.Features) != 1 || set.Features[0].Limit != 5 || set.Age != edgeDelay {
		t.Errorf("got %+v, %v", set, err)
	}
	if got := rec.last(t).path; got != "/v1/c/acme|a@b.c/entitlements-state.json" || rec.count() != 1 {
		t.Errorf("asked for %s, %d requests", got, rec.count())
	}
	c.changed(who, nil)
	if set, err = c.Entitlements(context.Background(), who); err != nil || set.Denied == "" || set.Age != 0 {
		t.Errorf("read from the edge just after a change: %+v, %v", set, err)
	}
	now := time.Now()
	c.now = func() time.Time { return now.Add(edgeDelay) }
	if set, err = c.Entitlements(context.Background(), who); err != nil || set.Denied != "" {
		t.Errorf("not read from the edge again: %+v, %v", set, err)
	}
}

func TestWhatTheEdgeMayNotKnowIsReadFromTheAPI(t *testing.T) {
	ctx, key := context.Background(), "key"
	for name, happens := range map[string]func(c *Client, told gate.Sink){
		"a change": func(c *Client, _ gate.Sink) { c.changed(acme, nil) },
		"a measurement": func(c *Client, _ gate.Sink) {
			_, _ = c.ReportUsage(ctx, Measurement{Customer: acme, FeatureID: "f", Value: 1, Key: key})
		},
		"an event": func(c *Client, _ gate.Sink) { _ = c.ReportEvent(ctx, []Event{{Customer: acme, Name: "e", Key: key}}) },
		"credits": func(c *Client, _ gate.Sink) {
			_, _ = c.ConsumeCredits(ctx, CreditUse{Customer: acme, CurrencyID: "x", Amount: 1, Key: key})
		},
		"news":             func(_ *Client, told gate.Sink) { told.Invalidate(acme) },
		"news of a set":    func(_ *Client, told gate.Sink) { told.Replace(acme, gate.EntitlementSet{}) },
		"news of a count":  func(_ *Client, told gate.Sink) { told.Patch(acme, gate.Patch{FeatureID: "f"}) },
		"news of everyone": func(_ *Client, told gate.Sink) { told.InvalidateAll() },
		"news again":       func(_ *Client, told gate.Sink) { told.SetLive(true); told.SetLive(false); told.SetLive(true) },
	} {
		c, _ := atEdge(t, says(200, edgeSet))
		c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
		happens(c, &edgeSink{Sink: &heard{}, client: c})
		if set, err := c.Entitlements(ctx, acme); err != nil || set.Denied == "" {
			t.Errorf("read from the edge after %s: %+v, %v", name, set, err)
		}
		now := time.Now()
		c.now = func() time.Time { return now.Add(edgeDelay) }
		if set, err := c.Entitlements(ctx, acme); err != nil || set.Denied != "" {
			t.Errorf("not read from the edge a minute after %s: %+v, %v", name, set, err)
		}
	}
}

// gateAtEdge is a gate whose client reads from an edge, and which hears of no change by it.
func gateAtEdge(t *testing.T) (*gate.Gate, *recorder) {
	t.Helper()
	c, rec := atEdge(t, says(200, edgeSet))
	c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
	g, err := gate.New(struct{ gate.Source }{c}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithDecisionTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g, rec
}

func TestWhatAGateKnowsToBeOutOfDateIsReadFromTheAPI(t *testing.T) {
	g, rec := gateAtEdge(t)
	one := gate.Feature("feature-a").Asks(1)
	if d := g.Check(t.Context(), acme, one); !d.Allowed || rec.count() != 1 {
		t.Fatalf("%+v after %d requests", d, rec.count())
	}
	g.Invalidate(acme) // as a webhook does, which the client does not see
	if d := g.Check(t.Context(), acme, one); d.Reason != gate.ReasonCustomerNotFound {
		t.Errorf("%+v: the edge was asked for what has changed a moment ago", d)
	}
}

// TestAPlanThatIsChangedIsReadFromTheAPI: an app, or a webhook, tells the gate, and the client sees nothing of it.
func TestAPlanThatIsChangedIsReadFromTheAPI(t *testing.T) {
	g, _ := gateAtEdge(t)
	one := gate.Feature("feature-a").Asks(1)
	g.Check(t.Context(), acme, one)
	g.Sink().InvalidateAll()
	if d := g.Check(t.Context(), acme, one); !d.Allowed {
		t.Fatalf("what is cached is not served meanwhile: %+v", d)
	}
	for deadline := time.Now().Add(time.Minute); g.Stats().Loads < 2 || g.Stats().Loading > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not read again")
		}
	}
	if d := g.Check(t.Context(), acme, one); d.Reason != gate.ReasonCustomerNotFound {
		t.Errorf("%+v: it was read from the edge", d)
	}
}

func TestTheFirstNewsDontKeepReadsFromTheEdge(t *testing.T) {
	c, _ := atEdge(t, says(200, edgeSet))
	c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
	(&edgeSink{Sink: &heard{}, client: c}).SetLive(true)
	if set, err := c.Entitlements(context.Background(), acme); err != nil || set.Denied != "" {
		t.Errorf("read from the API: %+v, %v", set, err)
	}
}

func TestWhereTheEdgeFailsTheAPIDecides(t *testing.T) {
	for name, edge := range map[string]http.HandlerFunc{
		"an unknown customer": says(404, `{"error":"not found"}`),
		"a limit":             says(429, ``),
		"an outage":           says(503, `<html>`),
		"a redirect":          func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"no JSON":             says(200, `<html>`),
		"no data":             says(200, `{}`),
		"no state":            says(200, `{"data":{"entitlementsState":{}}}`),
		"an error":            says(200, `{"errors":[{"message":"x","extensions":{"code":"CustomerNotFound"}}]}`),
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		c, rec := atEdge(t, edge)
		c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
		set, err := c.Entitlements(context.Background(), acme)
		if err != nil || set.Denied != gate.ReasonCustomerNotFound || rec.count() != 2 {
			t.Errorf("%s: got %+v, %v after %d requests", name, set, err, rec.count())
		}
	}
}

func TestAnEdgeThatLimitsRestsWhateverItsStatus(t *testing.T) {
	for name, edge := range map[string]http.HandlerFunc{
		"by its status": says(429, ``),
		"by an error":   says(200, `{"errors":[{"message":"x","extensions":{"code":"RateLimitExceeded"}}]}`),
	} {
		c, rec := atEdge(t, edge)
		c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
		for range 2 {
			if set, err := c.Entitlements(context.Background(), acme); err != nil || set.Denied == "" {
				t.Errorf("%s: got %+v, %v", name, set, err)
			}
		}
		if n := rec.count(); n != 3 {
			t.Errorf("%s: %d requests, want 3", name, n)
		}
	}
}

func TestAnEdgeThatHangsLeavesTimeForTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var edge, api atomic.Int32
		c := piped(t, func(conn net.Conn, r *http.Request) {
			if r.Method == http.MethodGet {
				edge.Add(1)
				held(conn)
				return
			}
			api.Add(1)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(emptySet), emptySet)
		}, WithTimeout(200*time.Millisecond)) // 100 for the edge
		c.edge = strings.TrimSuffix(c.endpoint, "/graphql")
		for want := 100 * time.Millisecond; want >= 0; want -= 100 * time.Millisecond { // an edge that hangs rests
			start := time.Now()
			if _, err := c.Entitlements(context.Background(), acme); err != nil || time.Since(start) != want {
				t.Errorf("got %v after %v, want a set after %v", err, time.Since(start), want)
			}
		}
		if edge.Load() != 1 || api.Load() != 2 {
			t.Errorf("%d requests to the edge, %d to the API, want 1 and 2", edge.Load(), api.Load())
		}
	})
}

func TestWrongEdges(t *testing.T) {
	for _, wrong := range []string{"edge.example.com", "ftp://edge.example.com", "https://user:pass@edge.example.com", "https://e.example.com?x=1"} {
		if _, err := New(testKey, WithEdge(wrong)); err == nil || !strings.Contains(err.Error(), "edge") || strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	for given, want := range map[string]string{"": "https://edge.api.stigg.io", "http://127.0.0.1:4100/": "http://127.0.0.1:4100"} {
		if c, err := New(testKey, WithEdge(given)); err != nil || c.edge != want {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestOldChangesAreForgotten(t *testing.T) {
	var c changes
	now := time.Now()
	for i := range 100_000 {
		now = now.Add(time.Second)
		c.note(strings.Repeat("x", i%5000), now)
	}
	if len(c.at) > 2000 {
		t.Errorf("%d are remembered", len(c.at))
	}
}
