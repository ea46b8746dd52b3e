package redisgate

import (
	"context"
	"slices"
)

// A Redis that has lost its last writes has usage again that was done, or set aside. Nobody waits for it here,
// and whoever takes the stream over after the end of this process would send it once more, however much later.
// So what this process did not leave in its own streams is forgotten, or set aside, once more.

// mostAside bounds what is remembered of what was set aside. With more of it nothing is swept.
const mostAside = 10_000

// sweep forgets what is in this process' own streams and does not wait.
func (b *box) sweep(ctx context.Context) error {
	for _, s := range b.streams() {
		if !s.own {
			continue
		}
		n, err := b.client.Do(ctx, b.client.B().Xlen().Key(b.outKey(s.id, "stream")).Build()).AsInt64()
		if err == nil && b.isMore(s, n) {
			err = b.sweepStream(ctx, s)
		}
		if err != nil {
			return wrap(err)
		}
	}
	return nil
}

// isMore reports whether so many are more than should be in a stream.
func (b *box) isMore(s *stream, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return n > int64(s.left+len(b.gone)+len(b.doubtful)) && len(b.refused) < mostAside
}

// sweepStream reads what is in a stream up to what Append has heard of.
func (b *box) sweepStream(ctx context.Context, s *stream) error {
	b.mu.Lock()
	last := s.last
	b.mu.Unlock()
	_, err := b.each(ctx, s, 0, last, func(e *entry) {
		if e.n <= last && e.err == nil && b.stray(s, e) {
			at := place{s, e.n}
			b.gone = append(b.gone, finished{at, b.refused[at], nameOf(&e.usage)})
			b.wake()
		}
	})
	return err
}

// stray reports whether nothing is known of a usage that was read. Call it under the lock.
func (b *box) stray(s *stream, e *entry) bool {
	n := nameOf(&e.usage)
	return len(b.doubtful[n]) == 0 && !slices.Contains(b.index[n], place{s, e.n}) &&
		!slices.ContainsFunc(b.gone, func(f finished) bool { return f.place == place{s, e.n} })
}
