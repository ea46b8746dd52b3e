package outbox

import (
	"runtime"
	"time"
)

const (
	// lazily is how long Done and SetAside may wait for a commit that somebody waits for.
	lazily = time.Second
	// soon is how long usage may wait for one with NoWait.
	soon = 10 * time.Millisecond
	// stallAfter is how long a write may take before the disk counts as failed.
	stallAfter = 5 * time.Second
	// While the disk fails, the next attempt comes after config.minRetry, then after
	// twice as long, up to maxRetry.
	maxRetry = 5 * time.Second
	// lookAfter is how often it is looked whether the file is still in its place when
	// nothing is written.
	lookAfter = time.Second
	// mostSpare groups are kept for the next commit, with their memory.
	mostSpare = 256
)

// run is the writer: the one goroutine that changes the file. It ends with Close.
func (o *Outbox) run(failing bool) {
	defer close(o.stopped)
	wait := o.minRetry
	look := time.NewTicker(lookAfter)
	defer look.Stop()
	for {
		wake, retry, glance := o.wake, (<-chan time.Time)(nil), look.C
		if failing {
			wake, retry, glance = nil, time.After(wait), nil
		}
		last := false
		select {
		case <-glance:
			if err := o.store.present(); err != nil {
				_ = o.fail(nil, err)
				failing = true
			}
			continue
		case <-wake:
			o.gather()
		case <-retry:
		case <-o.closing:
			last = true
		}
		switch err := o.flush(failing); {
		case err == nil:
			failing, wait = false, o.minRetry
		case failing:
			wait = min(2*wait, maxRetry)
		default:
			failing = true
		}
		if last {
			return
		}
	}
}

// gather lets those whom the last commit has released append again before the next one, which would
// otherwise go with the first of them alone. It waits for them for no longer than an eighth of what
// that commit took: who needs more than that to come again goes with the one after.
func (o *Outbox) gather() {
	began := time.Now() //nolint:forbidigo // as in flush
	for range 1000 {
		o.mu.Lock()
		enough, most := o.waiting >= o.expected || o.closed, o.synced/8
		o.mu.Unlock()
		if enough || time.Since(began) >= most {
			return
		}
		runtime.Gosched()
	}
}

// flush writes what is queued. While failing, it opens the file anew before. One that is
// not in its place any more is kept open: whoever moved it can move it back, and a new one
// in its place would be on the wrong disk if that was unmounted.
func (o *Outbox) flush(failing bool) error {
	watch := time.AfterFunc(stallAfter, o.stalled(o.start()))
	defer watch.Stop()
	err := o.store.present() // one call of stat, beside an fsync
	if err == nil && failing {
		err = o.reopen()
	}
	if err != nil {
		return o.fail(nil, err)
	}
	w, r := o.take(failing)
	if failing {
		err = o.relieve(w)
	}
	packs := w.packs
	if err == nil && !w.empty() {
		began := time.Now() //nolint:forbidigo // how long the disk takes is of no clock of a test's
		err = o.writeAll(w)
		o.took(time.Since(began))
	}
	if err != nil {
		err = o.fail(w, err)
		r.end(err)
		return err
	}
	o.well()
	if !failing {
		o.reuse(packs)
	}
	r.end(nil)
	return nil
}

// reuse keeps the memory of what was written for what comes next, if that is not much.
func (o *Outbox) reuse(packs []pack) {
	if cap(packs) > mostSpare {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spare = packs[:0]
}

// reopen trusts nothing of what is in memory about the file.
func (o *Outbox) reopen() error {
	if err := o.store.close(); err != nil {
		o.log.Debug("outbox: closing the file", "dir", o.store.dir, "error", err)
	}
	if err := o.store.open(); err != nil {
		return err
	}
	if err := o.store.renew(); err != nil {
		return err
	}
	w := o.unwritten // which only the writer changes
	if w == nil {
		return nil
	}
	wrote, err := o.store.wrote(w)
	if wrote {
		o.mu.Lock()
		defer o.mu.Unlock()
		if w.dropTried(); w.empty() {
			o.unwritten = nil
		}
	}
	return err
}

// round is what those wait for whose usage goes into one commit.
type round struct {
	done chan struct{}
	err  error // set before done is closed
}

func newRound() *round { return &round{done: make(chan struct{})} }

func (r *round) end(err error) {
	r.err = err
	close(r.done)
}

// take takes the queue over, behind what failed before.
func (o *Outbox) take(failing bool) (*work, *round) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w, r := o.queue, o.round
	if failing && o.unwritten != nil {
		w = join(o.unwritten, w)
		o.unwritten = nil
	}
	o.queue, o.queued, o.round = &work{packs: o.spare}, 0, newRound()
	o.spare = nil
	o.expected, o.waiting = o.waiting, 0
	o.inFlight = w.bytes()
	return w, r
}

func join(a, b *work) *work {
	both := &work{
		packs:    append(a.packs, b.packs...),
		ends:     append(a.ends, b.ends...),
		replicas: a.replicas,
	}
	if b.replicas != nil {
		both.replicas = b.replicas
	}
	return both
}

func (w *work) bytes() int {
	n := 0
	for i := range w.packs {
		n += len(w.packs[i].data)
	}
	return n
}

// start begins an attempt, which fail or well ends, and returns its number.
func (o *Outbox) start() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempt++
	o.writing = true
	return o.attempt
}

// fail keeps w for the next attempt and lets nobody wait for it.
func (o *Outbox) fail(w *work, err error) error {
	err = &DiskError{Dir: o.store.dir, Err: err}
	o.mu.Lock()
	o.writing = false
	if w != nil {
		o.unwritten = w
	}
	o.inFlight = 0
	o.failed = err
	r := o.round
	o.round = newRound()
	o.judge()
	o.mu.Unlock()
	r.end(err)
	o.announce()
	return err
}

// stalled returns what to do when an attempt takes too long. well takes it back.
func (o *Outbox) stalled(attempt int) func() {
	return func() {
		o.mu.Lock()
		if o.writing && o.attempt == attempt && o.failed == nil {
			o.failed = &DiskError{Dir: o.store.dir, Err: errStalled}
			o.judge()
		}
		o.mu.Unlock()
		o.announce()
	}
}

// well says that everything that was taken is in the file.
func (o *Outbox) well() {
	o.mu.Lock()
	o.writing = false
	if o.failed != nil {
		o.failed = nil
		o.nudge() // for what was queued without anybody waiting
	}
	o.inFlight = 0
	o.expected += o.waiting
	o.taken, o.pending, o.aside = o.store.taken(), o.store.pending(), o.store.refuse
	o.judge()
	o.mu.Unlock()
	o.announce()
}

func (o *Outbox) took(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.synced = d
}

// nudge wakes the writer.
func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
