package main

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/fleet"
)

// status is what a replica tells of itself, ten times a second.
type status struct {
	Addr     string
	InHand   float64 // units that no request uses, by its last call
	Waiting  int     // usages that Stigg has not acknowledged
	Fleet    fleet.Stats
	Degraded []string
	Store    sums
}

// sums are the store's, as a call was answered.
type sums struct {
	At       time.Time // zero: no call was
	Customer string
	Counted  float64 // by Stigg, at the least
	Out      float64 // what all replicas have
	Spare    float64 // of Out, what nobody uses
	Replicas int     // how many have some
	Code     fleet.Code
}

func tellStatus(ctx context.Context, to io.Writer, addr string, g *gate.Gate, w *watched) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	out := json.NewEncoder(to)
	for ctx.Err() == nil {
		s := g.Stats()
		told := status{Addr: addr, Waiting: s.Queued, Fleet: s.Fleet, Degraded: g.Health().Degraded}
		told.InHand, told.Store = w.look(time.Now())
		if out.Encode(told) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// watched is a store whose calls are looked at, for the page.
type watched struct {
	fleet.Fleet

	mu     sync.Mutex
	inHand map[fleet.Account]lease
	last   sums
}

// lease is what a replica has in hand, and until when.
type lease struct {
	units float64
	until time.Time
}

// Sync is fleet.Fleet's.
func (w *watched) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	began := time.Now()
	grants, err := w.Fleet.Sync(ctx, states)
	if err != nil {
		return grants, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, g := range grants {
		s := states[i]
		if g.Err != nil || g.Code == fleet.Stale || g.Code == fleet.Early || g.Code == fleet.Over {
			continue // it was not taken
		}
		w.inHand[s.Account] = lease{s.Spare + max(0, g.Units-s.Need), began.Add(g.Valid)}
		w.last = sums{At: time.Now(), Customer: s.Account.Customer, Counted: g.Base + g.Plus, Out: g.Out, Spare: g.Spare, Replicas: g.Replicas, Code: g.Code}
	}
	return grants, err
}

// look is what is in hand, and what the store said last.
func (w *watched) look(now time.Time) (inHand float64, last sums) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, l := range w.inHand {
		if now.After(l.until) {
			delete(w.inHand, a)
			continue
		}
		inHand += l.units
	}
	return inHand, w.last
}
