package emulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// What a [SocketFault] does, its Do.
const (
	// SocketRefuse answers the upgrade with an HTTP Status, 503 if it is 0.
	SocketRefuse = "refuse"
	// SocketNoAck never answers connection_init, and doesn't lose patience either.
	SocketNoAck = "noAck"
	// SocketNoPong answers no ping, neither the websocket's nor the protocol's.
	SocketNoPong = "noPong"
	// SocketHalfOpen sends nothing more at all, not even a close frame, and
	// swallows what comes.
	SocketHalfOpen = "halfOpen"
	// SocketClose closes with Code and Reason; 1006 cuts the connection without a
	// close frame. Of coming connections it is the answer to connection_init.
	SocketClose = "close"
	// SocketGarbage sends a frame that is no JSON.
	SocketGarbage = "garbage"
	// SocketUnknown sends a message of a type that the protocol doesn't have.
	SocketUnknown = "unknown"
	// SocketNoIDs sends a next without an id, and to every subscription an event
	// that names no customer and has nothing else in it.
	SocketNoIDs = "noIds"
	// SocketHuge sends a frame of Size bytes.
	SocketHuge = "huge"
	// SocketComplete ends every subscription with complete.
	SocketComplete = "complete"
	// SocketError ends every subscription with error.
	SocketError = "error"
)

// codeAbnormal stands for an end without a close frame.
const codeAbnormal = 1006

// hugeFrame is the size of a huge frame that has none given, maxHuge the largest.
const (
	hugeFrame = 100 << 20
	maxHuge   = 1 << 30
)

// SocketFault makes the real-time endpoint fail. Unless Coming is set it happens at
// once, and once, to every socket that is open; what has been queued for a socket
// before is sent before.
type SocketFault struct {
	// Do says what happens; see the constants.
	Do string `json:"do"`
	// Coming makes it happen to the connections to come instead: to complete and
	// error with every subscription that they ask for, to refuse, noAck, noPong,
	// halfOpen and close as they say or from the start, and to the others when they
	// have been acknowledged. refuse and noAck can't be of open sockets, so that
	// they need no Coming.
	Coming bool `json:"coming,omitempty"`
	// Count is how many coming connections it happens to; 0 is all, until
	// ClearFaults. Of the faults that are waiting the first one happens.
	Count int `json:"count,omitempty"`
	// Status is of refuse: 400 to 599, or 0 for 503.
	Status int `json:"status,omitempty"`
	// Code is of close, 1000 to 4999 but for what may not be sent (1004, 1005,
	// 1015), and Reason may go with it, up to 123 bytes.
	Code   int    `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Size is of huge, in bytes, up to 1 GiB; 0 is 100 MiB.
	Size int `json:"size,omitempty"`
}

// socketFaults are those that wait for connections.
type socketFaults struct {
	mu  sync.Mutex
	all []*socketFaultState
}

type socketFaultState struct {
	SocketFault
	fired int
}

// SocketFault lets a fault happen, or adds it to those that wait for coming
// connections. It fails if the fault can't be. [Emulator.ClearFaults] takes away
// what waits; sockets that have become deaf or silent stay so.
func (e *Emulator) SocketFault(f SocketFault) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("emulator: socket fault: %w", err)
	}
	if f.Coming || f.Do == SocketRefuse || f.Do == SocketNoAck {
		f.Coming = true
		e.socketFaults.mu.Lock()
		defer e.socketFaults.mu.Unlock()
		if len(e.socketFaults.all) >= maxFaults {
			return fmt.Errorf("emulator: socket fault: there are %d already", maxFaults)
		}
		e.socketFaults.all = append(e.socketFaults.all, &socketFaultState{SocketFault: f})
		return nil
	}
	e.sockets.mu.Lock()
	open := slices.Clone(e.sockets.open)
	e.sockets.mu.Unlock()
	for _, s := range open {
		s.suffer(f)
	}
	return nil
}

func (f SocketFault) check() error {
	all := []string{SocketRefuse, SocketNoAck, SocketNoPong, SocketHalfOpen, SocketClose, SocketGarbage,
		SocketUnknown, SocketNoIDs, SocketHuge, SocketComplete, SocketError}
	waits := f.Coming || f.Do == SocketRefuse || f.Do == SocketNoAck
	switch {
	case !slices.Contains(all, f.Do):
		return fmt.Errorf("do: %q is none of %s", f.Do, strings.Join(all, ", "))
	case f.Count < 0:
		return fmt.Errorf("count: %d is below 0", f.Count)
	case f.Count > 0 && !waits:
		return fmt.Errorf("count: it is of coming connections, and coming is not set")
	case f.Status != 0 && (f.Do != SocketRefuse || f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status: %d is no status to refuse an upgrade with, 400 to 599", f.Status)
	case f.Size != 0 && (f.Do != SocketHuge || f.Size < 100 || f.Size > maxHuge):
		return fmt.Errorf("size: %d is not of a huge frame, 100 to %d", f.Size, maxHuge)
	case f.Do != SocketClose && (f.Code != 0 || f.Reason != ""):
		return fmt.Errorf("code and reason are of close")
	case f.Do == SocketClose && !sendable(f.Code):
		return fmt.Errorf("code: %d is no code to close with", f.Code)
	case len(f.Reason) > 123:
		return fmt.Errorf("reason: %d bytes are more than the 123 that fit into a close frame", len(f.Reason))
	}
	return nil
}

// sendable: what RFC 6455 lets an endpoint send, and 1006.
func sendable(code int) bool {
	switch {
	case code == 1004, code == 1005:
		return false
	case code >= 1000 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// plan takes the fault that a new connection is to have.
func (fs *socketFaults) plan() socketPlan {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.all) == 0 {
		return socketPlan{}
	}
	f := fs.all[0]
	if f.fired++; f.fired == f.Count {
		fs.all = fs.all[1:]
	}
	out := socketPlan{fault: &f.SocketFault, noAck: f.Do == SocketNoAck}
	if f.Do == SocketRefuse {
		if out.refuse = f.Status; out.refuse == 0 {
			out.refuse = 503
		}
	}
	return out
}

func (fs *socketFaults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.all = nil
}

func (fs *socketFaults) list() []waitingFault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := []waitingFault{}
	for _, f := range fs.all {
		out = append(out, waitingFault{f.SocketFault, f.fired})
	}
	return out
}

// waitingFault is a socket fault in the operator's window.
type waitingFault struct {
	SocketFault
	Fired int `json:"fired"`
}

// socketPlan is what a connection is to suffer; the zero value is nothing.
type socketPlan struct {
	fault  *SocketFault
	refuse int
	noAck  bool
}

func (p socketPlan) is(what ...string) bool {
	return p.fault != nil && slices.Contains(what, p.fault.Do)
}

// open is the connection's first moment.
func (p socketPlan) open(s *socket) {
	if p.is(SocketNoPong, SocketHalfOpen) {
		s.suffer(*p.fault)
	}
}

// answer says whether connection_init has been answered with the fault.
func (p socketPlan) answer(s *socket) bool {
	if !p.is(SocketClose) {
		return false
	}
	s.suffer(*p.fault)
	return true
}

// begin is the moment after the acknowledgement.
func (p socketPlan) begin(s *socket) {
	if p.is(SocketGarbage, SocketUnknown, SocketNoIDs, SocketHuge) {
		s.suffer(*p.fault)
	}
}

// subscribed is the moment after every subscription.
func (p socketPlan) subscribed(s *socket) {
	if p.is(SocketComplete, SocketError) {
		s.suffer(*p.fault)
	}
}

// suffer lets a fault happen to the socket.
func (s *socket) suffer(f SocketFault) {
	switch f.Do {
	case SocketNoPong:
		s.deaf.Store(true)
	case SocketHalfOpen:
		s.silence()
	case SocketClose:
		s.bye(f.Code, f.Reason)
	case SocketGarbage:
		s.push(packet{data: []byte(garbage)})
	case SocketUnknown:
		s.push(packet{data: []byte(`{"type":"surprise","id":"1","payload":{}}`)})
	case SocketHuge:
		size := f.Size
		if size == 0 {
			size = hugeFrame
		}
		s.push(packet{huge: size})
	case SocketNoIDs:
		s.sendNoIDs()
	case SocketComplete:
		for _, sub := range s.endAll() {
			s.push(packet{data: message("complete", sub.id, nil)})
		}
	case SocketError:
		for _, sub := range s.endAll() {
			s.refuse(sub.id, s.e.failed(200, CodeUnexpected, "a fault that the emulator was told to have").errors)
		}
	}
}

// sendNoIDs sends events that nobody can place.
func (s *socket) sendNoIDs() {
	s.push(packet{data: message("next", "", json.RawMessage(`{"data":{}}`))})
	s.e.sockets.mu.Lock()
	defer s.e.sockets.mu.Unlock()
	for _, sub := range s.subs {
		empty, err := json.Marshal(map[string]any{"data": map[string]any{sub.op.fields[0].Alias: map[string]any{
			"customerId": nil, "resourceId": nil, "entitlements": []any{},
		}}})
		if err == nil {
			s.push(packet{data: nextFrame(sub.id, empty)})
		}
	}
}

// endAll gives the subscriptions that the socket had.
func (s *socket) endAll() []*subscriber {
	s.e.sockets.mu.Lock()
	defer s.e.sockets.mu.Unlock()
	ended := s.subs
	s.subs = nil
	return ended
}
