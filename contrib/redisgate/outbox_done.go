package redisgate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
)

// finished is a usage that is done, or set aside.
type finished struct {
	place
	aside string // as JSON; empty if it is done
	name  name
}

// setAside is a usage that was refused for good, as it is kept.
type setAside struct {
	Usage  gate.Usage
	Reason string
	At     time.Time
}

// Done is gate.Outbox's.
func (b *box) Done(u ...gate.Usage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrOutboxClosed
	}
	for i := range u {
		b.finish(nameOf(&u[i]), "")
	}
	return nil
}

// SetAside is gate.Outbox's.
func (b *box) SetAside(u gate.Usage, reason string) error {
	text, err := json.Marshal(setAside{u, reason, time.Now()})
	if err != nil { // an amount that is none
		u.Value, u.Excess = 0, 0
		if text, err = json.Marshal(setAside{u, reason, time.Now()}); err != nil {
			return fmt.Errorf("redisgate: set aside: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrOutboxClosed
	}
	b.finish(nameOf(&u), string(text))
	return nil
}

// finish takes a usage out, to be forgotten in Redis soon. Call it under the lock.
func (b *box) finish(n name, aside string) {
	b.end(n, aside)
	places := b.index[n]
	b.remove(n, func(place) bool { return true })
	for _, p := range places {
		p.stream.left--
		b.leave(finished{p, aside, n})
	}
	if len(places) == 0 {
		return
	}
	if aside != "" {
		b.aside++
	}
	b.wake()
}

// leave has one forgotten in Redis. Call it under the lock.
func (b *box) leave(f finished) {
	if f.stream.own && f.aside != "" && len(b.refused) < mostAside {
		b.refused[f.place] = f.aside
	}
	b.gone = append(b.gone, f)
}

// remove takes places out of the index. Call it under the lock.
func (b *box) remove(n name, is func(place) bool) {
	var rest []place
	for _, p := range b.index[n] {
		if !is(p) {
			rest = append(rest, p)
		}
	}
	b.count -= len(b.index[n]) - len(rest)
	if len(rest) > 0 {
		b.index[n] = rest
	} else {
		delete(b.index, n)
	}
}

// wake has what is finished forgotten.
func (b *box) wake() {
	select {
	case b.flush <- struct{}{}:
	default:
	}
}

// forgetAll forgets what is finished until ctx ends.
func (b *box) forgetAll(ctx context.Context) {
	for pause := firstRest; ; {
		select {
		case <-ctx.Done():
			return
		case <-b.flush:
		}
		within, cancel := context.WithTimeout(ctx, 5*b.patience)
		err := b.forget(within)
		cancel()
		if err == nil {
			pause = firstRest
			continue
		}
		sleep(ctx, pause)
		pause = min(2*pause, longestRest)
		b.wake()
	}
}

// mostForgotten bounds what is forgotten in one call.
const mostForgotten = 500

// forget forgets in Redis what is finished, and the streams of which nothing is left.
func (b *box) forget(ctx context.Context) error {
	if err := b.lookFor(ctx); err != nil {
		return err
	}
	for {
		b.mu.Lock()
		part := b.gone[:min(len(b.gone), mostForgotten)]
		b.mu.Unlock()
		if len(part) == 0 {
			return b.forgetStreams(ctx)
		}
		for _, command := range b.forgetting(part) {
			if err := b.client.Do(ctx, command).Error(); err != nil {
				return wrap(err)
			}
		}
		b.mu.Lock()
		if b.gone = b.gone[len(part):]; len(b.gone) == 0 {
			b.gone = nil
		}
		b.mu.Unlock()
	}
}

// forgetting are the commands that forget: first what keeps what is set aside.
func (b *box) forgetting(part []finished) (commands []rueidis.Completed) {
	type how struct {
		stream *stream
		marks  bool
	}
	numbers := make(map[how][]string)
	for _, f := range part {
		if f.aside != "" {
			commands = append(commands, b.client.B().Hset().Key(b.asideKey()).FieldValue().FieldValue(f.name.String(), f.aside).Build())
		}
		h := how{f.stream, !f.stream.own && !f.stream.closed}
		if h.marks {
			numbers[h] = append(numbers[h], natural(f.n))
		} else {
			numbers[h] = append(numbers[h], natural(f.n)+"-0")
		}
	}
	for h, n := range numbers {
		if h.marks {
			commands = append(commands, b.client.B().Sadd().Key(b.outKey(h.stream.id, "done")).Member(n...).Build())
		} else {
			commands = append(commands, b.client.B().Xdel().Key(b.outKey(h.stream.id, "stream")).Id(n...).Build())
		}
	}
	return commands
}

// forgetStreams forgets those of others that are delivered, and whose makers have surely ended.
func (b *box) forgetStreams(ctx context.Context) error {
	now, err := b.time(ctx)
	if err != nil {
		return err
	}
	var over []*stream
	b.mu.Lock()
	for _, s := range b.claimed {
		ended := s.closed || now-s.ended > giveUp*b.timing.Reclaim.Milliseconds()
		if s.complete && s.left == 0 && s.unread == 0 && ended && !s.taken {
			over = append(over, s)
		}
	}
	b.mu.Unlock()
	for _, s := range over {
		if err := b.forgetStream(ctx, s); err != nil {
			return err
		}
		b.mu.Lock()
		delete(b.claimed, s.id)
		b.mu.Unlock()
	}
	return nil
}

func (b *box) forgetStream(ctx context.Context, s *stream) error {
	for _, command := range []rueidis.Completed{
		b.client.B().Del().Key(b.outKey(s.id, "stream"), b.outKey(s.id, "done"), b.outKey(s.id, "meta")).Build(),
		b.client.B().Zrem().Key(b.beatsKey()).Member(s.id).Build(),
	} {
		if err := b.client.Do(ctx, command).Error(); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// live tells at every beat that the owner of the streams lives, until ctx ends.
func (b *box) live(ctx context.Context) {
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(ctx, 5*b.patience)
		err := b.beat(within)
		if err == nil {
			err = b.sweep(within)
		}
		cancel()
		pause := b.beatPause()
		if ctx.Err() == nil && b.note(context.Background(), err) != nil {
			pause = min(pause, firstRest)
		}
		sleep(ctx, pause)
		b.wake() // streams may be over by now
	}
}

// beat tells that the owner lives. With WaitFor it fails as an Append would, where too few replicas have it.
func (b *box) beat(ctx context.Context) error {
	now, err := b.time(ctx)
	if err != nil {
		return err
	}
	var own *stream
	for _, s := range b.streams() {
		owner, err := b.client.Do(ctx, b.client.B().Hget().Key(b.outKey(s.id, "meta")).Field("owner").Build()).ToString()
		if err != nil && !rueidis.IsRedisNil(err) {
			return wrap(err)
		}
		if owner != b.me {
			b.lost(s)
			continue
		}
		if err := b.lives(ctx, b.client, s, now); err != nil {
			return err
		}
		if s.own {
			own = s
		}
	}
	if b.replicas == 0 || own == nil {
		return nil
	}
	return wrap(b.client.Dedicated(func(c rueidis.DedicatedClient) error {
		if err := b.lives(ctx, c, own, now); err != nil {
			return err
		}
		return b.replicated(ctx, c)
	}))
}

// lives tells it of one stream.
func (b *box) lives(ctx context.Context, c rueidis.CoreClient, s *stream, now int64) error {
	return wrap(c.Do(ctx, c.B().Zadd().Key(b.beatsKey()).ScoreMember().ScoreMember(float64(now), s.id).Build()).Error())
}

// streams are those that belong to this process.
func (b *box) streams() (list []*stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.segments {
		if s.own && !s.taken {
			list = append(list, s)
		}
	}
	for _, s := range b.claimed {
		if !s.taken {
			list = append(list, s)
		}
	}
	return list
}

// lost notes that a stream is another one's. It may still be read; Append makes a new one.
func (b *box) lost(s *stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.taken = true
	delete(b.claimed, s.id)
}

// release lets others have the streams, with what is left in them.
func (b *box) release(ctx context.Context) error {
	for _, s := range b.streams() {
		owner, err := b.client.Do(ctx, b.client.B().Hget().Key(b.outKey(s.id, "meta")).Field("owner").Build()).ToString()
		if err != nil && !rueidis.IsRedisNil(err) {
			return wrap(err)
		}
		if owner != b.me {
			continue
		}
		if s.own {
			left, err := b.client.Do(ctx, b.client.B().Xlen().Key(b.outKey(s.id, "stream")).Build()).AsInt64()
			if err != nil {
				return wrap(err)
			}
			if left == 0 {
				if err := b.forgetStream(ctx, s); err != nil {
					return err
				}
				continue
			}
			if err := b.client.Do(ctx, b.client.B().Hset().Key(b.outKey(s.id, "meta")).FieldValue().FieldValue("closed", "1").Build()).Error(); err != nil {
				return wrap(err)
			}
		}
		if err := b.client.Do(ctx, b.client.B().Zadd().Key(b.beatsKey()).ScoreMember().ScoreMember(0, s.id).Build()).Error(); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// countAside counts what is set aside.
func (b *box) countAside(ctx context.Context) error {
	n, err := b.client.Do(ctx, b.client.B().Hlen().Key(b.asideKey()).Build()).AsInt64()
	if err != nil {
		return wrap(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aside = int(n)
	return nil
}
