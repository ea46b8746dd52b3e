package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listening is an emulator behind a real socket.
func listening(t *testing.T, opts ...Option) *Server {
	t.Helper()
	srv, err := Start("127.0.0.1:0", opts...)
	must(t, err)
	t.Cleanup(func() { must(t, srv.Close()) })
	return srv
}

// wire is what came over the socket; err is of a connection that broke, also in
// the middle of the body.
type wire struct {
	status int
	header http.Header
	body   string
	err    error
}

func (w wire) code() string {
	var a answer
	if json.Unmarshal([]byte(w.body), &a) != nil {
		return "no JSON"
	}
	return string(a.code())
}

// send does one request on a connection of its own, so that no transport sends
// it again.
func send(ctx context.Context, method, url, body string) wire {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return wire{err: err}
	}
	r.Close = true
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-KEY", DefaultKey)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return wire{err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return wire{resp.StatusCode, resp.Header, string(raw), err}
}

// used is a mutation that reports 1 for each key, as a client with aliases may.
func used(keys ...string) string {
	usages := make([]string, len(keys))
	for i, k := range keys {
		usages[i] = fmt.Sprintf(`{customerId: \"customer-basic\", featureId: \"%s\", value: 1, idempotencyKey: \"%s\"}`, campaigns, k)
	}
	return `{"query":"mutation { mine: reportUsageBulk(input: {usages: [` + strings.Join(usages, ",") + `]}) { currentUsage } }"}`
}

func fault(t testing.TB, srv *Server, body string) {
	t.Helper()
	if got := send(t.Context(), "POST", srv.URL()+"/_emulator/faults", body); got.status != http.StatusCreated {
		t.Fatalf("%d: %s %v", got.status, got.body, got.err)
	}
}

func TestWhatAFaultDoes(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		status      int
		code        string
		header      map[string]string
		broken      bool // the connection ends before the answer does
		body        string
		counted     float64
	}{
		{name: "a status answers without the work", fault: `{"status":503}`, status: 503, code: "UnexpectedError"},
		{name: "a status after the work", fault: `{"status":503,"after":true}`, status: 503, code: "UnexpectedError", counted: 1},
		{name: "a rate limit with its header", fault: `{"status":429,"retryAfter":3}`, status: 429, code: "RateLimitExceeded", header: map[string]string{"Retry-After": "3"}},
		{name: "a code in an answer of status 200", fault: `{"code":"RateLimitExceeded","retryAfter":1}`, status: 200, code: "RateLimitExceeded", header: map[string]string{"Retry-After": "1"}},
		{name: "a code with a status", fault: `{"code":"OperationTimeout","status":504}`, status: 504, code: "OperationTimeout"},
		{name: "the connection closed before the work", fault: `{"drop":"before"}`, broken: true},
		{name: "the connection closed after the work", fault: `{"drop":"after"}`, broken: true, counted: 1},
		{name: "garbage without the work", fault: `{"garbage":true}`, status: 200, code: "no JSON", body: "<html>"},
		{name: "garbage after the work", fault: `{"garbage":true,"after":true}`, status: 200, code: "no JSON", body: "<html>", counted: 1},
		{name: "garbage with a status", fault: `{"garbage":true,"status":502}`, status: 502, code: "no JSON", body: "<html>"},
		{name: "a body cut off without the work", fault: `{"truncate":true}`, status: 200, broken: true, code: "no JSON", body: `{"data"`},
		{name: "a body cut off after the work", fault: `{"truncate":true,"after":true}`, status: 200, broken: true, code: "no JSON", body: `{"data":{"mine"`, counted: 1},
		{name: "latency and a right answer", fault: `{"latency":"1ms"}`, status: 200, counted: 1, body: `"currentUsage":1`},
		{name: "latency after the work and a right answer", fault: `{"latency":"1ms","after":true}`, status: 200, counted: 1, body: `"currentUsage":1`},
		{name: "latency and then a status", fault: `{"latency":"1ms","status":500}`, status: 500, code: "UnexpectedError"},
		{name: "headers on a right answer", fault: `{"headers":{"X-RateLimit-Remaining":"0"}}`, status: 200, counted: 1, header: map[string]string{"X-RateLimit-Remaining": "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := listening(t)
			fault(t, srv, c.fault)
			got := send(t.Context(), "POST", srv.URL()+"/graphql", used("k"))
			if got.status != c.status || (got.err != nil) != c.broken || c.status != 0 && got.code() != c.code || !strings.Contains(got.body, c.body) {
				t.Errorf("%d %q %v, code %q", got.status, got.body, got.err, got.code())
			}
			for name, want := range c.header {
				if got.header.Get(name) != want {
					t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
				}
			}
			if n := usageNow(t, srv.Emulator, "customer-basic", "", campaigns); n != c.counted {
				t.Errorf("%v counted, want %v", n, c.counted)
			}
			if n := srv.Requests()["reportUsageBulk"]; float64(n) != c.counted {
				t.Errorf("%d performed", n)
			}
		})
	}
}

func TestWhichRequestsAFaultBreaks(t *testing.T) {
	const edge, read = "/v1/c/customer-basic/entitlements-state.json", `{"query":"{ reportUsageBulk: sdkConfiguration { showWatermark } }"}`
	type request struct{ method, path, body string }
	bulk := request{"POST", "/graphql", used("a", "b")}
	for _, c := range []struct {
		name, fault  string
		hit, spared  request
		edgeReadsHit bool
	}{
		{"of an operation, by its root field and not by an alias", `{"operation":"reportUsageBulk"`, bulk, request{"POST", "/graphql", read}, false},
		{"of an edge read", `{"operation":"edge.entitlements-state"`, request{"GET", edge, ""}, request{"POST", "/graphql", `{"query":"{ entitlementsState(query: {customerId: \"customer-basic\"}) { accessDeniedReason } }"}`}, true},
		{"of the GraphQL field behind an edge read", `{"operation":"entitlementsState"`, request{"POST", "/graphql", `{"query":"{ entitlementsState(query: {customerId: \"customer-basic\"}) { accessDeniedReason } }"}`}, request{"GET", edge, ""}, false},
		{"of everything, the edge included", `{"after":false`, request{"GET", edge, ""}, request{"GET", "/_emulator/health", ""}, true},
		{"of everything, what can't be read included", `{"after":false`, request{"POST", "/graphql", `{"query":"{"}`}, request{"GET", "/_emulator/usage", ""}, true},
		{"of one measurement", `{"idempotencyKey":"b"`, bulk, request{"POST", "/graphql", used("a", "c")}, false},
		{"of one feature of one customer", `{"customerId":"customer-basic","featureId":"` + campaigns + `"`, bulk, request{"GET", edge, ""}, false},
		{"of a customer, the edge included", `{"customerId":"customer-basic"`, request{"GET", edge, ""}, request{"GET", "/v1/c/customer-pro/entitlements.json", ""}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := listening(t)
			fault(t, srv, c.fault+`,"status":599}`)
			for range 2 {
				if got := send(t.Context(), c.hit.method, srv.URL()+c.hit.path, c.hit.body); got.status != 599 {
					t.Errorf("spared: %d %s", got.status, got.body)
				}
			}
			if got := send(t.Context(), c.spared.method, srv.URL()+c.spared.path, c.spared.body); got.status != 200 {
				t.Errorf("hit: %d %s", got.status, got.body)
			}
			if got := send(t.Context(), "GET", srv.URL()+edge, ""); (got.status == 599) != c.edgeReadsHit {
				t.Errorf("the edge answers %d", got.status)
			}
		})
	}
}

func TestThePoisonedMeasurementBreaksABulkUntilItIsSplit(t *testing.T) {
	srv := listening(t)
	must(t, srv.Fault(Fault{Operation: "reportUsageBulk", IdempotencyKey: "bad", Code: CodeFeatureNotFound}))
	for _, step := range []struct {
		body string
		code string
	}{{used("a", "bad", "b"), "FeatureNotFound"}, {used("a"), ""}, {used("bad"), "FeatureNotFound"}, {used("b"), ""}} {
		if got := send(t.Context(), "POST", srv.URL()+"/graphql", step.body); got.status != 200 || got.code() != step.code {
			t.Errorf("%s: %d %s", step.body, got.status, got.body)
		}
	}
	if n := usageNow(t, srv.Emulator, "customer-basic", "", campaigns); n != 2 {
		t.Errorf("%v counted, want 2", n)
	}
}

func TestAnAnswerThatIsLostCountsOnceWhenItIsAskedForAgain(t *testing.T) {
	srv := listening(t)
	fault(t, srv, `{"operation":"reportUsageBulk","drop":"after","count":1}`)
	if got := send(t.Context(), "POST", srv.URL()+"/graphql", used("k")); got.err == nil {
		t.Fatalf("answered: %s", got.body)
	}
	if got := send(t.Context(), "POST", srv.URL()+"/graphql", used("k")); got.status != 200 {
		t.Fatalf("%d %v", got.status, got.err)
	}
	if n := usageNow(t, srv.Emulator, "customer-basic", "", campaigns); n != 1 {
		t.Errorf("%v counted, want 1", n)
	}
}

func TestFaultsHappenInTheirOrderUntilTheirCountOrTheEnd(t *testing.T) {
	srv := listening(t)
	faults := srv.URL() + "/_emulator/faults"
	fault(t, srv, `{"operation":"reportUsageBulk","status":501,"count":2}`)
	fault(t, srv, `{"operation":"reportUsage","status":502}`)
	fault(t, srv, `{"status":503,"latency":"1ms","retryAfter":2}`)
	ask := func(want int) {
		t.Helper()
		if got := send(t.Context(), "POST", srv.URL()+"/graphql", used("k")); got.status != want {
			t.Errorf("%d, want %d", got.status, want)
		}
	}
	list := func(want string) {
		t.Helper()
		var v any
		must(t, json.Unmarshal([]byte(send(t.Context(), "GET", faults, "").body), &v))
		if format(v) != want {
			t.Errorf("listed %s\nwant   %s", format(v), want)
		}
	}
	ask(501)
	const other, all = `{"fired":0,"operation":"reportUsage","status":502}`, `"latency":"1ms","retryAfter":2,"status":503}`
	list(`[{"count":2,"fired":1,"operation":"reportUsageBulk","status":501},` + other + `,{"fired":0,` + all + `]`)
	ask(501)
	ask(503)
	ask(503)
	list(`[` + other + `,{"fired":2,` + all + `]`)
	if got := send(t.Context(), "DELETE", faults, ""); got.status != 200 || len(srv.Faults()) != 0 {
		t.Errorf("%d %s", got.status, got.body)
	}
	ask(200)
	list(`[]`)
}

func TestFaultsThatCanNotBe(t *testing.T) {
	srv := listening(t)
	for _, c := range []struct{ name, body, want string }{
		{"no JSON", `{`, "can't be read"},
		{"null", `null`, "null"},
		{"nothing", ``, "can't be read"},
		{"a list", `[]`, "can't be read"},
		{"two", `{"status":500}{"status":500}`, "follows"},
		{"an unknown field", `{"stauts":500}`, "stauts"},
		{"a word for a number", `{"status":"500"}`, "status"},
		{"no effect", `{"operation":"reportUsage"}`, "does nothing"},
		{"an operation that is none", `{"operation":"reportUsages","status":500}`, "reportUsages"},
		{"a negative latency", `{"latency":"-1s"}`, "latency"},
		{"a latency that is none", `{"latency":"soon"}`, "latency"},
		{"an unknown drop", `{"drop":"during"}`, "drop"},
		{"a status too low", `{"status":99}`, "status"},
		{"a status that ends no answer", `{"status":100}`, "status"},
		{"a status too high", `{"status":600}`, "status"},
		{"a status of 0", `{"status":0}`, "status"},
		{"a negative count", `{"status":500,"count":-1}`, "count"},
		{"a count of 0", `{"status":500,"count":0}`, "count"},
		{"a negative Retry-After", `{"status":429,"retryAfter":-1}`, "retryAfter"},
		{"a Retry-After beyond all time", `{"status":429,"retryAfter":9223372037}`, "retryAfter"},
		{"a status on a closed connection", `{"drop":"after","status":500}`, "drop"},
		{"after the work and before it", `{"drop":"before","after":true}`, "after"},
		{"two broken bodies", `{"garbage":true,"truncate":true}`, "exclude"},
		{"a code in garbage", `{"garbage":true,"code":"X"}`, "code"},
		{"a header that breaks the framing", `{"headers":{"content-length":"1"}}`, "content-length"},
		{"a header that is none", `{"headers":{"a b":"1"}}`, "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := send(t.Context(), "POST", srv.URL()+"/_emulator/faults", c.body)
			var said struct{ Error string }
			if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != 400 || !strings.Contains(said.Error, c.want) {
				t.Errorf("%d: %s", got.status, got.body)
			}
		})
	}
	if n := len(srv.Faults()); n != 0 {
		t.Errorf("%d were taken", n)
	}
	for range maxFaults {
		must(t, srv.Fault(Fault{Status: 500}))
	}
	if err := srv.Fault(Fault{Status: 500}); err == nil {
		t.Error("there is no end to faults")
	}
	if got := send(t.Context(), "PUT", srv.URL()+"/_emulator/faults", ""); got.status != 405 || got.header.Get("Allow") == "" {
		t.Errorf("PUT: %d", got.status)
	}
}

// hanging sends a request that a fault lets hang, and waits until it does.
func hanging(ctx context.Context, t *testing.T, e *Emulator, url string) <-chan wire {
	t.Helper()
	out := make(chan wire, 1)
	go func() { out <- send(ctx, "POST", url+"/graphql", used("k")) }()
	for e.Faults()[0].Fired == 0 {
		select {
		case got := <-out:
			t.Fatalf("it did not hang: %+v", got)
		case <-time.After(time.Millisecond):
		}
	}
	return out
}

func TestWhatHangsEnds(t *testing.T) {
	t.Run("when the faults are cleared, with the right answer", func(t *testing.T) {
		srv := listening(t)
		fault(t, srv, `{"latency":"24h"}`)
		out := hanging(t.Context(), t, srv.Emulator, srv.URL())
		if n := len(srv.Usage()); n != 0 {
			t.Errorf("%d counted meanwhile", n)
		}
		srv.ClearFaults()
		if got := <-out; got.status != 200 || len(srv.Usage()) != 1 {
			t.Errorf("%+v, %v", got, srv.Usage())
		}
	})
	t.Run("when the server closes, without the work", func(t *testing.T) {
		srv := listening(t)
		fault(t, srv, `{"latency":"24h"}`)
		out := hanging(t.Context(), t, srv.Emulator, srv.URL())
		must(t, srv.Close())
		if got := <-out; got.err == nil || len(srv.Usage()) != 0 {
			t.Errorf("%+v, %v", got, srv.Usage())
		}
		if srv.http.BaseContext(nil).Err() == nil {
			t.Error("what hangs is not told to end, it ends when its connection is closed a second later")
		}
	})
	t.Run("when the caller leaves, without the work", func(t *testing.T) {
		e := newTest(t)
		ended := make(chan struct{})
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			e.ServeHTTP(w, r)
		}))
		defer srv.Close()
		must(t, e.Fault(Fault{Latency: 24 * time.Hour}))
		ctx, leave := context.WithCancel(t.Context())
		out := hanging(ctx, t, e, srv.URL)
		leave()
		if got := <-out; !errors.Is(got.err, context.Canceled) {
			t.Errorf("%+v", got)
		}
		<-ended
		if n := len(e.Usage()); n != 0 {
			t.Errorf("%d counted", n)
		}
	})
	t.Run("after the work, if the fault is after it", func(t *testing.T) {
		srv := listening(t)
		fault(t, srv, `{"latency":"24h","after":true}`)
		ctx, leave := context.WithCancel(t.Context())
		out := hanging(ctx, t, srv.Emulator, srv.URL())
		for len(srv.Usage()) == 0 {
			time.Sleep(time.Millisecond)
		}
		leave()
		<-out
	})
}

func TestTheLatencyIsAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faultState{Fault: Fault{Latency: time.Hour}}
		start := time.Now()
		if !f.hang(t.Context()) || time.Since(start) != time.Hour {
			t.Errorf("%v", time.Since(start))
		}
	})
}

func TestAFaultIsTheEmulatorsOwnCopy(t *testing.T) {
	e := newTest(t)
	headers := map[string]string{"X-A": "1"}
	must(t, e.Fault(Fault{Headers: headers}))
	headers["X-A"] = "2"
	if got := e.Faults()[0].Headers["X-A"]; got != "1" {
		t.Error(got)
	}
}

// sent posts a GraphQL request over a real socket.
func sent(t testing.TB, srv *Server, body string) answer {
	t.Helper()
	got := send(t.Context(), "POST", srv.URL()+"/graphql", body)
	must(t, got.err)
	a := answer{Status: got.status}
	must(t, json.Unmarshal([]byte(got.body), &a))
	return a
}

func TestWhetherAFaultIsOfTheInputIsForTheFaultToSay(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault Fault
		want  bool
	}{
		{"a code that nobody knows", Fault{Code: "SomethingNew"}, false},
		{"a code of what isn't there", Fault{Code: CodeCustomerNotFound}, false},
		{"a code of bad input", Fault{Code: CodeBadUserInput}, true},
		{"a code that nobody knows, said to be", Fault{Code: "SomethingNew", IsValidationError: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			must(t, e.Fault(c.fault))
			a := ask(t, e, `{ sdkConfiguration { sentryDsn } }`, nil)
			if got := a.Errors[0].Extensions.IsValidationError; got != c.want {
				t.Errorf("%v", got)
			}
		})
	}
}
