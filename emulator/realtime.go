package emulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// sockets are the open connections of an emulator. Its mutex is taken after the
// world's, never before.
type sockets struct {
	mu     sync.Mutex
	open   []*socket
	serial int
	closed bool
	ended  sync.WaitGroup
}

// enter counts a connection that is coming, unless the emulator has been closed.
func (h *sockets) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.ended.Add(1)
	return true
}

// join takes in a socket that is open; false if the emulator was closed meanwhile.
func (h *sockets) join(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serial++
	s.id = h.serial
	h.open = append(h.open, s)
	return !h.closed
}

func (h *sockets) leave(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = slices.DeleteFunc(h.open, func(o *socket) bool { return o == s })
	h.ended.Done()
}

// close ends all sockets with the code 1001 and waits until nothing of them runs.
func (h *sockets) close() {
	h.mu.Lock()
	h.closed = true
	open := slices.Clone(h.open)
	h.mu.Unlock()
	for _, s := range open {
		s.bye(codeGoingAway, "the server is closing")
	}
	hurry := time.AfterFunc(time.Second, func() {
		for _, s := range open {
			s.kill()
		}
	})
	defer hurry.Stop()
	h.ended.Wait()
}

// heeded says whether anybody listens to anything.
func (h *sockets) heeded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.listening()
}

// listening is heeded for who holds the mutex.
func (h *sockets) listening() bool {
	return slices.ContainsFunc(h.open, func(s *socket) bool { return len(s.subs) > 0 })
}

// spread tells the subscribers of every socket what happened. It waits for none
// of them.
func (h *sockets) spread(v view, all []news) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.listening() {
		return
	}
	for _, n := range all {
		events := v.eventsOf(n)
		rendered := map[renderKey]json.RawMessage{}
		for _, s := range h.open {
			for _, sub := range s.subs {
				if event, ok := events[sub.field]; ok {
					s.push(packet{data: nextFrame(sub.id, sub.render(v, event, rendered))})
				}
			}
		}
	}
}

// subscriber is a subscription of a socket.
type subscriber struct {
	id    string
	field string
	op    *prepared
}

// renderKey tells subscriptions apart that see an event differently.
type renderKey struct {
	doc  *ast.QueryDocument
	name string
}

// render writes an event as the subscription selects it. Subscriptions of one
// document without variables share it.
func (sub *subscriber) render(v view, event obj, done map[renderKey]json.RawMessage) json.RawMessage {
	key := renderKey{sub.op.x.doc, sub.op.name}
	if body := done[key]; body != nil && len(sub.op.x.vars) == 0 {
		return body
	}
	x := *sub.op.x
	x.now, x.fields, x.event = v.now, 0, event
	body := marshalReply(x.run(sub.op.root, sub.op.fields, false))
	done[key] = body
	return body
}

func nextFrame(id string, body json.RawMessage) []byte { return message("next", id, body) }

// message writes a message of the protocol.
func message(kind, id string, payload json.RawMessage) []byte {
	out, err := json.Marshal(struct {
		ID      string          `json:"id,omitempty"`
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload,omitempty"`
	}{id, kind, payload})
	if err != nil {
		return []byte(fmt.Sprintf(`{"type":%q}`, kind))
	}
	return out
}

// Socket is an open connection to the real-time endpoint.
type Socket struct {
	// ID counts the connections from 1 in the order in which they were opened.
	ID int `json:"id"`
	// Acknowledged says that connection_init was answered.
	Acknowledged bool `json:"acknowledged"`
	// Subscriptions are the fields of Subscription that it listens to, in the
	// order in which it subscribed; one that it subscribed to twice is there twice.
	Subscriptions []string `json:"subscriptions"`
}

// Sockets gives the connections that are open, the oldest first.
func (e *Emulator) Sockets() []Socket {
	e.sockets.mu.Lock()
	defer e.sockets.mu.Unlock()
	out := []Socket{}
	for _, s := range e.sockets.open {
		shown := Socket{ID: s.id, Acknowledged: s.acked, Subscriptions: []string{}}
		for _, sub := range s.subs {
			shown.Subscriptions = append(shown.Subscriptions, sub.field)
		}
		out = append(out, shown)
	}
	return out
}
