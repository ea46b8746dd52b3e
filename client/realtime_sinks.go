package client

import (
	"errors"
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

// changed tells the sinks of a mutation of a customer that ended with err, unless it was
// surely refused: what may have been done must be felt by the next check.
func (c *Client) changed(id string, err error) {
	var e *Error
	if errors.As(err, &e) && e.Permanent() {
		return
	}
	c.changes.note(id, c.now())
	c.sinks.each(func(sink gate.Sink) { sink.Invalidate(gate.Customer{ID: id}) })
}
