package emulator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault makes requests fail that would be answered. The zero value of a field
// leaves that part of the answer right; a fault that changes nothing is refused.
//
// Which requests: those of Operation that name CustomerID, FeatureID and
// IdempotencyKey, as far as these are given, together in one object of their
// arguments. A fault of one measurement's key thus breaks every batch that the
// measurement is in, and no other.
//
// What happens: without After the work is not done, so that the request may be
// sent again without counting twice. With After, or Drop "after", it is done
// first and only the answer breaks. A fault of Latency and headers alone breaks
// nothing: the request is answered right.
type Fault struct {
	// Operation is the root field of the request's operation, such as
	// reportUsageBulk, whatever its alias; or edge.entitlements-state,
	// edge.entitlements, edge.subscriptions, edge.paywall or edge.sdk-configuration.
	// Empty is every request, but for the operator's own below /_emulator/ and for
	// sockets, which have a SocketFault.
	Operation string
	// CustomerID, FeatureID and IdempotencyKey narrow it down to requests that
	// have an argument with these values.
	CustomerID, FeatureID, IdempotencyKey string
	// Count is how many requests the fault breaks; 0 is all, until ClearFaults.
	Count int

	// Latency is how long the request hangs, in real time: before the work, or
	// with After between the work and the answer. It ends early when the caller
	// leaves or the server closes, and then nothing more is done and nothing
	// answered; and with ClearFaults, and then the rest of the fault follows.
	Latency time.Duration
	// After says that the work is done before anything breaks.
	After bool
	// Drop closes the connection without an answer: "before" the work, or "after" it.
	Drop string
	// Status is the HTTP status that is answered, 200 to 599, with a GraphQL
	// error in the body.
	Status int
	// Code is the extensions.code of that error, such as RateLimitExceeded; with
	// no Status the answer has HTTP status 200. Empty is one that fits the Status.
	Code Code
	// IsValidationError sets extensions.isValidationError of that error; else it is what
	// Stigg says of the Code, false of codes that the emulator doesn't know.
	IsValidationError bool
	// Garbage answers a body that is no JSON.
	Garbage bool
	// Truncate ends the connection in the middle of the body.
	Truncate bool
	// RetryAfter is sent as the header Retry-After, in whole seconds, rounded up.
	RetryAfter time.Duration
	// Headers are sent with the answer, right or broken, for example
	// X-RateLimit-Remaining.
	Headers map[string]string
}

// ActiveFault is a fault that is still to happen.
type ActiveFault struct {
	Fault
	// Fired is how many requests it has broken.
	Fired int
}

// maxFaults bounds the faults of one emulator: each request looks at all of them.
const maxFaults = 1000

// Fault adds a fault. Of the faults that fit a request the one that was added
// first breaks it, the others wait. It fails if the fault can't be: values out of
// range, parts that exclude each other, or an operation that is none.
func (e *Emulator) Fault(f Fault) error {
	if err := e.checkFault(f); err != nil {
		return fmt.Errorf("emulator: fault: %w", err)
	}
	f.Headers = maps.Clone(f.Headers)
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	if len(e.faults.all) >= maxFaults {
		return fmt.Errorf("emulator: fault: there are %d already", maxFaults)
	}
	if e.faults.cleared == nil {
		e.faults.cleared = make(chan struct{})
	}
	e.faults.all = append(e.faults.all, &faultState{Fault: f, cleared: e.faults.cleared})
	return nil
}

// Faults gives the faults that are still to happen, in the order in which they
// were added.
func (e *Emulator) Faults() []ActiveFault {
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	out := make([]ActiveFault, len(e.faults.all))
	for i, f := range e.faults.all {
		out[i] = ActiveFault{Fault: f.Fault, Fired: f.fired}
	}
	return out
}

// ClearFaults takes all faults away, those that wait for sockets included, and ends
// the Latency of requests that hang.
func (e *Emulator) ClearFaults() {
	e.socketFaults.clear()
	e.faults.mu.Lock()
	defer e.faults.mu.Unlock()
	e.faults.all = nil
	if e.faults.cleared != nil {
		close(e.faults.cleared)
		e.faults.cleared = nil
	}
}

// faults are the faults of an emulator, with a mutex of their own: a request that
// hangs must not hold up the world.
type faults struct {
	mu      sync.Mutex
	all     []*faultState
	cleared chan struct{}
}

type faultState struct {
	Fault
	cleared <-chan struct{}
	fired   int
}

// take gives the first fault that fits the request and counts it, nil if none does.
func (fs *faults) take(p *prepared) *faultState {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	i := slices.IndexFunc(fs.all, func(f *faultState) bool { return f.fits(p) })
	if i < 0 {
		return nil
	}
	f := fs.all[i]
	if f.fired++; f.fired == f.Count {
		fs.all = slices.Delete(fs.all, i, i+1)
	}
	return f
}

// fits: the filters have to hold of one root field's arguments.
func (f *faultState) fits(p *prepared) bool {
	filtered := f.CustomerID != "" || f.FeatureID != "" || f.IdempotencyKey != ""
	if f.Operation == "" && !filtered {
		return true
	}
	return slices.ContainsFunc(p.fields, func(c *collected) bool {
		operation := c.Name
		if p.edge != "" {
			operation = p.edge
		}
		return (f.Operation == "" || f.Operation == operation) && (!filtered || c.args != nil && f.named(c.args))
	})
}

// named finds an object in an argument that has all that the fault names.
func (f *faultState) named(argument any) bool {
	switch v := argument.(type) {
	case input:
		if (f.CustomerID == "" || v.peek("customerId") == f.CustomerID) &&
			(f.FeatureID == "" || v.peek("featureId") == f.FeatureID) &&
			(f.IdempotencyKey == "" || v.peek("idempotencyKey") == f.IdempotencyKey) {
			return true
		}
		for _, inner := range v.values {
			if f.named(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, f.named)
	}
	return false
}

// Words of Fault.Drop.
const (
	dropBefore = "before"
	dropAfter  = "after"
)

// checkFault names the field at fault as the operator's window spells it.
func (e *Emulator) checkFault(f Fault) error {
	switch {
	case !e.isOperation(f.Operation):
		return fmt.Errorf("operation: the schema has no root field %q", f.Operation)
	case f.Count < 0:
		return fmt.Errorf("count: %d is below 0", f.Count)
	case f.Latency < 0:
		return fmt.Errorf("latency: %v is below 0", f.Latency)
	case f.RetryAfter < 0:
		return fmt.Errorf("retryAfter: %v is below 0", f.RetryAfter)
	case f.Drop != "" && f.Drop != dropBefore && f.Drop != dropAfter:
		return fmt.Errorf("drop: %q is neither %q nor %q", f.Drop, dropBefore, dropAfter)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: %d is no status that an answer can end with, 200 to 599", f.Status)
	}
	for name := range f.Headers {
		if !validHeader(name) {
			return fmt.Errorf("headers: %q is no name of a header", name)
		}
	}
	return f.checkParts()
}

func (f Fault) checkParts() error {
	answered := f.Status != 0 || f.Code != "" || f.RetryAfter > 0 || len(f.Headers) > 0
	switch {
	case f.Drop != "" && (answered || f.Garbage || f.Truncate):
		return errors.New("drop: a connection that is closed can't carry an answer as well")
	case f.Drop == dropBefore && f.After:
		return fmt.Errorf("drop: %q contradicts after", dropBefore)
	case f.Garbage && f.Truncate:
		return errors.New("garbage and truncate exclude each other")
	case f.Code != "" && (f.Garbage || f.Truncate):
		return errors.New("code: a body that can't be read has no code")
	case f.IsValidationError && f.Code == "" && f.Status == 0:
		return errors.New("isValidationError: only an error with a code or a status has it")
	case f.Drop == "" && !answered && !f.Garbage && !f.Truncate && f.Latency == 0:
		return errors.New("it does nothing: give it a latency, status, drop, code, garbage, truncate, retryAfter or headers")
	}
	return nil
}

func (e *Emulator) isOperation(name string) bool {
	switch name {
	case "", edgeState, edgeEntitlements, edgeSubscriptions, edgePaywall, edgeConfiguration:
		return true
	}
	return e.schema.Query.Fields.ForName(name) != nil || e.schema.Mutation.Fields.ForName(name) != nil
}

// validHeader: letters, digits and dashes, and none that would break the framing
// of the answer.
func validHeader(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	switch http.CanonicalHeaderKey(name) {
	case "", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade":
		return false
	}
	return true
}
