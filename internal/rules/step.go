package rules

// Step is what a request does after it was judged.
type Step uint8

// The steps.
const (
	Done   Step = iota // the decision stands
	Await              // wait for the acknowledgement that may change it
	Read               // read the customer's set again
	Reopen             // look the customer up anew: the book was forgotten since
)

// Refusal is what a refusal rests on.
type Refusal struct {
	Doubted  bool // Stigg may count some of it twice, and its acknowledgement may be waited for
	Fresh    bool // what it rests on was read for this request
	Last     bool // no more is read for this request: that has failed, or was enough
	Stale    bool // what it rests on was read before, and is past its time
	Outdated bool // a read that begins now would tell more
	Pending  bool // it would fit once what runs has settled
	Known    bool // it rests on what is known of the customer
}

// Next is the step after a refusal; the first rule that holds counts.
func (r Refusal) Next() Step {
	switch {
	case r.Doubted:
		return Await
	case r.Last, r.Fresh && (!r.Outdated || !r.Pending):
		return Done
	case r.Outdated && r.Pending: // less of it may be used by now
		return Read
	case !r.Known:
		return Done
	case r.Stale, r.Outdated: // it may have changed since
		return Read
	}
	return Done
}
