package gate

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheLogHasEachDecisionAtDebugAndNoCustomer(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		var log strings.Builder
		g := gateOf(t, &stub{set: features(metered("f", 4, 5))}, WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))))
		for _, n := range []float64{1, 2} {
			g.Check(context.Background(), Customer{ID: "customer-4711"}, Feature("f").Asks(n))
		}
		text := log.String()
		if n := strings.Count(text, "a request was decided"); n != want {
			t.Errorf("at %v: %d lines:\n%s", level, n, text)
		}
		if strings.Contains(text, "4711") {
			t.Errorf("the log has the customer:\n%s", text)
		}
		if want > 0 && !strings.Contains(text, "decision.allowed=false decision.method=\"\" decision.route=\"\" decision.feature=f decision.origin=fresh decision.status=402 decision.code=usage_limit_exceeded decision.reason=RequestedUsageExceedingLimit decision.instance=\"\" decision.requested=2 decision.usage=4 decision.limit=5") {
			t.Errorf("a refusal is not told:\n%s", text)
		}
	}
}

func TestTheDefaultLogger(t *testing.T) {
	g, err := New(&stub{}, fromHeader("X-Customer-ID", ""))
	if err != nil || g.logger != slog.Default() {
		t.Errorf("it is not slog's: %v", err)
	}
	_ = g.Close(t.Context())
}

func TestOneInstanceIsInTheAnswerAndInTheDecision(t *testing.T) {
	var o seen
	g := gateOf(t, &stub{set: features(metered("f", 5, 5))}, WithObserver(o.observer()))
	w := serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), nil)
	if d := o.decided[0]; d.Instance == "" || d.Method != "POST" || !strings.Contains(w.Body.String(), `"instance":"`+d.Instance+`"`) {
		t.Errorf("%+v was answered by %s", d, w.Body)
	}
}

func TestADecisionSaysHowLongItWaitedAndForWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{set: features(metered("f", 5, 5)), release: make(chan struct{})}
		g := gateOf(t, s)
		time.AfterFunc(time.Second, func() { close(s.release) })
		both := All(Feature("f").Asks(0), Feature("g"))
		for _, want := range []time.Duration{time.Second, 0} {
			if d := g.Check(t.Context(), Customer{ID: "c"}, both); d.Waited != want {
				t.Errorf("it waited %v, want %v", d.Waited, want)
			}
		}
		s.mu.Lock()
		s.err = errStubDown
		s.mu.Unlock()
		if d := g.Check(t.Context(), Customer{ID: "d"}, both); d.FeatureID != "f" || d.Reason != ReasonUnavailable {
			t.Errorf("it was not decided for %q: %+v", "f", d)
		}
	})
}

func TestObserversAreToldOfReadsAndDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		tell := func(what string, err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(what, " ", err))
		}
		down := true
		s := &stub{set: features(metered("f", 0, 5)), report: func([]Usage) ([]Ack, error) {
			if down {
				down = false
				return nil, errStubDown
			}
			return nil, nil
		}}
		g := gateOf(t, s, WithObserver(Observer{
			Read: func(_ context.Context, _ time.Duration, err error) { tell("read", err) },
			Delivered: func(batch []Usage, _ time.Duration, err error) {
				tell(fmt.Sprint("delivered ", len(batch), " of ", batch[0].FeatureID), err)
			},
		}))
		ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
		_ = ticket.Settle()
		_ = g.Close(t.Context())
		if want := []string{"read <nil>", "delivered 1 of f stub: down", "delivered 1 of f <nil>"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// traceID is the key of a trace's id in a context.
type traceID struct{}

// tracing is what an app's handler does: it adds the trace of a line's context.
type tracing struct{ slog.Handler }

func (t tracing) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := ctx.Value(traceID{}).(string); ok {
		line.AddAttrs(slog.String("trace", id))
	}
	return t.Handler.Handle(ctx, line)
}

// TestARefusalsLineHasItsInstanceAndItsTrace: support finds by either what a customer quotes.
func TestARefusalsLineHasItsInstanceAndItsTrace(t *testing.T) {
	var log bytes.Buffer
	handler := tracing{slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})}
	var o seen
	g := gateOf(t, &stub{set: features(metered("f", 5, 5))}, WithObserver(o.observer()), WithLogger(slog.New(handler)))
	r := request("POST", "/", "acme")
	serve(t, g, Feature("f").Uses(1), r.WithContext(context.WithValue(r.Context(), traceID{}, "4bf92f")), nil)
	d := o.decided[0]
	if d.Allowed || d.Instance == "" {
		t.Fatalf("%+v", d)
	}
	for line := range strings.SplitSeq(log.String(), "\n") {
		if strings.Contains(line, "a request was decided") && strings.Contains(line, "decision.instance="+d.Instance) && strings.HasSuffix(line, " trace=4bf92f") {
			return
		}
	}
	t.Errorf("the log has no such line of %s:\n%s", d.Instance, &log)
}

// readStub has each read told of, before it is answered.
type readStub struct {
	*stub
	reads func(ctx context.Context)
}

func (s *readStub) Entitlements(ctx context.Context, c Customer) (EntitlementSet, error) {
	s.reads(ctx)
	return s.stub.Entitlements(ctx, c)
}

// readName is the key of a read's name in its context.
type readName struct{}

// TestADecisionIsToldWhichReadsItWaitedFor: the source, the reads and those who wait for them are told
// of one context, and two who wait for one read of the same.
func TestADecisionIsToldWhichReadsItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		n := 0
		tell := func(what string, ctx context.Context) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(what, " ", ctx.Value(readName{})))
		}
		s := &readStub{&stub{set: features(metered("f", 0, 5))}, func(ctx context.Context) {
			tell("source", ctx)
			time.Sleep(time.Second)
		}}
		g := gateOf(t, s, WithObserver(Observer{
			Reading: func(ctx context.Context) context.Context {
				n++
				return context.WithValue(ctx, readName{}, n)
			},
			Read: func(read context.Context, _ time.Duration, _ error) { tell("read", read) },
			Waited: func(ctx, read context.Context) {
				tell(fmt.Sprint(ctx.Value(readName{}), " waited for"), read)
			},
			Decided: func(ctx context.Context, _ Decision) { tell("decided", ctx) },
		}))
		check := func(name string, customer string, timeout time.Duration) {
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), readName{}, name), timeout)
			defer cancel()
			g.Check(ctx, Customer{ID: customer}, Feature("f").Uses(1))
		}
		go check("first", "c", time.Minute)
		go check("impatient", "c", time.Millisecond)
		time.Sleep(2 * time.Second)
		check("cached", "c", time.Minute)
		check("third", "d", time.Minute)
		want := []string{"source 1", "impatient waited for 1", "decided impatient", "read 1", "first waited for 1", "decided first",
			"decided cached", "source 2", "read 2", "third waited for 2", "decided third"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// TestAReadGoesOnWithoutAnObserversContext: one whose Reading panics, hangs or returns nothing.
func TestAReadGoesOnWithoutAnObserversContext(t *testing.T) {
	for name, reading := range map[string]func(forever <-chan struct{}) context.Context{
		"panics":          func(<-chan struct{}) context.Context { panic("observer") },
		"hangs":           func(forever <-chan struct{}) context.Context { <-forever; return nil },
		"returns nothing": func(<-chan struct{}) context.Context { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				forever := make(chan struct{})
				defer close(forever)
				bounded := false
				s := &readStub{&stub{set: features(metered("f", 0, 5))}, func(ctx context.Context) { _, bounded = ctx.Deadline() }}
				g := gateOf(t, s, WithObserver(Observer{Reading: func(context.Context) context.Context { return reading(forever) }}))
				if d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1)); !d.Allowed || !bounded {
					t.Errorf("%+v, bounded: %v", d, bounded)
				}
			})
		})
	}
}
