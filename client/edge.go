package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

const (
	// defaultEdge is Stigg's edge (docs, "Edge API").
	defaultEdge = "https://edge.api.stigg.io"
	// edgeTimeout bounds a read of the edge; what is left of the caller's time is for
	// the API. Of a short timeout the edge gets half.
	edgeTimeout = 2 * time.Second
)

// WithEdge reads entitlements through Stigg's edge, which is near and has a limit of its
// own, and through the API only where the edge fails. endpoint is the edge's base URL;
// empty is Stigg's. A customer of whom anything is changed or reported through this Client,
// or told by its Watch, is read from the API for the next minute: the edge may not know
// it yet. So is one of whom the gate knows that there is more to know (gate.NoCache).
func WithEdge(endpoint string) Option {
	return func(c *Client) error {
		if endpoint == "" {
			endpoint = defaultEdge
		}
		u, err := baseURL("edge's endpoint", endpoint)
		if err == nil {
			c.edge = strings.TrimSuffix(u.String(), "/")
		}
		return err
	}
}

// readEdge reads a customer's set from the edge. It is false if that brought nothing:
// then the API decides, also where the edge says that there is no such customer.
func (c *Client) readEdge(ctx context.Context, who gate.Customer) (*gql.GetEntitlementsState_EntitlementsState, bool) {
	if c.now().UnixNano() < c.edgeRests.Load() {
		return nil, false
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, min(edgeTimeout, c.timeout/2))
	defer cancel()
	target := c.edge + "/v1/c/" + url.PathEscape(who.ID) + "/entitlements-state.json"
	if who.Resource != "" {
		target += "?resourceId=" + url.QueryEscape(who.Resource)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, false
	}
	c.setHeaders(req, opEntitlementsState, nil)
	req.Header.Del("Content-Type")
	req.Header.Set("X-API-VERSION", "1")
	a, key, done, failed := c.exchange(outer, ctx, req, opEntitlementsState)
	defer done()
	if failed != nil {
		c.edgeFailed(outer)
		return nil, false
	}
	var res gql.GetEntitlementsStateResponse
	if failed = a.decode(&res, key.within, c.now()); failed != nil {
		if failed.Is(ErrRateLimited) || failed.Is(ErrUnavailable) {
			c.edgeFailed(outer)
		}
		return nil, false
	}
	state := &res.EntitlementsState
	return state, (state.EntitlementsV2 != nil || state.AccessDeniedReason != nil) && len(state.EntitlementsV2) <= maxMembers
}

// edgeRest is how long an edge that hangs, limits or fails is not asked.
const edgeRest = 10 * time.Second

// edgeFailed lets the edge rest, unless it was the caller who left.
func (c *Client) edgeFailed(ctx context.Context) {
	if ctx.Err() == nil {
		c.edgeRests.Store(c.now().Add(edgeRest).UnixNano())
	}
}

// edgeDelay is how long the edge may take to know of a change. So long what was changed is not
// read from it, and so old its answers may be.
const edgeDelay = time.Minute

// changes remembers which customers were changed of late.
type changes struct {
	mu    sync.Mutex
	at    map[string]time.Time
	sweep int       // at how many those of long ago are forgotten
	all   time.Time // when all customers may have been changed
}

// note remembers a customer, and forgets those of long ago from time to time.
func (c *changes) note(id string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = make(map[string]time.Time)
	}
	if len(c.at) >= max(c.sweep, 1000) {
		for id, at := range c.at {
			if now.Sub(at) >= edgeDelay {
				delete(c.at, id)
			}
		}
		c.sweep = 2 * len(c.at)
	}
	c.at[id] = now
}

// edgeSink notes what must not be read from the edge for a while.
type edgeSink struct {
	gate.Sink
	client *Client
	lost   atomic.Bool
}

func (s *edgeSink) Invalidate(c gate.Customer) {
	s.client.changes.note(c.ID, s.client.now())
	s.Sink.Invalidate(c)
}

func (s *edgeSink) Replace(c gate.Customer, set gate.EntitlementSet) {
	s.client.changes.note(c.ID, s.client.now())
	s.Sink.Replace(c, set)
}

func (s *edgeSink) Patch(c gate.Customer, p gate.Patch) {
	s.client.changes.note(c.ID, s.client.now())
	s.Sink.Patch(c, p)
}

func (s *edgeSink) InvalidateAll() {
	s.client.changes.noteAll(s.client.now())
	s.Sink.InvalidateAll()
}

// SetLive notes everything when news arrive again: nobody tells what was missed.
func (s *edgeSink) SetLive(live bool) {
	if !live {
		s.lost.Store(true)
	} else if s.lost.Swap(false) {
		s.client.changes.noteAll(s.client.now())
	}
	s.Sink.SetLive(live)
}

// Interrupted is passed on to a sink that takes it.
func (s *edgeSink) Interrupted(err error) {
	if to, ok := s.Sink.(gate.InterruptionSink); ok {
		to.Interrupted(err)
	}
}

// used notes usage of a customer: a count of the edge's from before would lower ours.
func (c *Client) used(who gate.Customer) {
	if c.edge != "" {
		c.changes.note(who.ID, c.now())
	}
}

func (c *changes) noteAll(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = now
}

// late reports whether the edge may not know yet what was changed of a customer.
func (c *changes) late(id string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.at[id]
	return ok && now.Sub(at) < edgeDelay || !c.all.IsZero() && now.Sub(c.all) < edgeDelay
}
