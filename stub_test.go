package gate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// stub is a Stigg of one set for everybody, whose answers a test can hold back.
type stub struct {
	mu       sync.Mutex
	set      EntitlementSet
	err      error
	loads    int
	asked    []Customer
	release  chan struct{} // if not nil, a load waits for it
	entered  chan struct{} // if not nil, a load says that it has begun
	reported []Usage
	report   func(batch []Usage) ([]Ack, error)
}

func (s *stub) Entitlements(ctx context.Context, c Customer) (EntitlementSet, error) {
	s.mu.Lock()
	s.loads++
	s.asked = append(s.asked, c)
	release, entered := s.release, s.entered
	s.mu.Unlock()
	if entered != nil {
		entered <- struct{}{}
	}
	if release != nil {
		select {
		case <-release:
		case <-ctx.Done():
			return EntitlementSet{}, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set, s.err
}

func (s *stub) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report != nil {
		if acks, err := s.report(batch); acks != nil || err != nil {
			return acks, err
		}
	}
	s.reported = append(s.reported, batch...)
	return make([]Ack, len(batch)), nil
}

func (s *stub) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads
}

func (s *stub) usages() []Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Usage(nil), s.reported...)
}

func metered(id string, usage, limit float64) Entitlement {
	return Entitlement{FeatureID: id, DisplayName: "The " + id, Kind: Metered, Granted: true, Usage: usage, Limit: limit}
}

func features(e ...Entitlement) EntitlementSet { return EntitlementSet{Features: e} }

var errStubDown = errors.New("stub: down")

// What Stigg may mean by an error.
var (
	errRefused  error = &UpstreamError{Kind: UpstreamRefused, Err: errors.New("stub: refused")}
	errArchived error = &UpstreamError{Kind: UpstreamRefusedAll, Err: errors.New("stub: archived")}
	errGarbled  error = &UpstreamError{Kind: UpstreamGarbled, Err: errors.New("stub: garbled")}
	errUnsent   error = &UpstreamError{Kind: UpstreamUnsent, RetryAfter: 2 * time.Second, Err: errors.New("stub: unsent")}
)

// busyFor is a 429 with a Retry-After.
func busyFor(d time.Duration) error {
	return &UpstreamError{RetryAfter: d, Err: errors.New("stub: busy")}
}

// fromHeader is a Resolver by two headers.
func fromHeader(customer, resource string) Resolver {
	customer, resource = http.CanonicalHeaderKey(customer), http.CanonicalHeaderKey(resource)
	return ResolverFunc(func(r *http.Request) (Customer, error) {
		if r.Header.Get(customer) == "" {
			return Customer{}, ErrNoCustomer
		}
		return Customer{ID: r.Header.Get(customer), Resource: r.Header.Get(resource)}, nil
	})
}

// gateOf returns a gate over s that is closed with the test.
func gateOf(t *testing.T, s Source, options ...Option) *Gate {
	t.Helper()
	g, err := New(s, fromHeader("X-Customer-ID", "X-Resource-ID"), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what must be delivered is closed by the test itself
		_ = g.Close(ctx)
	})
	return g
}

// serve sends a request through a guard for p in front of handler.
func serve(t *testing.T, g *Gate, p Policy, r *http.Request, handler http.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	guard, err := g.Guard(p)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	guard.Serve(Call{Request: r, Writer: w},
		func(d Decision) { g.WriteDenial(w, r, d) },
		func(w http.ResponseWriter, r *http.Request) bool { handler(w, r); return true },
		nil)
	return w
}

func request(method, target, customer string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if customer != "" {
		r.Header.Set("X-Customer-ID", customer)
	}
	return r
}
