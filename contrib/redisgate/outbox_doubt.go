package redisgate

import (
	"context"
	"slices"
	"time"

	"github.com/stiggate/gate"
)

// Usage whose Append failed may be in Redis all the same: the answer was lost, or nobody waited for it. The
// gate delivers it from memory, so what Done says of it must find it: else it stays in the stream, and is
// sent again by the process that takes that over.

// doubt is the usage of one Append of which it is not known whether it is in Redis.
type doubt struct {
	stream *stream
	after  uint64          // it has a greater number
	names  []name          // of what was not found yet
	ended  map[name]string // of what is done, "", or set aside, as JSON
	failed time.Time       // zero while the Append is under way
}

const (
	// doubted is for how long it is looked for, at the least: a call that was sent may arrive late.
	doubted = time.Minute
	// mostDoubts bounds the usages that are looked for. What Done says of others is sent again after the
	// end of the process, and counts once.
	mostDoubts = 100_000
)

// doubts notes that usage is about to be appended.
func (b *box) doubts(u []gate.Usage) *doubt {
	d := &doubt{names: make([]name, len(u))}
	for i := range u {
		d.names[i] = nameOf(&u[i])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range d.names {
		b.doubtful[n] = append(b.doubtful[n], d)
	}
	return d
}

// tries notes to which stream, and returns the greatest number in it that is known.
func (b *box) tries(d *doubt, s *stream) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	d.stream, d.after = s, s.last
	return s.last
}

// failed notes that an Append has failed. It is surely nowhere if the error came before it was sent.
func (b *box) failed(d *doubt, sent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !sent || len(b.doubtful) > mostDoubts {
		b.undoubt(d)
		return
	}
	d.failed = time.Now()
	b.wake()
}

// undoubt ends a doubt. Call it under the lock.
func (b *box) undoubt(d *doubt) {
	for _, n := range d.names {
		b.unname(d, n)
	}
}

// unname ends it for one name. Call it under the lock.
func (b *box) unname(d *doubt, n name) {
	all := b.doubtful[n]
	if i := slices.Index(all, d); i >= 0 {
		all = slices.Delete(slices.Clone(all), i, i+1)
	}
	if b.doubtful[n] = all; len(all) == 0 {
		delete(b.doubtful, n)
	}
}

// kept notes where the usage of an Append is.
func (b *box) kept(d *doubt, first uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, n := range d.names {
		b.settle(d, n, place{d.stream, first + uint64(i)}) //nolint:gosec // not below 0
	}
	d.stream.last = max(d.stream.last, first+uint64(len(d.names))-1)
}

// settle notes where a usage is that was in doubt. Call it under the lock.
func (b *box) settle(d *doubt, n name, at place) {
	b.unname(d, n)
	aside, ended := d.ended[n]
	if !ended {
		b.put(n, at)
		return
	}
	if b.leave(finished{at, aside, n}); aside != "" {
		b.aside++
	}
	b.wake()
}

// end notes what Done or SetAside says of a usage in doubt. Call it under the lock.
func (b *box) end(n name, aside string) {
	for _, d := range b.doubtful[n] {
		if d.ended == nil {
			d.ended = make(map[name]string)
		}
		d.ended[n] = aside
		b.wake()
	}
}

// lookFor looks for what is in doubt.
func (b *box) lookFor(ctx context.Context) error {
	for s, after := range b.inDoubt() {
		began := time.Now()
		after, err := b.each(ctx, s, after, most, func(e *entry) { b.met(s, e) })
		if err != nil {
			return err
		}
		b.looked(s, after, began)
	}
	return nil
}

// each calls f, under the lock, with what is in a stream behind after, page by page until one ends at last
// or behind it, and returns up to where it has read.
func (b *box) each(ctx context.Context, s *stream, after, last uint64, f func(*entry)) (upTo uint64, err error) {
	for more := true; more && after < last; {
		var entries []entry
		if entries, more, err = b.read(ctx, s, after); err != nil {
			return after, err
		}
		b.mu.Lock()
		for i := range entries {
			after = entries[i].n
			f(&entries[i])
		}
		b.mu.Unlock()
	}
	return after, nil
}

// inDoubt is the streams to look into, and behind which number.
func (b *box) inDoubt() map[*stream]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[*stream]uint64)
	for _, doubts := range b.doubtful {
		for _, d := range doubts {
			if after, ok := all[d.stream]; !d.failed.IsZero() && (!ok || d.after < after) {
				all[d.stream] = d.after
			}
		}
	}
	return all
}

// met ends a doubt about what was read. Call it under the lock.
func (b *box) met(s *stream, e *entry) {
	if e.err != nil {
		return
	}
	n := nameOf(&e.usage)
	for _, d := range b.doubtful[n] {
		if d.stream == s && !d.failed.IsZero() && e.n > d.after && !slices.Contains(b.index[n], place{s, e.n}) {
			b.settle(d, n, place{s, e.n})
			return
		}
	}
}

// looked ends the doubts about what was not found for long, and notes up to where was looked for the others.
func (b *box) looked(s *stream, upTo uint64, began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, doubts := range b.doubtful {
		for _, d := range slices.Clone(doubts) {
			switch {
			case d.stream != s || d.failed.IsZero() || !d.failed.Before(began):
			case began.Sub(d.failed) > doubted:
				b.unname(d, n)
			default:
				d.after = max(d.after, upTo)
			}
		}
	}
}
