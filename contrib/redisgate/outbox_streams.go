package redisgate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
)

// Whose a stream is. Each has an owner, who tells at every beat that he lives. One whose owner has not
// for Reclaim, or has closed it, may be taken by anybody, in one step. Who finds his own stream taken
// makes a new one, so two never write to one.
//
// The maker of a stream may have been paused and not dead. He then still sends what he has, and what he
// wants to read back must be there; so what is delivered of a stream that was not closed is marked and
// not deleted, until its maker is silent for giveUp times Reclaim.

const (
	giveUp = 10
	// page is how many usages are read at once.
	page = 100
)

// beatPause is the time between two beats.
func (b *box) beatPause() time.Duration { return min(b.timing.Reclaim/4, beatEvery) }

// open takes over what ended before, and makes a stream.
func (b *box) open(ctx context.Context) error {
	free, err := b.free(ctx)
	if err != nil {
		return err
	}
	for _, id := range free {
		s, err := b.take(ctx, id)
		if err != nil {
			return err
		}
		if s != nil {
			b.mu.Lock()
			b.join(s)
			b.mu.Unlock()
		}
	}
	s, err := b.make(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.join(s)
	b.mu.Unlock()
	return b.countAside(ctx)
}

// free are the streams whose owner has ended.
func (b *box) free(ctx context.Context) ([]string, error) {
	now, err := b.time(ctx)
	if err != nil {
		return nil, err
	}
	dead := strconv.FormatInt(now-b.timing.Reclaim.Milliseconds(), 10)
	ids, err := b.client.Do(ctx, b.client.B().Zrangebyscore().Key(b.beatsKey()).Min("-inf").Max(dead).Limit(0, 1000).Build()).AsStrSlice()
	slices.Sort(ids) // by age
	return ids, wrap(err)
}

// take takes a stream over; nil if it is another one's by now, or gone.
func (b *box) take(ctx context.Context, id string) (*stream, error) {
	b.mu.Lock()
	mine := b.claimed[id] != nil
	for _, s := range b.segments {
		mine = mine || s.id == id
	}
	b.mu.Unlock()
	if mine {
		return nil, nil //nolint:nilnil // see the comment
	}
	owner, err := b.client.Do(ctx, b.client.B().Hget().Key(b.outKey(id, "meta")).Field("owner").Build()).ToString()
	if rueidis.IsRedisNil(err) { // its making was not finished, or its end was not
		return nil, wrap(b.client.Do(ctx, b.client.B().Zrem().Key(b.beatsKey()).Member(id).Build()).Error())
	}
	if err != nil {
		return nil, wrap(err)
	}
	now, err := b.time(ctx)
	if err != nil {
		return nil, err
	}
	fields, err := b.claim.Exec(ctx, b.client, []string{b.outKey(id, "meta")}, []string{owner, b.me, integer(now)}).AsStrSlice()
	if err != nil || len(fields) != 2 || fields[0] == "" {
		return nil, wrap(err)
	}
	s := &stream{id: id, closed: fields[1] != "", done: make(map[uint64]bool)}
	s.ended, _ = strconv.ParseInt(fields[0], 10, 64)
	done, err := b.client.Do(ctx, b.client.B().Smembers().Key(b.outKey(id, "done")).Build()).AsStrSlice()
	if err != nil {
		return nil, wrap(err)
	}
	for _, text := range done {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			s.done[n] = true
		}
	}
	b.mu.Lock()
	b.claimed[id] = s
	b.mu.Unlock()
	return s, wrap(b.client.Do(ctx, b.client.B().Zadd().Key(b.beatsKey()).ScoreMember().ScoreMember(float64(now), id).Build()).Error())
}

// entry is a usage in a stream.
type entry struct {
	n     uint64
	usage gate.Usage
	err   error // it can't be read
}

// read reads the next usages behind a number. There are no more if they are fewer than a page.
func (b *box) read(ctx context.Context, s *stream, after uint64) (entries []entry, more bool, err error) {
	command := b.client.B().Xrange().Key(b.outKey(s.id, "stream")).Start(natural(after+1) + "-0").End("+").Count(page).Build()
	found, err := b.client.Do(ctx, command).AsXRange()
	if err != nil && !rueidis.IsRedisNil(err) {
		return nil, false, wrap(err)
	}
	for _, x := range found {
		number, _, _ := strings.Cut(x.ID, "-")
		e := entry{}
		if e.n, e.err = strconv.ParseUint(number, 10, 64); e.err != nil {
			return nil, false, &Error{Kind: ErrAnswer, Err: e.err}
		}
		e.usage, e.err = decodeUsage(x.FieldValues["u"])
		entries = append(entries, e)
	}
	return entries, len(found) == page, nil
}

// found notes what was read of another one's stream, for the first time, and reports whether it is to be
// delivered. Call it under the lock.
func (b *box) found(s *stream, e *entry) bool {
	switch {
	case s.done[e.n]:
		return false
	case s.own || e.n <= s.read:
		return true
	}
	s.read = e.n
	if e.err != nil {
		s.unread++
		return true
	}
	b.put(nameOf(&e.usage), place{s, e.n})
	return true
}

// Pending is gate.Outbox's.
func (b *box) Pending(after gate.Position) iter.Seq2[gate.Kept, error] {
	return func(yield func(gate.Kept, error) bool) {
		for i := int(uint64(after) / most); ; i++ { //nolint:gosec // few
			b.mu.Lock()
			closed, more := b.closed, i < len(b.segments)
			var s *stream
			if more {
				s = b.segments[i]
			}
			b.mu.Unlock()
			if closed {
				yield(gate.Kept{}, ErrOutboxClosed)
				return
			}
			if !more || !b.pending(s, uint64(after), yield) {
				return
			}
		}
	}
}

// pending yields those of one stream. It is false when no more are wanted.
func (b *box) pending(s *stream, after uint64, yield func(gate.Kept, error) bool) bool {
	n := uint64(0)
	if after > s.base {
		n = after - s.base
	}
	for more := true; more; {
		var entries []entry
		var err error
		within, cancel := context.WithTimeout(context.Background(), 5*b.patience)
		entries, more, err = b.read(within, s, n)
		cancel()
		if err != nil {
			yield(gate.Kept{}, err)
			return false
		}
		for i := range entries {
			e := &entries[i]
			n = e.n
			b.mu.Lock()
			wanted := b.found(s, e)
			b.mu.Unlock()
			if wanted && !yield(gate.Kept{Usage: e.usage, At: gate.Position(s.base + n)}, e.err) {
				return false
			}
		}
	}
	b.mu.Lock()
	s.complete = !s.own
	b.mu.Unlock()
	return true
}

// Adopt is gate.Adopter's.
func (b *box) Adopt(ctx context.Context, take func(...gate.Usage) error) error {
	for {
		for _, s := range b.unfinished() {
			if err := b.hand(ctx, s, take); err != nil {
				return err
			}
		}
		free, err := b.free(ctx)
		if err != nil {
			return err
		}
		for _, id := range free {
			s, err := b.take(ctx, id)
			if err == nil && s != nil {
				err = b.hand(ctx, s, take)
			}
			if err != nil {
				return err
			}
		}
		sleep(ctx, b.beatPause())
		if ctx.Err() != nil {
			return fmt.Errorf("redisgate: adopt: %w", ctx.Err())
		}
	}
}

// unfinished are the streams that an Adopt has not read to their end.
func (b *box) unfinished() (list []*stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.claimed {
		if !s.complete && !s.taken && !b.isSegment(s) {
			list = append(list, s)
		}
	}
	return list
}

// isSegment reports whether Pending yields a stream. Call it under the lock.
func (b *box) isSegment(s *stream) bool {
	for _, other := range b.segments {
		if other == s {
			return true
		}
	}
	return false
}

// hand gives all of a stream to take.
func (b *box) hand(ctx context.Context, s *stream, take func(...gate.Usage) error) error {
	for more := true; more; {
		b.mu.Lock()
		after := s.read
		b.mu.Unlock()
		var entries []entry
		var err error
		if entries, more, err = b.read(ctx, s, after); err != nil {
			return err
		}
		var usages []gate.Usage
		for i := range entries {
			if e := &entries[i]; e.err == nil && !s.done[e.n] {
				usages = append(usages, e.usage)
			}
		}
		b.mu.Lock() // what is taken may be done at once
		for i := range entries {
			b.found(s, &entries[i])
		}
		b.mu.Unlock()
		if err := b.offer(ctx, usages, take); err != nil {
			b.takeBack(s, after, entries)
			return err
		}
		b.mu.Lock()
		if n := len(entries); n > 0 {
			s.read = entries[n-1].n
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	s.complete = true
	b.mu.Unlock()
	b.wake()
	return nil
}

// takeBack undoes found of usage that nobody took. Call it without the lock.
func (b *box) takeBack(s *stream, after uint64, entries []entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		switch {
		case s.done[e.n]:
		case e.err != nil:
			s.unread--
		default:
			b.remove(nameOf(&e.usage), func(p place) bool { return p == place{s, e.n} })
			s.left--
		}
	}
	s.read = after
}

// offer offers usage again and again while there is no room for it.
func (b *box) offer(ctx context.Context, usages []gate.Usage, take func(...gate.Usage) error) error {
	for pause := firstRest; len(usages) > 0; pause = min(2*pause, longestRest) {
		err := take(usages...)
		if !errors.Is(err, gate.ErrQueueFull) {
			return err
		}
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return fmt.Errorf("redisgate: adopt: %w", ctx.Err())
		}
	}
	return nil
}
