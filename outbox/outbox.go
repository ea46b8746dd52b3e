package outbox

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
)

const (
	// maxQueued bounds what waits in memory for a disk that is slow.
	maxQueued = 64 << 20
	// maxUnwritten bounds what is kept in memory for a disk that fails.
	maxUnwritten = 16 << 20
	// maxForgotten bounds the keys that wait for a disk that fails. What is done or
	// refused beyond is sent again after a restart.
	maxForgotten = 1 << 20
	// nudgeBytes of usage that nobody waits for are written without waiting for more.
	nudgeBytes = 128 << 10
	// maxLazy is how many keys may wait for a commit.
	maxLazy = 10_000
)

// Outbox is a gate.Outbox in a directory. Open makes one; whoever opened it, or the gate
// that it was given to, closes it.
type Outbox struct {
	config
	log    *slog.Logger
	store  *store
	commit func(*work) error // store.write
	seed   maphash.Seed

	wake     chan struct{} // holds one token when there is something to write
	closing  chan struct{} // closed by Close
	stopped  chan struct{} // closed when the writer has ended
	encoders sync.Pool     // of *pack
	lazy     *time.Timer   // wakes the writer for what nobody waits for

	health  atomic.Pointer[error] // what Healthy returns
	missing error                 // a *PageError that Pending yields, or nil
	atOnce  bool                  // see relieve; the writer's

	once     sync.Once
	closeErr error

	mu        sync.Mutex
	queue     *work
	spare     []pack        // without anything in them, for the next queue
	queued    int           // bytes in queue
	inFlight  int           // bytes that are being written
	round     *round        // that of queue
	unwritten *work         // of the commit that failed
	armed     time.Duration // what lazy was set to, or 0
	attempt   int           // the writer's latest
	writing   bool          // it is under way
	closed    bool
	failed    error // a *DiskError, or nil
	full      bool
	waiting   int   // calls of Append that wait for round
	expected  int   // how many that is if all come again that the last commit has released
	taken     int64 // bytes of the file, see space.taken
	pending   int   // measurements in the file
	aside     int
	synced    time.Duration        // what the last commit took
	said      []func(*slog.Logger) // to be logged without the lock
}

var (
	_ gate.Outbox      = (*Outbox)(nil)
	_ gate.OutboxMeter = (*Outbox)(nil)
)

// Open opens the outbox in dir, which is created if it is missing, with mode 0700, and
// starts a goroutine that Close ends. It reads the whole file once: under
// a second for a million measurements.
//
// The error is a *LockedError if another process has the directory, a *DirError if it
// can't be used, a *FileError if the file in it can't be trusted. An outbox whose disk
// takes no writes any more is opened all the same, since what is pending can be
// delivered; Healthy says so.
func Open(dir string, options ...Option) (*Outbox, error) {
	c := defaults()
	if err := errors.Join(option.Apply(&c, options)...); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	if dir == "" { // the present directory would do, and a variable that is not set means something else
		return nil, &DirError{Err: errors.New("the directory has no name")}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, &DirError{Dir: dir, Err: err}
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, &DirError{Dir: dir, Err: err}
	} else if err := trusted(info); err != nil {
		return nil, &DirError{Dir: dir, Err: err}
	}
	seed := maphash.MakeSeed()
	s := &store{dir: dir, seed: seed, space: space{bound: c.maxBytes}}
	if err := s.open(); err != nil {
		return nil, err
	}
	o := &Outbox{
		config: c, log: c.logger, store: s, commit: s.write, seed: seed,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
		queue: new(work), round: newRound(), encoders: sync.Pool{New: func() any { return new(pack) }},
	}
	o.lazy = time.AfterFunc(math.MaxInt64, o.hurry)
	o.health.Store(new(error))
	failing := o.begin()
	go o.run(failing)
	return o, nil
}

// begin proves the disk and sets aside what is too old.
func (o *Outbox) begin() (failing bool) {
	if n := o.store.unreadable; n > 0 {
		o.log.Error("outbox: some of what is kept can't be read; it stays in the file", "dir", o.store.dir, "records", n)
	}
	if e := o.store.damaged; e != nil {
		level := slog.LevelError
		if e.Spare {
			level = slog.LevelWarn
		}
		o.log.Log(context.Background(), level, "outbox: a page of the file is damaged", "dir", o.store.dir, "error", e)
		o.missing = o.store.damage()
	}
	err := o.store.renew()
	if err == nil {
		err = o.store.prove()
	}
	if err == nil {
		err = o.expire()
	}
	if err != nil {
		_ = o.fail(nil, err)
		return true
	}
	o.well()
	return false
}

// Append keeps usage, all of it or nothing. It returns when an fsync has made it
// durable; with NoWait at once. If ctx ends before, the usage may be kept all the
// same. Every measurement needs a Key. One that is appended twice (the same key of the same
// customer and feature, event or currency) is pending twice, until Done.
//
// The error is a *FullError, a *DiskError, ErrClosed or that of ctx.
func (o *Outbox) Append(ctx context.Context, u ...gate.Usage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Encoding is done before the lock, which all requests share.
	p := o.encoders.Get().(*pack)
	defer o.encoders.Put(p)
	if err := o.encode(p, u); err != nil {
		return err
	}
	r, says, err := o.enqueue(p)
	if says {
		o.announce()
	}
	if err != nil || r == nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// encode makes p of the records of u.
func (o *Outbox) encode(p *pack, u []gate.Usage) (err error) {
	p.clear()
	for i := range u {
		before := len(p.data)
		if p.data, err = appendRecord(p.data, &u[i]); err != nil {
			return err
		}
		record := p.data[before:]
		identity, _, _ := peek(record)
		p.heads = append(p.heads, head{size: uint32(len(record)), sum: checksum(record), hash: maphash.Bytes(o.seed, identity)})
	}
	return nil
}

// enqueue puts a copy of p into the queue and returns the round to wait for, or nil, and whether there is
// something to announce.
func (o *Outbox) enqueue(p *pack) (r *round, says bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err = o.queueUp(p)
	return r, len(o.said) > 0, err
}

func (o *Outbox) queueUp(p *pack) (*round, error) {
	size := len(p.data)
	switch {
	case o.closed:
		return nil, ErrClosed
	case o.takenWith(size) > o.maxBytes:
		o.full = true
		o.judge()
		return nil, o.fullError()
	case o.failed != nil:
		if o.queued+o.unwritten.size()+size <= maxUnwritten {
			o.add(p)
		}
		return nil, o.failed
	case o.queued+size > maxQueued && o.queued > 0:
		return nil, &DiskError{Dir: o.store.dir, Err: errBehind}
	}
	o.add(p)
	if o.noWait && o.queued < nudgeBytes {
		o.later(soon)
		return nil, nil
	}
	o.nudge()
	if o.noWait {
		return nil, nil
	}
	o.waiting++
	return o.round, nil
}

func (w *work) size() int {
	if w == nil {
		return 0
	}
	return w.bytes()
}

func (o *Outbox) add(p *pack) {
	for i, record := range p.each {
		o.queue.add(p.heads[i], record)
	}
	o.queued += len(p.data)
}

func (w *work) add(h head, record []byte) {
	n := len(w.packs)
	if n == 0 || !w.packs[n-1].takes(len(record)) {
		if n < cap(w.packs) { // the memory of a group that was written
			w.packs = w.packs[:n+1]
			w.packs[n].clear()
		} else {
			w.packs = append(w.packs, pack{data: make([]byte, 0, max(groupBytes, len(record)))})
		}
	}
	last := &w.packs[len(w.packs)-1]
	last.heads = append(last.heads, h)
	last.data = append(last.data, record...)
}

// later wakes the writer after d at the latest.
func (o *Outbox) later(d time.Duration) {
	if o.armed == 0 || d < o.armed {
		o.armed = d
		o.lazy.Reset(d)
	}
}

func (o *Outbox) hurry() {
	o.mu.Lock()
	o.armed = 0
	o.mu.Unlock()
	o.nudge()
}

// Done forgets usage. It does not wait for the disk; what a crash brings back is only
// sent again. The error is ErrClosed or nil.
func (o *Outbox) Done(u ...gate.Usage) error {
	ids := make([]string, len(u))
	for i := range u {
		ids[i] = string(appendIdentity(nil, &u[i]))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	if len(o.queue.ends) < maxForgotten {
		for _, id := range ids {
			o.queue.ends = append(o.queue.ends, end{id: id})
		}
	}
	o.whenever()
	return nil
}

// SetAside keeps usage out of what is pending, with the reason, until Retry or Drop. It
// does not wait for the disk; what a crash brings back is refused again. It ignores
// usage that it does not know. The error is ErrClosed or nil.
func (o *Outbox) SetAside(u gate.Usage, reason string) error {
	id := string(appendIdentity(nil, &u))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	if len(o.queue.ends) < maxForgotten {
		o.queue.ends = append(o.queue.ends, end{id: id, refusal: &refusal{reason: reason, at: o.now()}})
	}
	o.whenever()
	return nil
}

// whenever has the queue written within a second, or at once if it is long.
func (o *Outbox) whenever() {
	if len(o.queue.ends) > maxLazy {
		o.nudge()
		return
	}
	o.later(lazily)
}

// Close writes what is queued and frees the directory. It waits for the disk as long
// as that takes. The error says how many measurements could not be written; it is the
// same when Close is called again.
func (o *Outbox) Close() error {
	o.once.Do(func() { o.closeErr = o.close() })
	return o.closeErr
}

func (o *Outbox) close() error {
	o.mu.Lock()
	o.closed = true
	o.judge()
	o.mu.Unlock()
	close(o.closing)
	<-o.stopped
	o.lazy.Stop()
	gone := o.store.present()
	err := o.store.close()
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.pending + o.aside; n > 0 && errors.Is(gone, ErrRemoved) {
		err = errors.Join(err, fmt.Errorf("%d measurements are in a file that can't be found any more: %w", n, gone))
	}
	if lost := o.unwritten.count() + o.queue.count(); lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d measurements could not be written: %w", lost, o.failed))
	}
	if err != nil {
		return fmt.Errorf("outbox: closing %s: %w", o.store.dir, err)
	}
	return nil
}

func (w *work) count() int {
	if w == nil {
		return 0
	}
	n := 0
	for i := range w.packs {
		n += len(w.packs[i].heads)
	}
	return n
}

// sync waits until what was queued before is written.
func (o *Outbox) sync() error {
	o.mu.Lock()
	if o.closed || o.failed != nil {
		defer o.mu.Unlock()
		return o.state()
	}
	r := o.round
	o.nudge()
	o.mu.Unlock()
	<-r.done
	return r.err
}
