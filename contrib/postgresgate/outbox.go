package postgresgate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stiggate/gate"
)

// Box is an outbox in Postgres: a gate.TxOutbox and a gate.Adopter. Use Outbox. The gate closes it; the
// pool is the app's, and stays open.
type Box struct {
	pool   *pgxpool.Pool
	lease  time.Duration
	tables tables
	own    string // what this process appends and settles
	heir   string // what it took over of others while it ran

	appends chan *appending
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	wait    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	problem  error // why nothing is kept at present
	finished []finished
	finishes chan struct{} // holds one token when there is more
	doubts   doubts
	open     map[string][]string // by name, the ids of transactions that a usage was put into
	steady   time.Time           // since when this process is in contact, without a break
	taken    map[int64]bool      // rows that were taken over, of which it is not known whether that was committed
}

// Option changes an outbox.
type Option func(*Box) error

// Lease is how long a process may be out of contact until others deliver its usage. Default: 30 s.
func Lease(d time.Duration) Option {
	return func(b *Box) error {
		if d < time.Second {
			return fmt.Errorf("postgresgate: a lease of %v is too short, it is at least 1 s", d)
		}
		b.lease = d
		return nil
	}
}

// Outbox opens the outbox in the database of a pool, whose tables Migrate has made, and takes over what
// processes that have ended left there. The error is a *SetupError, or an option's.
func Outbox(ctx context.Context, pool *pgxpool.Pool, options ...Option) (*Box, error) {
	if pool == nil {
		return nil, errors.New("postgresgate: the pool is nil")
	}
	b := &Box{
		pool: pool, lease: 30 * time.Second, own: newOwner(), heir: newOwner(), appends: make(chan *appending),
		finishes: make(chan struct{}, 1), doubts: newDoubts(), open: make(map[string][]string), taken: make(map[int64]bool),
	}
	for _, o := range options {
		if o == nil {
			return nil, errors.New("postgresgate: an option is nil")
		}
		if err := o(b); err != nil {
			return nil, err
		}
	}
	namespace, err := check(ctx, pool)
	if err != nil {
		return nil, err
	}
	b.tables = tablesOf(namespace)
	err = b.beat(ctx)
	for more := true; more && err == nil; {
		more, err = b.claim(ctx, b.own, nil)
	}
	if err != nil {
		return nil, &SetupError{Err: wrap(err)}
	}
	b.steady = now()
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.wait.Go(b.write)
	b.wait.Go(b.finish)
	b.wait.Go(b.live)
	return b, nil
}

// newOwner is a random UUID.
func newOwner() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// patience bounds one statement of the outbox's own.
const patience = 10 * time.Second

// beatAgain is how often a lease is renewed within its time.
const beatAgain = 5

// live renews the leases until Close.
func (b *Box) live() {
	for {
		wait := b.lease / beatAgain
		if b.Healthy() != nil { // requests are refused meanwhile
			wait = min(wait, time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-b.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		ctx, cancel := context.WithTimeout(b.ctx, min(b.lease, patience))
		err := b.beat(ctx)
		if err == nil {
			_, err = b.pool.Exec(ctx, b.tables.purge)
		}
		b.note(wrap(err))
		cancel()
		b.sayAgain()
	}
}

// beat renews the leases.
func (b *Box) beat(ctx context.Context) error {
	_, err := b.pool.Exec(ctx, b.tables.beat, []string{b.own, b.heir}, b.lease)
	return wrap(err)
}

// note keeps what the last statement said for Healthy.
func (b *Box) note(err error) {
	if err != nil && b.ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.problem = err; err != nil {
		b.steady = time.Time{}
	} else if b.steady.IsZero() {
		b.steady = now()
	}
}

// Healthy is gate.Outbox's.
func (b *Box) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	return b.problem
}

// now is for waits, which are on the real clock.
func now() time.Time { return time.Now() } //nolint:forbidigo // see the comment

// Close is gate.Outbox's: what is done is forgotten, as far as the database answers within some seconds,
// and what waits is free for another process at once. The pool stays open.
func (b *Box) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.stop()
	b.wait.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := b.forget(ctx)
	if err == nil {
		_, err = b.pool.Exec(ctx, b.tables.leave, []string{b.own, b.heir})
	}
	if err == nil {
		_, err = b.pool.Exec(ctx, "SELECT pg_notify('gate_outbox', '')")
	}
	return wrap(err)
}

var (
	_ gate.TxOutbox = (*Box)(nil)
	_ gate.Adopter  = (*Box)(nil)
)
