package redisgate

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
)

var (
	//go:embed out_append.lua
	appendScript string
	//go:embed out_claim.lua
	claimScript string
)

// ErrOutboxClosed is returned for what is asked of an outbox after Close.
var ErrOutboxClosed = errors.New("redisgate: the outbox is closed")

// SharedOutbox is what [Outbox] opens.
type SharedOutbox interface {
	gate.Outbox
	gate.Adopter
	gate.OutboxMeter
}

// Outbox keeps usage as durably as Redis does: with appendonly and appendfsync everysec a power cut loses up
// to a second of it, a failover what the new Redis did not have yet ([WaitFor] bounds that), and a Redis
// without a file all of it. Where a pod has a disk of its own that outlives it, package outbox keeps more.
//
// It outlives the process, wherever it runs: what a process leaves there that was closed is delivered by
// another one within seconds, and of one that was killed after [Reclaim], each usage with its key and its
// time. A process that was only paused for longer keeps on: what it has was sent twice then, and Stigg
// counts it once.
//
// Each process has a stream of its own, and those of the processes that it took over. Give all processes
// of an app the same Prefix and Reclaim. It is no fleet.Inheritance: silence does not tell that a process
// has ended, and what it left may go to several. See there for what that costs in a fleet. What Stigg refused for good is in the hash prefix:{aside}, as
// JSON. The gate that it is given to closes it; the client is the app's, and stays open. The error is a
// *SetupError if Redis can't be used, among others since it evicts keys.
func Outbox(ctx context.Context, client rueidis.Client, options ...Option) (SharedOutbox, error) {
	s, err := apply(client, options, ofOutbox)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	b := &box{
		settings: s, me: rand.Text(), index: make(map[name][]place), doubtful: make(map[name][]*doubt),
		claimed: make(map[string]*stream), refused: make(map[place]string), flush: make(chan struct{}, 1),
		append: rueidis.NewLuaScript(appendScript), claim: rueidis.NewLuaScript(claimScript),
	}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	_ = b.note(ctx, b.beat(ctx)) // too few replicas are no reason not to start

	running, stop := context.WithCancel(context.Background()) //nolint:gosec // Close calls it
	b.stop = stop
	b.running.Go(func() { b.live(running) })
	b.running.Go(func() { b.forgetAll(running) })
	return b, nil
}

// box is an Outbox on Redis.
type box struct {
	settings
	me            string // the owner's name
	append, claim *rueidis.Lua
	stop          context.CancelFunc
	running       sync.WaitGroup
	flush         chan struct{} // holds a token when there is something to forget

	renewing sync.Mutex // a stream is being made

	mu       sync.Mutex
	segments []*stream          // what Pending yields, in order: of earlier runs, then this one's
	claimed  map[string]*stream // those of others, by id
	index    map[name][]place   // what is pending
	doubtful map[name][]*doubt  // what may be
	count    int                // of it
	aside    int                // set aside, by all
	refused  map[place]string   // what was of this process' own streams, as JSON; not all of it
	gone     []finished         // to be forgotten in Redis
	sick     error              // why the last call failed
	closed   bool
}

// place is where a usage is.
type place struct {
	stream *stream
	n      uint64
}

// stream is one in Redis. Its usages are numbered from 1 on.
type stream struct {
	id    string
	own   bool   // made by this process
	base  uint64 // a usage's Position is its number more
	taken bool   // another process has it by now
	last  uint64 // of an own one: the greatest number that Append has heard of

	left int // that are known, and are neither done nor set aside

	// Of another one's:
	closed   bool            // its maker has closed it, and surely ended
	ended    int64           // when it was taken over first
	done     map[uint64]bool // what an earlier owner has delivered
	read     uint64          // up to which number it was read
	complete bool            // it was read to its end
	unread   int             // that can't be read
}

// most bounds the numbers of a stream.
const most = 1 << 40

func (s *settings) outKey(id, what string) string { return s.prefix + ":{out:" + id + "}:" + what }
func (s *settings) beatsKey() string              { return s.prefix + ":{out}:beats" }
func (s *settings) asideKey() string              { return s.prefix + ":{aside}" }

// current is the stream that is written to.
func (b *box) current() (*stream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrOutboxClosed
	}
	return b.segments[len(b.segments)-1], nil
}

// Append is gate.Outbox's.
func (b *box) Append(ctx context.Context, u ...gate.Usage) error {
	s, err := b.current()
	if err = errors.Join(err, ctx.Err()); err != nil || len(u) == 0 {
		return err
	}
	arguments := make([]string, 2, len(u)+2)
	arguments[0] = b.me
	for i := range u {
		record, err := encode(&u[i])
		if err != nil {
			return err
		}
		arguments = append(arguments, record)
	}
	const tries = 3
	d := b.doubts(u)
	for range tries {
		arguments[1] = natural(b.tries(d, s))
		first, err := b.add(ctx, s, arguments)
		switch {
		case first > 0: // though perhaps too few replicas have it
			b.kept(d, first)
			return b.note(ctx, err)
		case err != nil:
			b.failed(d, true)
			return b.note(ctx, err)
		}
		if s, err = b.renew(ctx, s); err != nil {
			b.failed(d, false)
			return b.note(ctx, err)
		}
	}
	b.failed(d, false)
	return b.note(ctx, &Error{Kind: ErrAnswer, Err: errors.New("each new stream is another one's at once")})
}

// add runs the script; 0 says that the stream is not ours any more.
func (b *box) add(ctx context.Context, s *stream, arguments []string) (first uint64, err error) {
	keys := []string{b.outKey(s.id, "meta"), b.outKey(s.id, "stream")}
	if b.replicas == 0 {
		return b.append.Exec(ctx, b.client, keys, arguments).AsUint64()
	}
	err = b.client.Dedicated(func(c rueidis.DedicatedClient) error {
		result := c.Do(ctx, c.B().Evalsha().Sha1(sha(appendScript)).Numkeys(2).Key(keys...).Arg(arguments...).Build())
		if isNoScript(result.Error()) {
			result = c.Do(ctx, c.B().Eval().Script(appendScript).Numkeys(2).Key(keys...).Arg(arguments...).Build())
		}
		if first, err = result.AsUint64(); err != nil || first == 0 {
			return err
		}
		return b.replicated(ctx, c)
	})
	return first, err
}

// replicated waits until enough replicas have what was written on a connection.
func (b *box) replicated(ctx context.Context, c rueidis.DedicatedClient) error {
	reached, err := c.Do(ctx, c.B().Wait().Numreplicas(b.replicas).Timeout(b.patience.Milliseconds()).Build()).AsInt64()
	if err == nil && reached < b.replicas {
		err = &Error{Kind: ErrNotReplicated, Err: fmt.Errorf("%d of %d have it", reached, b.replicas)}
	}
	return err
}

// put puts a usage into the index. Call it under the lock.
func (b *box) put(n name, at place) {
	b.index[n] = append(b.index[n], at)
	b.count++
	at.stream.left++
}

// renew has a new stream written to in place of one that is not ours any more.
func (b *box) renew(ctx context.Context, old *stream) (*stream, error) {
	b.renewing.Lock()
	defer b.renewing.Unlock()
	if s, err := b.current(); err != nil || s != old {
		return s, err
	}
	s, err := b.make(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old.taken = true
	b.join(s)
	return s, nil
}

// make makes a stream of this process.
func (b *box) make(ctx context.Context) (*stream, error) {
	now, err := b.time(ctx)
	if err != nil {
		return nil, err
	}
	s := &stream{id: fmt.Sprintf("%014d-%s", now, rand.Text()), own: true} // by age
	for _, result := range b.client.DoMulti(ctx,
		b.client.B().Hset().Key(b.outKey(s.id, "meta")).FieldValue().FieldValue("owner", b.me).Build(),
		b.client.B().Zadd().Key(b.beatsKey()).ScoreMember().ScoreMember(float64(now), s.id).Build(),
	) {
		if err := result.Error(); err != nil {
			return nil, wrap(err)
		}
	}
	return s, nil
}

// join adds a segment. Call it under the lock.
func (b *box) join(s *stream) {
	s.base = uint64(len(b.segments)) * most
	b.segments = append(b.segments, s)
}

// time is Redis' clock, in ms.
func (b *box) time(ctx context.Context) (int64, error) {
	if b.now != nil {
		return b.now().UnixMilli(), nil
	}
	fields, err := b.client.Do(ctx, b.client.B().Time().Build()).AsIntSlice()
	if err == nil && len(fields) != 2 {
		err = &Error{Kind: ErrAnswer}
	}
	if err != nil {
		return 0, wrap(err)
	}
	return fields[0]*1000 + fields[1]/1000, nil
}

// note remembers what became of a call. The end of a caller's context says nothing of Redis.
func (b *box) note(ctx context.Context, err error) error {
	err = wrap(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil || ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		b.sick = err
	}
	return err
}

// Healthy is gate.Outbox's.
func (b *box) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrOutboxClosed
	}
	return b.sick
}

// Stats is gate.OutboxMeter's. What others have pending is not in it.
func (b *box) Stats() gate.OutboxStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return gate.OutboxStats{Pending: b.count, SetAside: b.aside, Err: b.sick}
}

// Close is gate.Outbox's.
func (b *box) Close() error {
	b.mu.Lock()
	was := b.closed
	b.closed = true
	b.mu.Unlock()
	if was {
		return nil
	}
	b.stop()
	b.running.Wait()
	const within = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_ = b.forget(ctx) // what is not forgotten is sent again, and counts once
	return b.release(ctx)
}
