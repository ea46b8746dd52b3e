package admission

// What a request uses may be entrusted to a transaction of the app's: it is used if that commits. From
// then on the amounts are fixed, and what is held stays held until it is known what became of the
// transaction, which is asked for when the request is over.

// entrusted is what became of Holds whose usage was entrusted.
type entrusted struct {
	keys    []uint64      // of each hold's usage
	storing chan struct{} // closed when the attempt to store that runs has returned; nil without one
	stored  bool          // one has succeeded
	ended   bool          // the request is over
	known   bool          // and so is the transaction
}

// Entrust fixes the amounts, and has store put the usage of each hold, with the key that next made
// for it, into a transaction. If it fails the Holds are as before. It may be called again, for the
// next attempt of a transaction that has failed: the usage and its keys are the same. End waits for it.
func (t *Holds) Entrust(next func() uint64, store func(list []Hold, keys []uint64) error) error {
	in, err := t.entrust(next)
	if in == nil || err != nil {
		return err
	}
	stored := false
	defer func() { t.entrustedTo(in, stored) }() // even if store panics
	err = store(t.list, in.keys)                 // nobody changes the list any more
	stored = err == nil
	return err
}

// entrust begins it. There is nothing to do where nothing is held.
func (t *Holds) entrust(next func() uint64) (*entrusted, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.entrusted()
	switch {
	case t.rights == nil:
		return nil, nil
	case in == nil && t.done, in != nil && (in.ended || in.storing != nil):
		return nil, ErrSettled
	case in == nil:
		in = &entrusted{keys: make([]uint64, len(t.list))}
		for i := range in.keys {
			in.keys[i] = next()
		}
		t.entrusts(in)
		t.done, t.reported = true, true
	}
	in.storing = make(chan struct{})
	return in, nil
}

// entrustedTo ends it.
func (t *Holds) entrustedTo(in *entrusted, stored bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(in.storing)
	in.storing = nil
	if in.stored = in.stored || stored; !in.stored {
		t.entrusts(nil)
		t.done, t.reported = false, false
	}
}

// lock takes the lock once no attempt to store runs.
func (t *Holds) lock() {
	for t.mu.Lock(); ; t.mu.Lock() {
		in := t.entrusted()
		if in == nil || in.storing == nil {
			return
		}
		storing := in.storing
		t.mu.Unlock()
		<-storing
	}
}

// Entrusted is the keys of the usage of each hold, after End; nil if it was not entrusted.
func (t *Holds) Entrusted() (keys []uint64) {
	if in := t.entrusted(); in != nil { // nothing changes it after End
		keys = in.keys
	}
	return keys
}

// Known says what became of the transaction: whether the nth usage that was entrusted is kept. What is
// not uses nothing.
func (t *Holds) Known(kept func(n int) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entrusted().known, t.reported = true, len(t.list) == 0
	n := 0
	for i := range t.list {
		h := &t.list[i]
		if h.Use == 0 {
			continue
		}
		if kept(n) {
			t.reported = true
		} else {
			h.Use = 0
		}
		n++
	}
}

// holds reports whether what was held still is. Call it under the lock.
func (t *Holds) holds() bool {
	in := t.entrusted()
	return !t.done || in != nil && !in.known
}

// entrusted is nil if the usage was not. Call it under the lock, or after End.
func (t *Holds) entrusted() *entrusted {
	if s := t.seldom.Load(); s != nil {
		return s.entrusted
	}
	return nil
}

// entrusts notes that the usage is entrusted, or not any more. Call it under the lock.
func (t *Holds) entrusts(in *entrusted) { t.seldom.Store(&seldom{t.front(), in}) }
