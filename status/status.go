// Package status shows an operator what a gate counts and what it goes without: as a page for a
// browser, as JSON for everybody else.
package status

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/header"
)

// Handler serves what g tells of itself: Ready, Health and Stats, the queue of usage among them.
// The answer is JSON, or a page that renews itself every 5 seconds if the request's Accept
// prefers HTML. It asks nothing of Stigg, and its status is 200 whatever it tells: for a probe use
// [gate.Gate.Ready].
//
// Nothing of a customer's is in it. It tells how much a company sells and what is broken, so keep
// it where operators alone can reach it: behind their login, or on a port that only the inside
// can reach. It takes GET and HEAD at any path. It panics if g is nil.
func Handler(g *gate.Gate) http.Handler {
	if g == nil {
		panic("status: the gate is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Vary", "Accept")
		seen := look(r, g)
		if header.PrefersHTML(r.Header) {
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Content-Security-Policy", policy)
			h.Set("Referrer-Policy", "no-referrer")
			_ = page.Execute(w, seen) // the client has left
			return
		}
		h.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(seen)
	})
}

// look takes a gate's figures at this moment.
func look(r *http.Request, g *gate.Gate) status {
	s := g.Stats()
	seen := status{
		At: time.Now().UTC(), Ready: true, Degraded: append([]string{}, g.Health().Degraded...), //nolint:forbidigo // it says when the page was made
		Decisions: decisions{
			Fresh: counts(s.Fresh), Stale: counts(s.Stale), Fallback: counts(s.Fallback), Offline: counts(s.Offline), Early: counts(s.Early),
			Shadowed: s.Shadowed, Waited: s.Waited, TooSlow: s.TooSlow, OverBudget: s.OverBudget,
		},
		Reads: reads{
			Begun: s.Loads, Failed: s.LoadsFailed, UnderWay: s.Loading, Waiting: s.Waiting, Refreshing: s.Refreshing,
			Customers: s.Customers, Books: s.Books, StoppedUntil: moment(s.BrokenUntil), Live: s.Live,
		},
		Usage: usage{
			Queued: s.Queued, QueuedBytes: s.QueuedBytes, Oldest: moment(s.Oldest), Open: s.Open,
			Acknowledged: s.Acknowledged, Refused: s.Refused, Retries: s.Retries, Unkept: s.Unkept,
		},
		Outbox: outbox{
			Pending: s.Outbox.Pending, SetAside: s.Outbox.SetAside, Bytes: s.Outbox.Bytes, MaxBytes: s.Outbox.MaxBytes, SyncSeconds: s.Outbox.Sync.Seconds(),
		},
	}
	if f := s.Fleet; f.Calls > 0 {
		seen.Fleet = &replicas{Calls: f.Calls, Granted: f.Granted, Refused: f.Refused, Failed: f.Failed, Recalled: f.Recalled, Lost: f.Lost, Dropped: f.Dropped, Down: f.Down}
	}
	if err := s.Outbox.Err; err != nil {
		seen.Outbox.Error = err.Error()
	}
	if err := g.Ready(r.Context()); err != nil {
		seen.Ready, seen.NotReady = false, err.Error()
	}
	return seen
}

// moment is t, or nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// status is the answer. What the figures mean is said at gate.Stats.
type status struct {
	At        time.Time `json:"at"`
	Ready     bool      `json:"ready"`
	NotReady  string    `json:"notReady,omitempty"` // why
	Degraded  []string  `json:"degraded"`
	Decisions decisions `json:"decisions"`
	Reads     reads     `json:"reads"`
	Usage     usage     `json:"usage"`
	Outbox    outbox    `json:"outbox"` // maxBytes is 0 without one
	// Fleet is there once its store was asked.
	Fleet *replicas `json:"fleet,omitempty"`
}

type decisions struct {
	Fresh      counts `json:"fresh"`
	Stale      counts `json:"stale"`
	Fallback   counts `json:"fallback"`
	Offline    counts `json:"offline"`
	Early      counts `json:"early"`
	Shadowed   uint64 `json:"shadowed"`
	Waited     uint64 `json:"waited"`
	TooSlow    uint64 `json:"tooSlow"`
	OverBudget uint64 `json:"overBudget"`
}

type counts struct {
	Allowed     uint64 `json:"allowed"`
	Denied      uint64 `json:"denied"`
	Unavailable uint64 `json:"unavailable"`
}

type reads struct {
	Begun        uint64     `json:"begun"`
	Failed       uint64     `json:"failed"`
	UnderWay     int        `json:"underWay"`
	Waiting      int        `json:"waiting"`
	Refreshing   int        `json:"refreshing"`
	Customers    int        `json:"customers"`
	Books        int        `json:"books"`
	StoppedUntil *time.Time `json:"stoppedUntil,omitempty"`
	Live         bool       `json:"live"`
}

type usage struct {
	Queued       int        `json:"queued"`
	QueuedBytes  int        `json:"queuedBytes"`
	Oldest       *time.Time `json:"oldest,omitempty"`
	Open         int        `json:"open"`
	Acknowledged uint64     `json:"acknowledged"`
	Refused      uint64     `json:"refused"`
	Retries      uint64     `json:"retries"`
	Unkept       uint64     `json:"unkept"`
}

// replicas is this replica's part of a fleet, as fleet.Stats says.
type replicas struct {
	Calls    uint64 `json:"calls"`
	Granted  uint64 `json:"granted"`
	Refused  uint64 `json:"refused"`
	Failed   uint64 `json:"failed"`
	Recalled uint64 `json:"recalled"`
	Lost     uint64 `json:"lost"`
	Dropped  uint64 `json:"dropped"`
	Down     bool   `json:"down"`
}

type outbox struct {
	Pending     int     `json:"pending"`
	SetAside    int     `json:"setAside"`
	Bytes       int64   `json:"bytes"`
	MaxBytes    int64   `json:"maxBytes"`
	SyncSeconds float64 `json:"syncSeconds"`
	Error       string  `json:"error,omitempty"`
}
