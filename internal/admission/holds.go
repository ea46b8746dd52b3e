package admission

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/handler"
	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// What Holds refuse; package gate documents the errors.
var (
	ErrSettled      = errors.New("gate: the ticket is settled already")
	ErrNoEvent      = errors.New("gate: the policy reports no event; Policy.ReportAs does")
	ErrAmbiguousUse = errors.New("gate: the policy uses several features; it can't be told which is meant")
	// errNothingToExtend is a mistake of the app's.
	errNothingToExtend = errors.New("gate: what gives back holds nothing to extend")
)

// Holds is what one request holds. While it is admitted it belongs to one goroutine; then its
// methods may be called from any, and End once ends it: each hold is settled or released once.
type Holds struct {
	mu       sync.Mutex
	places   int32 // kept in the queue for what it reports
	done     bool
	reported bool // and what was held is settled
	rights   *Rights
	list     []Hold
	first    [1]Hold                // where list begins, for the usual single one
	seldom   atomic.Pointer[seldom] // nil: nothing of it was needed
}

// seldom is what most Holds do without. It never changes once it is in use.
type seldom struct {
	front     *front     // nil without a gate in front that holds
	entrusted *entrusted // nil if the usage was not; read under the lock
}

// Hold is what is held of one right.
type Hold struct {
	ledger.Hold
	Right *Right
	Use   float64 // what will be reported; negative gives back

	asked      float64 // what was asked for
	set        bool    // Use was set by the handler
	frees      bool
	upTo       bool // what was left of what was asked for
	perReplica bool
	report     *report // nil: the amount, as a change of usage
}

// report is what is reported, where that is not what was asked for, as a change of usage.
type report struct {
	measure    func(handler.Outcome) (float64, error)
	event      *Event
	dimensions map[string]any
}

// Book is where what is held counts.
func (t *Holds) Book() *ledger.Book { return t.rights.Book }

// Begin makes the Holds ready for an admission of what a customer has. places is how many were
// kept in the queue, in what a gate in front holds for the same request, nil without one.
func (t *Holds) Begin(rights *Rights, places int, in *Holds) {
	if t.list, t.rights, t.places = t.first[:0], rights, int32(min(max(places, 0), math.MaxInt32)); in != nil {
		t.seldom.Store(&seldom{front: &front{holds: in}})
	}
}

// front is nil without a gate in front that holds.
func (t *Holds) front() *front {
	if s := t.seldom.Load(); s != nil {
		return s.front
	}
	return nil
}

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
	if f := t.front(); f != nil {
		f.joint = slices.DeleteFunc(f.joint, func(j joint) bool { return j.at >= n })
	}
	for i := n; i < len(t.list); i++ {
		t.list[i].Release()
	}
	t.list = t.list[:n]
}

// Undo takes all holds back, for a request that was not admitted.
func (t *Holds) Undo() { t.undo(0) }

// open is whether more may be said of what is held of one item. Call it under the lock.
func (t *Holds) open() error {
	switch {
	case t.done:
		return ErrSettled
	case t.list[0].Right.item() != t.list[len(t.list)-1].Right.item():
		return ErrAmbiguousUse
	}
	return nil
}

// Set sets the amount that is reported, n units used or given back. What is held together with a
// gate in front is set there.
func (t *Holds) Set(n float64) error {
	if to, at, err := t.joined(); to != nil || err != nil {
		return to.set(at, n, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) == 0 {
		return nil
	}
	return t.put(0, n, t.open())
}

func (t *Holds) set(at int, n float64, err error) error {
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		err = ErrSettled
	}
	return t.put(at, n, err)
}

// put sets the amount of the item whose first hold is at, unless there is an error. Call it under
// the lock.
func (t *Holds) put(at int, n float64, err error) error {
	if err != nil {
		return err
	}
	holds := t.same(at)
	spread(holds, n)
	for i := range holds {
		holds[i].set = true
	}
	return nil
}

// spread sets the use of holds of one item: each its own, and the last what is beyond.
func spread(holds []Hold, n float64) {
	last := len(holds) - 1
	for i := range holds[:last] {
		holds[i].Use = min(n, holds[i].Amount())
		n -= holds[i].Use
	}
	if holds[last].frees {
		n = -n
	}
	holds[last].Use = n
}

// Amount is how much is held, of all items together.
func (t *Holds) Amount() (n float64) {
	n = t.jointAmount()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holds() {
		for i := range t.list {
			n += t.list[i].Amount()
		}
	}
	return n
}

// Extend holds n more of the item that is held, or what is left of it if that will do, for a
// request whose rights are those that it was admitted by or newer ones. What would be reported, if
// nothing sets it, is all that is held. A hold in a later usage period is one of its own, and takes a
// place in the queue, which place keeps. If the error is nil, q tells whether it was granted.
func (t *Holds) Extend(q *Request, n float64, place func() error) error {
	to, at, err := t.joined()
	if err != nil {
		return err
	}
	if to != nil {
		to.mu.Lock()
		defer to.mu.Unlock()
		if to.done {
			return ErrSettled
		}
		return to.extend(at, q, n, place)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) == 0 {
		return nil
	}
	if err := t.open(); err != nil {
		return err
	}
	return t.extend(0, q, n, place)
}

// extend is Extend of the item whose first hold is at. Call it under the lock.
func (t *Holds) extend(at int, q *Request, n float64, place func() error) error {
	holds := t.same(at)
	first, last := &holds[0], &holds[len(holds)-1]
	if first.frees {
		return errNothingToExtend
	}
	if q.Rights == nil {
		q.Rights = t.rights
	}
	more := Policy{Kind: Feature, Item: first.Right.item(), Mode: rules.Uses, Amount: n, UpTo: first.upTo, PerReplica: first.perReplica}
	if more.Item.Currency {
		more.Kind = Credits
	}
	held := new(Holds)
	q.Holds, q.beside = held, t
	if !q.Evaluate(&more) {
		return nil
	}
	h := held.list[0]
	if last.Join(&h.Hold) {
		if last.asked += h.asked; !last.set {
			last.Use += h.asked
		}
		return nil
	}
	if at+len(holds) != len(t.list) {
		h.Release()
		return ErrAmbiguousUse
	}
	if err := place(); err != nil {
		h.Release()
		return err
	}
	t.places++
	h.set = first.set
	if first.report != nil {
		of := *first.report
		h.report = &of
	}
	if h.set {
		h.Use = 0 // what was set stands
	}
	t.list = append(t.list, h)
	return nil
}

// Dimension adds a dimension to the event that is reported; encode checks and freezes all that
// the event then has. If it fails nothing is changed.
func (t *Holds) Dimension(name string, value any, encode func(dimensions map[string]any, size int) (map[string]any, error)) error {
	if t.Shares() && len(t.list) == 0 {
		return t.front().joint[0].holds.Dimension(name, value, encode)
	}
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
		if !h.IsEvent() {
			continue
		}
		found = true
		dimensions := maps.Clone(h.report.dimensions)
		if dimensions == nil {
			dimensions = make(map[string]any)
		}
		dimensions[name] = value
		encoded, err := encode(dimensions, len(h.report.event.Name))
		if err != nil {
			return err
		}
		h.report.dimensions = encoded
	}
	if !found {
		return ErrNoEvent
	}
	return nil
}

// Bill sets what is reported, now that it is known what became of the request, in the time that took
// tells where somebody measures; asked says
// that it is at least what was asked for. failed is told of amounts that can't be had; what was
// asked for is then reported.
func (t *Holds) Bill(o handler.Outcome, took func() time.Duration, asked bool, failed func(error)) {
	for i := 0; ; {
		measure, end, ok := t.unbilled(i)
		if !ok {
			return
		}
		var n float64
		var err error
		if measure != nil { // without the lock: it may panic, or use the ticket
			o.Duration = took()
			if n, err = measure(o); err != nil {
				failed(err)
			}
		}
		t.bill(i, n, measure != nil && err == nil, asked)
		i = end
	}
}

// unbilled is how the holds of the item whose first is hold i are measured, nil if they are not or
// the handler has set the amount, and where they end; false if there are none.
func (t *Holds) unbilled(i int) (measure func(handler.Outcome) (float64, error), end int, ok bool) {
	t.lock()
	defer t.mu.Unlock()
	if t.done || i == len(t.list) {
		return nil, 0, false
	}
	if h := &t.list[i]; h.report != nil && !h.set {
		measure = h.report.measure
	}
	return measure, i + len(t.same(i)), true
}

// bill is Bill for the holds of one item. What the handler left running may set the amount or settle
// meanwhile; that comes first.
func (t *Holds) bill(i int, n float64, measured, asked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return
	}
	holds := t.same(i)
	if measured && !holds[0].set {
		spread(holds, n)
	}
	if !asked {
		return
	}
	used, most := 0.0, 0.0
	for i := range holds {
		used, most = used+math.Abs(holds[i].Use), most+holds[i].asked
	}
	spread(holds, max(used, most))
}

// same is the holds of the item whose first is hold i: several if it was extended.
func (t *Holds) same(i int) []Hold {
	end := i + 1
	for end < len(t.list) && t.list[end].Right.item() == t.list[i].Right.item() {
		end++
	}
	return t.list[i:end]
}

// End ends the Holds and returns them, for the caller to settle or to release each, as report says,
// and the places that were kept for them. They are returned once; after that the error is ErrSettled, and there is
// none if nothing was held.
func (t *Holds) End(report bool) (list []Hold, places int, first bool, err error) {
	t.lock()
	defer t.mu.Unlock()
	if t.done && len(t.list) > 0 {
		err = ErrSettled
	}
	if first = !t.done; first {
		t.done, t.reported = true, report
	} else if in := t.entrusted(); in != nil && !in.ended {
		first, err, in.ended = true, nil, true
	}
	return t.list, int(t.places), first, err
}

// IsEvent reports whether it is reported as an event.
func (h *Hold) IsEvent() bool { return h.report != nil && h.report.event != nil }

// IsUsual reports whether its entry, and when it was admitted, tell all that it reports: a change of usage
// that was admitted in full.
func (h *Hold) IsUsual() bool { return !h.IsEvent() && h.Use <= h.Amount() && h.Hold.IsUsual() }

// Sends is the event that a hold is reported as, with what the amount adds to its dimensions.
func (h *Hold) Sends() (name string, dimensions map[string]any) {
	event := h.report.event
	if event.AmountIn == "" {
		return event.Name, h.report.dimensions
	}
	if dimensions = maps.Clone(h.report.dimensions); dimensions == nil {
		dimensions = make(map[string]any, 1)
	}
	dimensions[event.AmountIn] = json.RawMessage(strconv.AppendFloat(nil, h.Use, 'g', -1, 64))
	return event.Name, dimensions
}
