package emulator

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// heardFrame is a message of a client.
type heardFrame struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Payload json.RawMessage `json:"payload"`
}

// hear does what a message asks for. Messages are taken one after the other, so
// that a pong tells that everything before its ping has been done.
func (s *socket) hear(kind websocket.MessageType, raw []byte) {
	var m heardFrame
	if kind != websocket.MessageText || json.Unmarshal(raw, &m) != nil {
		s.bye(codeInvalidMessage, "Invalid message received")
		return
	}
	switch m.Type {
	case "connection_init":
		s.greet(m)
	case "ping":
		if !s.deaf.Load() {
			s.push(packet{data: message("pong", "", m.Payload)})
		}
	case "pong":
	case "subscribe":
		s.subscribe(m)
	case "complete":
		s.forget(m.ID)
	default:
		s.bye(codeInvalidMessage, "Invalid message received")
	}
}

// greet answers connection_init. The key is that of the payload; a key in the
// headers of the upgrade counts for nothing.
func (s *socket) greet(m heardFrame) {
	if s.greeted {
		s.bye(codeTooManyInits, "Too many initialisation requests")
		return
	}
	s.greeted = true
	if s.plan.noAck {
		return
	}
	if s.plan.answer(s) {
		return
	}
	var payload struct {
		Headers map[string]any `json:"headers"`
	}
	if len(m.Payload) > 0 && json.Unmarshal(m.Payload, &payload) != nil {
		s.bye(codeInvalidMessage, "Invalid message received")
		return
	}
	key := ""
	for name, value := range payload.Headers {
		if given, is := value.(string); is && strings.EqualFold(name, "X-API-KEY") {
			key = given
		}
	}
	if !s.e.isKey(key) {
		// The official clients try for ever after any other reason.
		s.bye(codeRefusedKey, "Invalid API key")
		return
	}
	s.e.sockets.mu.Lock()
	s.acked = true
	s.e.sockets.mu.Unlock()
	s.push(packet{data: message("connection_ack", "", nil)})
	s.plan.begin(s)
}

// subscribe starts a subscription, or answers a query or a mutation.
func (s *socket) subscribe(m heardFrame) {
	var req graphRequest
	switch {
	case m.ID == "" || json.Unmarshal(m.Payload, &req) != nil:
		s.bye(codeInvalidMessage, "Invalid message received")
		return
	case !s.ready():
		s.bye(codeRefusedKey, "Unauthorized")
		return
	case s.has(m.ID):
		s.bye(codeSubscriberExists, "Subscriber for "+m.ID+" already exists")
		return
	}
	p, refusal := s.e.prepare(req)
	switch {
	case refusal != nil:
		s.refuse(m.ID, refusal.errors)
	case p.root != s.e.schema.Subscription:
		s.push(packet{data: nextFrame(m.ID, marshalReply(s.e.perform(p)))})
		s.push(packet{data: message("complete", m.ID, nil)})
	case len(p.fields) != 1 || p.fields[0].Name == "__typename":
		s.refuse(m.ID, s.e.badRequest(codeBadRequest, "a subscription listens to one field of Subscription").errors)
	case !s.listen(&subscriber{id: m.ID, field: p.fields[0].Name, op: p}):
		s.refuse(m.ID, s.e.badRequest(codeBadRequest, "a connection has at most %d subscriptions", maxSubscribed).errors)
	default:
		s.plan.subscribed(s)
	}
}

func (s *socket) refuse(id string, errs []graphError) {
	payload, err := json.Marshal(errs)
	if err != nil {
		payload = []byte(`[]`)
	}
	s.push(packet{data: message("error", id, payload)})
}

func (s *socket) ready() bool {
	s.e.sockets.mu.Lock()
	defer s.e.sockets.mu.Unlock()
	return s.acked
}

func (s *socket) has(id string) bool {
	s.e.sockets.mu.Lock()
	defer s.e.sockets.mu.Unlock()
	return slices.ContainsFunc(s.subs, func(sub *subscriber) bool { return sub.id == id })
}

// listen counts the subscription as a request and starts it. The world stands
// still meanwhile: what changes later is told.
func (s *socket) listen(sub *subscriber) bool {
	s.e.mu.Lock()
	defer s.e.unlock()
	s.e.sockets.mu.Lock()
	defer s.e.sockets.mu.Unlock()
	if len(s.subs) >= maxSubscribed {
		return false
	}
	s.e.requests[sub.field]++
	s.subs = append(s.subs, sub)
	return true
}

func (s *socket) forget(id string) {
	s.e.sockets.mu.Lock()
	defer s.e.sockets.mu.Unlock()
	s.subs = slices.DeleteFunc(s.subs, func(sub *subscriber) bool { return sub.id == id })
}

// marshalReply writes an answer as the payload of a next.
func marshalReply(r reply) json.RawMessage {
	body, err := json.Marshal(answerBody{r.errors, r.data})
	if err != nil {
		return json.RawMessage(`{"errors":[{"message":"the answer could not be written"}]}`)
	}
	return body
}

// overPost refuses what can't be answered to a POST.
func (e *Emulator) overPost(p *prepared, refusal *reply) (*prepared, *reply) {
	if refusal != nil || p.root != e.schema.Subscription || p.root == nil {
		return p, refusal
	}
	out := e.badRequest(codeBadRequest, "a subscription can't be answered to a POST: open a websocket of the subprotocol %s", subprotocol)
	return &prepared{}, &out
}
