package gate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/outbox"
)

// line is one replica's way to a store that others share. It can be cut off, as by the death of the
// process, and remembers whose heir was named, and how much was counted at the least whenever one was.
type line struct {
	fleet.Fleet
	mu    sync.Mutex
	cut   bool
	heirs map[string]bool
	least float64 // that was settled when one was
}

func (l *line) Close() error { return nil }

func (l *line) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		grants := make([]fleet.Grant, len(states))
		for i := range grants {
			grants[i].Err = errStoreGone
		}
		return grants, nil
	}
	for _, s := range states {
		if s.Heir != "" {
			l.heirs[s.Heir] = true
			l.least = min(l.least, s.Settled)
		}
	}
	return l.Fleet.Sync(ctx, states)
}

// heirWorld is replicas of an app that let acme use 100 units, one of which has an outbox, and dies.
type heirWorld struct {
	*testing.T
	dir   string
	store fleet.Fleet
	stigg *gatetest.Stigg
	other *gate.Gate
}

// start starts a replica with the outbox, of which a few usages find room in memory.
func (w *heirWorld) start(options ...gate.Option) (*gate.Gate, *line) {
	w.Helper()
	box, err := outbox.Open(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	l := &line{Fleet: w.store, heirs: make(map[string]bool), least: 1000}
	options = append(options, gate.WithOutbox(box), gate.WithQueueSize(4))
	return w.stigg.Gate(byHeader, append(options, gate.WithFleet(l))...), l
}

// die ends a replica of which the store hears no more.
func (w *heirWorld) die(g *gate.Gate, l *line) {
	w.Helper()
	l.mu.Lock()
	l.cut = true
	l.mu.Unlock()
	w.close(g)
}

// close ends a replica, which does not wait for Stigg.
func (w *heirWorld) close(g *gate.Gate) {
	w.Helper()
	ended, cancel := context.WithCancel(w.Context())
	cancel()
	if err := g.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
		w.Error(err)
	}
}

// use uses units one by one, and returns how many there were.
func (w *heirWorld) use(g *gate.Gate, most int) (used int) {
	w.Helper()
	for ; used < most; used++ {
		ticket, d := g.Admit(w.Context(), acme, gate.Feature("units").Uses(1))
		if !d.Allowed {
			break
		}
		if err := ticket.Settle(); err != nil {
			w.Fatal(err)
		}
	}
	return used
}

// TestWhatADeadReplicaLeftCountsOnce: it used 40 of 100, which are in its outbox. So 60 are left, at once
// at the most, and exactly once its heir has been told to the store: not an hour later.
func TestWhatADeadReplicaLeftCountsOnce(t *testing.T) {
	for name, test := range map[string]func(w *heirWorld, g *gate.Gate, l *line){
		"its heir delivers it": func(w *heirWorld, g *gate.Gate, l *line) {
			w.die(g, l)
			w.stigg.Up()
			_, l = w.start()
			w.wantHeirs(l, 1)
		},
		"its heir has it for a while": func(w *heirWorld, g *gate.Gate, l *line) {
			w.die(g, l)
			_, l = w.start()
			w.wantHeirs(l, 1)
			if l.least != 40 {
				w.Errorf("it was named when %v of 40 were entered", l.least)
			}
			w.stigg.Up()
		},
		"its heir dies before it has said so, and so does that one's": func(w *heirWorld, g *gate.Gate, l *line) {
			w.die(g, l)
			for range 2 {
				g, l = w.start()
				time.Sleep(5 * time.Second)
				w.die(g, l)
			}
			w.stigg.Up()
			_, l = w.start()
			w.wantHeirs(l, 3)
		},
		"its heir comes late": func(w *heirWorld, g *gate.Gate, l *line) {
			w.die(g, l)
			time.Sleep(10 * time.Minute)
			w.stigg.Up()
			_, l = w.start()
			w.wantHeirs(l, 1)
		},
		"it closed": func(w *heirWorld, g *gate.Gate, _ *line) {
			w.close(g)
			w.stigg.Up()
			_, l := w.start()
			w.wantHeirs(l, 1)
		},
		"another process delivers it": func(w *heirWorld, g *gate.Gate, l *line) {
			w.die(g, l)
			w.stigg.Up()
			box, err := outbox.Open(w.dir)
			if err != nil {
				w.Fatal(err)
			}
			alone := w.stigg.Gate(byHeader, gate.WithOutbox(box))
			time.Sleep(10 * time.Second)
			if err := alone.Close(w.Context()); err != nil {
				w.Error(err)
			}
			g, l = w.start() // it finds nothing, and hears of the account by a request
			ticket, _ := admit(w.T, g, gate.Feature("units").Uses(1), true)
			ticket.Release()
			w.wantHeirs(l, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &heirWorld{T: t, dir: t.TempDir(), store: newSharedStore(t), stigg: gatetest.New(t).Plan("free", gatetest.Metered("units", 100))}
				w.other = w.stigg.Gate(byHeader, gate.WithFleet(&line{Fleet: w.store}), gate.WithTTL(time.Hour))
				g, l := w.start()
				for _, g := range []*gate.Gate{g, w.other} {
					ticket, _ := admit(t, g, gate.Feature("units").Uses(1), true)
					ticket.Release()
				}
				w.stigg.Down()
				if n := w.use(g, 40); n != 40 {
					t.Fatalf("%d of 100 were let in", n)
				}
				time.Sleep(5 * time.Second) // it has told so
				test(w, g, l)
				time.Sleep(10 * time.Second)
				w.stigg.Reported(t, "acme", "units", 40)
				if n := w.use(w.other, 200); n != 60 {
					t.Errorf("60 are left, and another replica lets in %d", n)
				}
			})
		})
	}
}

// wantHeirs asserts that a replica names so many whose heir it is, within a minute.
func (w *heirWorld) wantHeirs(l *line, n int) {
	w.Helper()
	time.Sleep(time.Minute)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heirs) != n {
		w.Errorf("it names %d, want %d", len(l.heirs), n)
	}
}
