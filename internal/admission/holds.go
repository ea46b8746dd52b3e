package admission

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strconv"
	"sync"

	"github.com/stiggate/gate/internal/handler"
	"github.com/stiggate/gate/internal/ledger"
)

// What Holds refuse; package gate documents the errors.
var (
	ErrSettled      = errors.New("gate: the ticket is settled already")
	ErrNoEvent      = errors.New("gate: the policy reports no event; Policy.ReportAs does")
	ErrAmbiguousUse = errors.New("gate: the policy uses several features; Use can't tell which is meant")
)

// Holds is what one request holds. While it is admitted it belongs to one goroutine; then its
// methods may be called from any, and End once ends it: each hold is settled or released once.
type Holds struct {
	mu    sync.Mutex
	done  bool
	list  []Hold
	first [1]Hold // where list begins, for the usual single one
}

// Hold is what is held of one right.
type Hold struct {
	ledger.Hold
	Right *Right
	Use   float64 // what will be reported; negative gives back

	asked      float64 // what was asked for
	set        bool    // Use was set by the handler
	frees      bool
	measure    func(handler.Outcome) (float64, error)
	event      *Event
	dimensions map[string]any
}

// Begin makes the Holds ready for an admission.
func (t *Holds) Begin() { t.list = t.first[:0] }

// Empty makes them Holds of nothing.
func (t *Holds) Empty() { t.done = true }

// taken is the number of holds so far.
func (t *Holds) taken() int {
	if t == nil {
		return 0
	}
	return len(t.list)
}

// of is what is held already of an account.
func (t *Holds) of(a *ledger.Account) (amount float64) {
	if t == nil {
		return 0
	}
	for i := range t.list {
		amount += t.list[i].Of(a)
	}
	return amount
}

// undo takes the holds from index n on back, for a policy that was refused midway.
func (t *Holds) undo(n int) {
	if t == nil {
		return
	}
	for i := n; i < len(t.list); i++ {
		t.list[i].Release()
	}
	t.list = t.list[:n]
}

// Undo takes all holds back, for a request that was not admitted.
func (t *Holds) Undo() { t.undo(0) }

// Set sets the amount that is reported, n units used or given back.
func (t *Holds) Set(n float64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.list) == 0:
		return nil
	case t.done:
		return ErrSettled
	case len(t.list) > 1:
		return ErrAmbiguousUse
	}
	if t.list[0].frees {
		n = -n
	}
	t.list[0].Use, t.list[0].set = n, true
	return nil
}

// Dimension adds a dimension to the event that is reported; encode checks and freezes all that
// the event then has. If it fails nothing is changed.
func (t *Holds) Dimension(name string, value any, encode func(dimensions map[string]any, size int) (map[string]any, error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.list) == 0:
		return nil
	case t.done:
		return ErrSettled
	}
	found := false
	for i := range t.list {
		h := &t.list[i]
		if h.event == nil {
			continue
		}
		found = true
		dimensions := maps.Clone(h.dimensions)
		if dimensions == nil {
			dimensions = make(map[string]any)
		}
		dimensions[name] = value
		encoded, err := encode(dimensions, len(h.event.Name))
		if err != nil {
			return err
		}
		h.dimensions = encoded
	}
	if !found {
		return ErrNoEvent
	}
	return nil
}

// Bill sets what each hold reports, now that it is known what became of the request; asked says
// that it is at least what was asked for. failed is told of amounts that can't be had; what was
// asked for is then reported.
func (t *Holds) Bill(o handler.Outcome, asked bool, failed func(error)) {
	for i := range t.list {
		h := &t.list[i] // not by value: the handler may have left work that sets amounts
		if h.measure == nil && !asked {
			continue
		}
		if err := t.bill(h, o, asked); err != nil {
			failed(err)
		}
	}
}

// bill is Bill for one hold. What the handler left running may set the amount or settle meanwhile;
// that comes first.
func (t *Holds) bill(h *Hold, o handler.Outcome, asked bool) (err error) {
	var n float64
	measured := h.measure != nil && t.unsaid(h)
	if measured { // without the lock: it may panic, or use the ticket
		n, err = h.measure(o)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if measured && err == nil && !h.set && !t.done {
		h.Use = n
	}
	if asked && !t.done {
		h.Use = math.Copysign(max(math.Abs(h.Use), h.asked), h.Use)
	}
	return err
}

// unsaid reports whether the amount of a hold is still open.
func (t *Holds) unsaid(h *Hold) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !h.set && !t.done
}

// End ends the Holds and returns them, for the caller to settle or to release each. They are
// returned once; after that the error is ErrSettled, and there is none if nothing was held.
func (t *Holds) End() (list []Hold, first bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done && len(t.list) > 0 {
		err = ErrSettled
	}
	first, t.done = !t.done, true
	return t.list, first, err
}

// Sends is the event that a hold is reported as, with what the amount adds to its dimensions;
// false if it is reported as a change of usage.
func (h *Hold) Sends() (name string, dimensions map[string]any, ok bool) {
	if h.event == nil {
		return "", nil, false
	}
	if h.event.AmountIn == "" {
		return h.event.Name, h.dimensions, true
	}
	if dimensions = maps.Clone(h.dimensions); dimensions == nil {
		dimensions = make(map[string]any, 1)
	}
	dimensions[h.event.AmountIn] = json.RawMessage(strconv.AppendFloat(nil, h.Use, 'g', -1, 64))
	return h.event.Name, dimensions, true
}
