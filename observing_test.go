package gate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnObserverThatHangsOrPanicsStopsNobody: what observers say of reads and deliveries is called by
// those who read and deliver.
func TestAnObserverThatHangsOrPanicsStopsNobody(t *testing.T) {
	for name, does := range map[string]func(forever <-chan struct{}){
		"hangs":  func(forever <-chan struct{}) { <-forever },
		"panics": func(<-chan struct{}) { panic("observer") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				forever := make(chan struct{})
				s := &stub{set: features(metered("f", 0, 50))}
				var log bytes.Buffer
				g := gateOf(t, s, WithColdTimeout(5*time.Second), WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithObserver(Observer{
					Read:      func(context.Context, time.Duration, error) { does(forever) },
					Delivered: func([]Usage, time.Duration, error) { does(forever) },
				}))
				for i := range 20 {
					ticket, d := g.Admit(t.Context(), Customer{ID: string(rune('a' + i))}, Feature("f").Uses(1))
					if !d.Allowed {
						t.Fatalf("customer %d is refused: %+v", i, d)
					}
					if err := ticket.Settle(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				if st := g.Stats(); st.Acknowledged != 20 || st.Retries != 0 || st.LoadsFailed != 0 {
					t.Errorf("%+v", st)
				}
				hangs := slices.Contains(g.Health().Degraded, "a function of an observer does not return, and is not called meanwhile")
				if want := name == "hangs"; hangs != want {
					t.Errorf("Health: %v", g.Health())
				}
				close(forever)
				synctest.Wait()
				if h := g.Health(); len(h.Degraded) > 0 {
					t.Errorf("Health when it has returned: %v", h)
				}
				told := strings.Contains(log.String(), "level=ERROR msg=\"gate: an application's function does not return") &&
					strings.Contains(log.String(), "function returns again\" lasted=20s times=1 missed=19 callback=\"an observer's Read\"")
				if told != (name == "hangs") {
					t.Errorf("the log:\n%s", &log)
				}
			})
		})
	}
}

// hangingParts hang where they are told to, whatever their context says.
type hangingParts struct {
	*stub
	memOutbox
	read, report, watch, done, closes, forever chan struct{}
}

func (h *hangingParts) Entitlements(ctx context.Context, c Customer) (EntitlementSet, error) {
	<-h.read
	return h.stub.Entitlements(ctx, c)
}

func (h *hangingParts) Report(ctx context.Context, batch []Usage) ([]Ack, error) {
	<-h.report
	return h.stub.Report(ctx, batch)
}

func (h *hangingParts) Watch(context.Context, Sink) error { <-h.watch; return nil }

type hangingOutbox struct{ *hangingParts }

func (h hangingOutbox) Done(u ...Usage) error { <-h.done; return h.memOutbox.Done(u...) }
func (h hangingOutbox) Close() error          { <-h.closes; return nil }

// TestCloseReturnsWhateverHangs has each of what a gate calls hang for good.
func TestCloseReturnsWhateverHangs(t *testing.T) {
	for name, hang := range map[string]func(h *hangingParts){
		"nothing":            func(*hangingParts) {},
		"the source":         func(h *hangingParts) { h.read = h.forever },
		"the reporter":       func(h *hangingParts) { h.report = h.forever },
		"the watcher":        func(h *hangingParts) { h.watch = h.forever },
		"the outbox's Done":  func(h *hangingParts) { h.done = h.forever },
		"the outbox's Close": func(h *hangingParts) { h.closes = h.forever },
		"all of them": func(h *hangingParts) {
			h.report, h.watch, h.done, h.closes = h.forever, h.forever, h.forever, h.forever
		},
		"the observer":         func(*hangingParts) {},
		"the refused function": func(h *hangingParts) { h.stub.report = func([]Usage) ([]Ack, error) { return nil, errRefused } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := make(chan struct{})
				close(open)
				h := &hangingParts{stub: &stub{set: features(metered("f", 0, 50))}, read: open, report: open, watch: open, done: open, closes: open, forever: make(chan struct{})}
				hang(h)
				options := []Option{WithOutbox(hangingOutbox{h}), WithRefused(func(Usage, error) { <-h.forever })}
				if name == "the observer" {
					options = append(options, WithObserver(Observer{Reading: func(ctx context.Context) context.Context { <-h.forever; return ctx }, Read: func(context.Context, time.Duration, error) { <-h.forever }, Delivered: func([]Usage, time.Duration, error) { <-h.forever }}))
				}
				g, err := New(h, fromHeader("X-Customer-ID", ""), options...)
				if err != nil {
					t.Fatal(err)
				}
				if ticket, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1)); d.Allowed {
					if err := ticket.Settle(); err != nil {
						t.Error(err)
					}
				} else if name != "the source" {
					t.Errorf("%+v", d)
				}
				synctest.Wait()
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				began := time.Now()
				err = g.Close(ctx)
				if took := time.Since(began); took > time.Second+closeGrace {
					t.Errorf("Close took %v", took)
				}
				var left *UndeliveredError
				if errors.As(err, &left) && left.Queued > 0 {
					t.Errorf("%v, and there is an outbox", err)
				}
				close(h.forever)
				time.Sleep(time.Minute) // what hung ends
			})
		})
	}
}
