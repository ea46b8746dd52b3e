package client

import (
	"errors"
	"runtime/debug"
	"sync"

	"github.com/stiggate/gate"
)

// sinks are those that are being watched for.
type sinks struct {
	mu   sync.Mutex
	list map[*gate.Sink]struct{}
}

// add adds a sink and returns what takes it out again.
func (s *sinks) add(sink gate.Sink) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = make(map[*gate.Sink]struct{}, 1)
	}
	s.list[&sink] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.list, &sink)
	}
}

// each calls f for every sink, outside of the lock.
func (s *sinks) each(f func(gate.Sink)) {
	s.mu.Lock()
	all := make([]gate.Sink, 0, len(s.list))
	for sink := range s.list {
		all = append(all, *sink)
	}
	s.mu.Unlock()
	for _, sink := range all {
		f(sink)
	}
}

// guarded calls a callback of the app's and reports whether it returned: one that panics must
// not take the process with it.
func (c *Client) guarded(what string, f func()) (returned bool) {
	defer func() {
		if !returned {
			_ = recover()
			c.logger.Error("client: a callback panicked", "callback", what, "stack", string(debug.Stack()))
		}
	}()
	f()
	return true
}

// changed tells the sinks of a mutation that ended with err and concerned who, unless it was
// surely refused: what may have been done must be felt by the next check. A customer without a
// resource stands for all of its resources.
func (c *Client) changed(who gate.Customer, err error) {
	var e *Error
	if errors.As(err, &e) && (e.Permanent() || e.unsent) {
		return
	}
	c.changes.note(who.ID, c.now())
	c.sinks.each(func(sink gate.Sink) {
		c.guarded("sink", func() { sink.Invalidate(who) })
	})
}
