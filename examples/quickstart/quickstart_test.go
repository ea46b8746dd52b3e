package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/examples/internal/exampletest"
	"github.com/stiggate/gate/identity"
)

func eachRouter(t *testing.T, test func(t *testing.T, router string)) {
	for router := range routers() {
		t.Run(router, func(t *testing.T) { test(t, router) })
	}
}

func TestTheTourIsTheSameOnEveryRouter(t *testing.T) {
	var wait sync.WaitGroup // a tour mostly waits for deliveries
	tours := make(map[string]*bytes.Buffer)
	for router := range routers() {
		out := &bytes.Buffer{}
		tours[router] = out
		wait.Go(func() {
			if err := run(t.Context(), []string{"-once", "-router", router}, out, io.Discard); err != nil {
				t.Errorf("%s: %v", router, err)
			}
		})
	}
	wait.Wait()
	for router, out := range tours {
		if out.String() != tours["nethttp"].String() {
			t.Errorf("the tour of %s differs from that of nethttp:\n%s\n%s", router, out, tours["nethttp"])
		}
		if got := strings.Count(out.String(), "\n"); got != len(stops())+3 {
			t.Errorf("%s: %d lines for %d stops:\n%s", router, got, len(stops()), out)
		}
	}
}

func TestTheTourInFrontOfAnotherStigg(t *testing.T) {
	stigg := exampletest.StartStigg(t)
	args := []string{"-once", "-stigg", stigg.URL(), "-key", emulator.DefaultKey}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := run(t.Context(), args, &out, io.Discard)
	if err == nil || !strings.Contains(out.String(), "<- expected 201") {
		t.Errorf("with the campaigns used up the tour still finds what it expects: %v\n%s", err, &out)
	}
}

func TestAWrongKeyFailsTheTourAndIsNotShown(t *testing.T) {
	stigg := exampletest.StartStigg(t)
	var out, logged bytes.Buffer
	err := run(t.Context(), []string{"-once", "-stigg", stigg.URL(), "-key", "sk-very-secret-key"}, &out, &logged)
	if err == nil {
		t.Error("the tour succeeds")
	}
	if strings.Contains(out.String()+logged.String()+fmt.Sprint(err), "sk-very-secret-key") {
		t.Error("the key is shown")
	}
}

func TestWrongFlags(t *testing.T) {
	t.Setenv("STIGG_API_KEY", "")
	for _, args := range [][]string{
		{"-router", "gorilla"}, {"-stigg", "http://127.0.0.1:1"}, {"-stigg", "not a url", "-key", "k"}, {"-once", "extra"}, {"-nonsense"},
		{"-once", "-addr", "127.0.0.1:99999"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// site is the API in front of an emulated Stigg.
type site struct {
	stigg  *emulator.Server
	gate   *gate.Gate
	server *httptest.Server
}

func newSite(t *testing.T, router string, options ...client.Option) *site {
	t.Helper()
	s := &site{stigg: exampletest.StartStigg(t)}
	source, err := client.New(emulator.DefaultKey, append(options, client.WithEndpoint(s.stigg.URL()))...)
	if err != nil {
		t.Fatal(err)
	}
	s.gate, err = gate.New(source, identity.FromTrustedHeader("X-Customer-ID", "X-Resource-ID"), gate.WithDecisionTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(recovered(routers()[router](s.gate), slog.New(slog.DiscardHandler)))
	s.server.Client().Transport.(*http.Transport).MaxConnsPerHost = 64
	t.Cleanup(s.server.Close)
	return s
}

func (s *site) send(t *testing.T, method, target, customer string) int {
	r, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+target, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("X-Customer-ID", customer)
	res, err := s.server.Client().Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// close delivers everything.
func (s *site) close(t *testing.T) {
	t.Helper()
	s.server.Close()
	if err := s.gate.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOddAmountsChargeNothing(t *testing.T) {
	eachRouter(t, func(t *testing.T, router string) {
		s := newSite(t, router)
		for _, query := range []string{"n=%zz", "n=1;n=2", "n=1&n=1", "n=", "n=NaN", "n=Inf", "n=-1", "n=1e308", "n=x", "n=0x", "n=1&fail", "n=0", "n=-0", "n=1e-300", "n=0.5"} {
			for _, method := range []string{"POST", "DELETE"} {
				if got := s.send(t, method, "/templates?"+query, "customer-demo-01"); got != 400 && query != "n=1&fail" {
					t.Errorf("%s ?%s: got %d, want 400", method, query, got)
				}
			}
		}
		s.close(t)
		if n := len(s.stigg.Usage()); n != 2 {
			t.Errorf("%d measurements, want those of n=1 only", n)
		}
	})
}

func TestFiveHundredAtOnceAgainstALimitOfTwelve(t *testing.T) {
	eachRouter(t, func(t *testing.T, router string) {
		s := newSite(t, router)
		statuses := make([]int, 500)
		var wait sync.WaitGroup
		for i := range statuses {
			wait.Go(func() { statuses[i] = s.send(t, "POST", "/campaigns", "customer-demo-01") })
		}
		wait.Wait()
		s.close(t)
		created := 0
		for _, status := range statuses {
			switch status {
			case 201:
				created++
			case 402, 429:
			default:
				t.Errorf("an answer of %d", status)
			}
		}
		if n := len(s.stigg.Usage()); created != 12 || n != 12 {
			t.Errorf("%d created, %d recorded, want 12 and 12", created, n)
		}
	})
}

func TestTheRecordEqualsTheSuccesses(t *testing.T) {
	eachRouter(t, func(t *testing.T, router string) {
		s := newSite(t, router)
		var mu sync.Mutex
		succeeded := map[string]float64{}
		var wait sync.WaitGroup
		for range 400 {
			wait.Go(func() {
				customer := []string{"customer-pro", "customer-basic", "customer-demo-01", "customer-none"}[rand.N(4)]
				target := "/campaigns" + []string{"", "?fail=500", "?panic=1", "?sleep=2ms", "?fail=304", "?sleep=x"}[rand.N(6)]
				if status := s.send(t, "POST", target, customer); status < 400 {
					mu.Lock()
					succeeded[customer]++
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		s.close(t)
		recorded := map[string]float64{}
		keys := map[string]bool{}
		for _, m := range s.stigg.Usage() {
			if m.Duplicate || keys[m.IdempotencyKey] {
				t.Errorf("a measurement came twice: %+v", m)
			}
			keys[m.IdempotencyKey] = true
			recorded[m.CustomerID] += m.Value
		}
		if fmt.Sprint(recorded) != fmt.Sprint(succeeded) {
			t.Errorf("recorded %v, succeeded %v", recorded, succeeded)
		}
	})
}

// heldBack lets requests to Stigg pass once it is told to.
type heldBack struct{ release chan struct{} }

func (h heldBack) RoundTrip(r *http.Request) (*http.Response, error) {
	<-h.release
	return http.DefaultTransport.RoundTrip(r)
}

func TestTenThousandRequestsOfAColdCustomerAskOnce(t *testing.T) {
	eachRouter(t, func(t *testing.T, router string) {
		h := heldBack{make(chan struct{})}
		s := newSite(t, router, client.WithHTTPClient(&http.Client{Transport: h}), client.WithTimeout(time.Minute))
		handler := s.server.Config.Handler
		var started, done sync.WaitGroup
		started.Add(10_000)
		for range 10_000 {
			done.Go(func() {
				r := httptest.NewRequest("GET", "/analytics", nil)
				r.Header.Set("X-Customer-ID", "customer-demo-01")
				w := httptest.NewRecorder()
				started.Done()
				handler.ServeHTTP(w, r)
				if w.Code != 200 {
					t.Errorf("got %d", w.Code)
				}
			})
		}
		started.Wait()
		close(h.release)
		done.Wait()
		s.close(t)
		if n := s.stigg.Requests()["entitlementsState"]; n != 1 {
			t.Errorf("%d upstream calls, want 1: %v", n, s.stigg.Requests())
		}
	})
}

// TestServingUntilItIsStopped runs the program whole: what it prints can be tried, and
// when it is stopped, what was used is delivered first.
func TestServingUntilItIsStopped(t *testing.T) {
	eachRouter(t, func(t *testing.T, router string) {
		stigg := exampletest.StartStigg(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, in := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			err := run(ctx, []string{"-addr", "127.0.0.1:0", "-router", router, "-stigg", stigg.URL(), "-key", emulator.DefaultKey}, in, io.Discard)
			ended <- err
			_ = in.CloseWithError(io.EOF)
		}()
		var printed bytes.Buffer
		for !strings.Contains(printed.String(), "Ctrl-C stops") {
			if _, err := io.CopyN(&printed, out, 1); err != nil {
				t.Fatalf("%v\n%s", err, &printed)
			}
		}
		go func() { _, _ = io.Copy(io.Discard, out) }()
		url := regexp.MustCompile(`gated API +(http://\S+)`).FindStringSubmatch(printed.String())
		if url == nil {
			t.Fatalf("no URL in\n%s", &printed)
		}
		if strings.Contains(printed.String(), emulator.DefaultKey) {
			t.Error("the key of another Stigg is printed")
		}
		for range 3 {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", url[1]+"/campaigns", nil)
			r.Header.Set("X-Customer-ID", "customer-basic")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != 201 {
				t.Errorf("got %d", res.StatusCode)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := len(stigg.Usage()); n != 3 {
			t.Errorf("%d measurements recorded, want 3", n)
		}
	})
}

func TestTheHelpNamesEveryRouter(t *testing.T) {
	names := strings.Split(routerNames(), ", ")
	if !slices.IsSorted(names) || len(names) != len(routers()) {
		t.Errorf("got %v", names)
	}
}
