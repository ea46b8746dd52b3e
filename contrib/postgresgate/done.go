package postgresgate

import (
	"context"
	"strings"
	"time"

	"github.com/stiggate/gate"
)

// finished is what Done or SetAside has said of a usage.
type finished struct {
	name  []byte
	aside *string // the reason
}

// Done is gate.Outbox's. It does not wait for the database.
func (b *Box) Done(u ...gate.Usage) error {
	all := make([]finished, len(u))
	for i := range u {
		all[i].name = nameOf(&u[i])
	}
	return b.end(all...)
}

// SetAside is gate.Outbox's. It does not wait for the database. The row stays, with the reason in its
// column aside, without what no text of Postgres' may have.
func (b *Box) SetAside(u gate.Usage, reason string) error {
	reason = strings.ReplaceAll(strings.ToValidUTF8(reason, "\uFFFD"), "\x00", "\uFFFD")
	return b.end(finished{nameOf(&u), &reason})
}

func (b *Box) end(all ...finished) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.finished = append(b.finished, all...)
	b.wake()
	return nil
}

// finishAgain is the pause after a failure.
const finishAgain = time.Second

// finish deletes and sets aside until Close.
func (b *Box) finish() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.finishes:
		}
		for {
			ctx, cancel := context.WithTimeout(b.ctx, patience)
			err := b.forget(ctx)
			cancel()
			if err == nil {
				break
			}
			b.note(err)
			timer := time.NewTimer(finishAgain)
			select {
			case <-b.ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

// forget does what Done and SetAside have asked for, in their order as far as it matters.
func (b *Box) forget(ctx context.Context) error {
	all := b.forgettable()
	for len(all) > 0 {
		n := 0
		var names [][]byte
		for ; n < len(all) && n < mostRows && all[n].aside == nil; n++ {
			names = append(names, all[n].name)
		}
		var err error
		if n > 0 {
			_, err = b.pool.Exec(ctx, b.tables.done, names, b.own)
		} else {
			_, err = b.pool.Exec(ctx, b.tables.aside, all[0].name, *all[0].aside)
			n = 1
		}
		if err != nil {
			b.mu.Lock()
			b.finished = append(all, b.finished...)
			b.mu.Unlock()
			return wrap(err)
		}
		b.forgotten(all[:n])
		all = all[n:]
	}
	return nil
}
