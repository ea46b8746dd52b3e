package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/policyfile"
)

func doctor() command {
	return command{
		name:  "doctor",
		brief: "see whether Stigg can be asked, and whether policies fit its catalog",
		examples: []string{
			"stigg doctor",
			"stigg doctor -policies policies.yaml",
			"stigg doctor -json -realtime=false",
		},
		setup: func(flags *flag.FlagSet) work {
			e := &examination{}
			named(flags, &e.policies, "policies", "`FILE` of YAML or JSON with policies by route, which are compared with the catalog")
			flags.BoolVar(&e.realtime, "realtime", true, "see whether changes are told over a WebSocket")
			flags.DurationVar(&e.timeout, "timeout", askFor, "how long Stigg is waited for, each time")
			flags.BoolVar(&e.json, "json", false, "print JSON")
			return e.work
		},
	}
}

// examination is what the flags of stigg doctor say, and what was found.
type examination struct {
	policies       string
	realtime, json bool
	timeout        time.Duration

	found []finding
}

// finding is what one look has shown.
type finding struct {
	Check  string `json:"check"` // endpoint, key, limits, clock, realtime or policies
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (e *examination) says(check string, ok bool, format string, args ...any) {
	e.found = append(e.found, finding{check, ok, fmt.Sprintf(format, args...)})
}

func (e *examination) work(ctx context.Context, t terminal, args []string) error {
	if len(args) > 0 {
		return misuse("unexpected argument %q", args[0])
	}
	var table gate.Table
	if e.policies != "" {
		text, err := os.ReadFile(e.policies)
		if err != nil {
			return misuse("%v", err)
		}
		if table, err = policyfile.Parse(text, policyfile.WithAnyFunction()); err != nil {
			return fmt.Errorf("%s: %w", e.policies, err)
		}
	}
	seen := &seen{base: direct()}
	stigg, err := t.connect(client.WithTimeout(e.timeout), client.WithHTTPClient(&http.Client{Transport: seen}))
	if err != nil {
		return err
	}
	reached := e.answers(ctx, stigg, seen)
	if reached {
		e.limits(seen)
		e.clock(seen)
		if e.realtime {
			e.watch(ctx, stigg)
		}
		if table != nil {
			e.verify(ctx, stigg, table)
		}
	}
	return e.report(t)
}

// seen notes what the latest answer's header has.
type seen struct {
	base   http.RoundTripper
	mu     sync.Mutex
	header http.Header
	// sent and came are when the request was sent and its answer came.
	sent, came time.Time
}

// direct makes connections as the client itself does: what goes by http asks no proxy, since that would
// read the key on the way.
func direct() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	proxy := t.Proxy
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" || proxy == nil {
			return nil, nil //nolint:nilnil // no proxy
		}
		return proxy(r)
	}
	return t
}

// RoundTrip is http.RoundTripper's.
func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := s.base.RoundTrip(r)
	if err == nil {
		s.mu.Lock()
		s.header, s.sent, s.came = resp.Header.Clone(), sent, time.Now()
		s.mu.Unlock()
	}
	return resp, err
}

func (s *seen) get() (h http.Header, sent, came time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.header, s.sent, s.came
}

// answers sees whether Stigg answers, and takes the key.
func (e *examination) answers(ctx context.Context, stigg *client.Client, seen *seen) bool {
	_, err := stigg.SDKConfiguration(ctx)
	_, sent, came := seen.get()
	where := strings.TrimSuffix(strings.TrimPrefix(stigg.String(), "client.Client("), ")")
	refused := errors.Is(err, client.ErrUnauthenticated)
	if err != nil && !refused {
		e.says("endpoint", false, "%s: %v", where, err)
		return false
	}
	e.says("endpoint", true, "%s answers in %v", where, came.Sub(sent).Round(time.Millisecond))
	if refused {
		e.says("key", false, "Stigg refuses the key of %s: is it the Server API key, and of this environment?", keyVariable)
		return false
	}
	e.says("key", true, "Stigg takes it")
	return true
}

// limits says what the rate limit leaves.
func (e *examination) limits(seen *seen) {
	h, _, _ := seen.get()
	limit, left := h.Get("X-RateLimit-Limit"), h.Get("X-RateLimit-Remaining")
	switch left {
	case "":
		e.says("limits", true, "Stigg tells none")
	case "0":
		e.says("limits", false, "nothing is left of %s requests", limit)
	default:
		e.says("limits", true, "%s of %s requests are left", left, limit)
	}
}

// mostSkew is how far a clock may be off. Usage is reported with its time, which says what period
// it counts in.
const mostSkew = 10 * time.Second

// clock compares this machine's clock with Stigg's, whose Date has whole seconds.
func (e *examination) clock(seen *seen) {
	h, sent, came := seen.get()
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		e.says("clock", true, "Stigg tells no time")
		return
	}
	skew := sent.Add(came.Sub(sent) / 2).Sub(date).Truncate(time.Second)
	switch {
	case skew.Abs() > mostSkew && skew > 0:
		e.says("clock", false, "this machine's clock is %v ahead of Stigg's: usage may count in another period", skew)
	case skew.Abs() > mostSkew:
		e.says("clock", false, "this machine's clock is %v behind Stigg's: usage may count in another period", -skew)
	default:
		e.says("clock", true, "within %v of Stigg's", mostSkew)
	}
}

// liveSink waits for news to arrive.
type liveSink struct {
	once sync.Once
	live chan struct{}
}

func (s *liveSink) SetLive(live bool) {
	if live {
		s.once.Do(func() { close(s.live) })
	}
}
func (*liveSink) Replace(gate.Customer, gate.EntitlementSet) {}
func (*liveSink) Patch(gate.Customer, gate.Patch)            {}
func (*liveSink) Invalidate(gate.Customer)                   {}
func (*liveSink) InvalidateAll()                             {}

// watch sees whether realtime comes up.
func (e *examination) watch(ctx context.Context, stigg *client.Client) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	sink := &liveSink{live: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- stigg.Watch(ctx, sink) }()
	select {
	case <-sink.live:
		e.says("realtime", true, "changes are told at once")
		cancel()
		<-ended //nolint:errcheck // it was told to end
	case err := <-ended:
		e.says("realtime", false, "changes are not told: %v", err)
	case <-ctx.Done():
		e.says("realtime", false, "no connection came up within %v: a proxy that refuses WebSockets?", e.timeout)
		<-ended //nolint:errcheck // its time was over
	}
}

// verify compares policies with the catalog, by a gate's own Verify.
func (e *examination) verify(ctx context.Context, stigg *client.Client, table gate.Table) {
	g, err := gate.New(quiet{stigg}, gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{}, gate.ErrNoCustomer }), gate.WithLogger(silent()))
	if err == nil {
		defer func() { _ = g.Close(ctx) }()
		_, err = g.RouteGuards(table, gate.DenyRest)
	}
	if err == nil {
		err = g.Verify(ctx)
	}
	var wrong *gate.VerifyError
	switch {
	case errors.As(err, &wrong):
		for _, m := range wrong.Mistakes {
			e.says("policies", false, "%s: %s: %v", m.Route, m.Feature, m.Err)
		}
	case err != nil:
		e.says("policies", false, "%v", err)
	default:
		e.says("policies", true, "%d routes fit the catalog", len(table))
	}
}

// quiet is a client without realtime, which the gate needs not.
type quiet struct{ *client.Client }

// Watch has nothing to watch.
func (quiet) Watch(context.Context, gate.Sink) error { return nil }

func (e *examination) report(t terminal) error {
	code := exitOK
	for _, f := range e.found {
		switch {
		case f.OK:
		case f.Check == "endpoint":
			code = exitUnreachable
		default:
			code = exitNo
		}
	}
	if e.json {
		if err := json.NewEncoder(t.out).Encode(map[string]any{"ok": code == exitOK, "findings": e.found}); err != nil {
			return err
		}
	} else {
		for _, f := range e.found {
			fmt.Fprintf(t.out, "%-4s %-9s %s\n", map[bool]string{true: "ok", false: "BAD"}[f.OK], f.Check, f.Detail)
		}
	}
	if code != exitOK {
		return failure{code: code}
	}
	return nil
}
